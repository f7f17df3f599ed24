"""What a release adds to the card of its run: the proof, how consumers open it, and what was changed on the way.

`release` is what release.json and proof.json hold: in them FOLDER is the folder of the release, and BASE its base.
"""

from __future__ import annotations

from collections.abc import Iterator

from whet.reports.card.markdown import escaped, fenced, listed, table_of
from whet.reports.proof_facts import ProofFacts, ProvedRelease
from whet.reports.proof_page import numbers

PROOF = "## Is it what was trained?"
FORMS = {"transformers": "merged", "peft": "adapter", "vllm": "vllm", "llama.cpp": "gguf"}
"""Which form each of four consumers reads. Of a model with a head there is one, merged."""


def proof(release: ProofFacts | ProvedRelease) -> str:
    """The section of the proof: the numbers of each consumer, and what failed."""
    return "\n\n".join([PROOF, *_proof(release)])


def with_proof(text: str, release: ProofFacts) -> str:
    """A card with the section of a later proof in the place of the one that it holds; as it is where it holds none."""
    before, heading, rest = text.partition(f"\n{PROOF}\n")
    if not heading:
        return text
    _, next_heading, after = rest.partition("\n## ")
    return f"{before}\n{proof(release)}\n{next_heading}{after}"


def _proof(release: ProofFacts | ProvedRelease) -> Iterator[str]:
    if release["proved"]:
        yield "The library that reads it was asked the golden prompts, and said what the trained model had said."
    elif release["forced"]:
        yield "**No: the proof failed, and it was released by force.** It may answer otherwise than what was measured."
    else:
        yield "**No: the proof failed.** It may answer otherwise than what was measured."

    for one in release["proofs"]:
        if (sheet := numbers(one)) is None:
            yield f"{escaped(one['consumer'])} could not open it."
        else:
            yield f"Through {escaped(one['consumer'])}:"
            yield table_of(sheet)

        said = [*one.get("notes", []), *(f"{fault['name']}: {fault['looks_like']}" for fault in one["faults"])]
        if "measured" in one and not one.get("task"):
            said.append("The task on validation rows was not scored through it.")
        if said:
            yield listed(said)

    yield "`whet prove FOLDER` asks again, with the golden prompts of `golden.json` where that file is there."


def use(name: str, release: ProvedRelease, is_adapter: bool, has_head: bool) -> Iterator[str]:
    """How it is opened: text to copy, and for other consumers the form that they read."""
    commands = release["commands"]
    yield "FOLDER is the folder of this file."
    for consumer, text in commands.items():
        language = "python" if text.startswith(("from ", "import ")) else "sh"
        yield f"{escaped(consumer)}:"
        yield fenced(text, language)

    others = [consumer for consumer in FORMS if consumer not in commands]
    if has_head:
        others = []
    elif not is_adapter and "peft" in others:
        others.remove("peft")

    if others:
        width = max(len(FORMS[consumer]) for consumer in others)
        lines = [f"whet export {name} --to {FORMS[consumer]:<{width}}    # {consumer}" for consumer in others]
        yield "Other consumers read other forms; whoever has the run writes them:"
        yield fenced("\n".join(lines), "sh")
