"""What a run measured, learned from and took, for its model card: its files, and nothing that they do not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from whet.errors import WhetError
from whet.evaluation.facts import Evaluation, TrainingFacts
from whet.model.gguf.header import read_header
from whet.recipe.bases import GGUF, NANO
from whet.recipe.schema import Recipe
from whet.reports.card.front import is_set, names_of
from whet.reports.card.markdown import code, escaped, last_name, listed, table, table_of
from whet.reports.sections.evidence.cost import forgetting_view
from whet.reports.sections.evidence.difference import verdict_view
from whet.reports.sections.evidence.opponents import independence, opponents_view
from whet.reports.sections.first.decision import effort, unknown
from whet.reports.sections.making.environment import device
from whet.store.reading import optional_json
from whet.store.run import Run
from whet.text.numbers import format_duration
from whet.text.wording import capitalise, flatten

SETTINGS = (
    "method", "adapter", "quantise", "max_tokens", "too_long", "learning_rate", "batch_tokens", "epochs", "steps",
    "schedule", "optimizer", "keep", "split", "dtype", "seed",
)  # fmt: skip
"""Keys of the recipe that say how it was trained. What names files, servers or texts of the user's own is shortened."""
LONGEST = 60
"""Characters of a setting; a prompt is not a setting."""
FIXED = "always the same answer"
NOT_MEASURED = "**It was not measured**: whether it is better than its base is not known."
NOT_STATED = "not stated"
NANO_LICENCE = "Apache-2.0"


def without_answer(evaluation: Evaluation) -> Evaluation:
    """The evaluation without the answer of the opponent that always gives the same one: it is a row's."""
    against = (evaluation.get("verdict") or {}).get("against") or []
    label = next((str(entry["label"]) for entry in against if entry["name"] == "constant"), "")

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(label, FIXED).replace(capitalise(label), capitalise(FIXED))
        if isinstance(value, dict):
            return {key: replaced(one) for key, one in value.items()}
        if isinstance(value, list):
            return [replaced(one) for one in value]
        return value

    if label:
        return replaced(evaluation)
    return evaluation


def verdict(evaluation: Evaluation) -> Iterator[str]:
    """The verdict in its own sentence, and on how many rows it rests."""
    told = verdict_view(evaluation) if evaluation.get("verdict") else None
    if told is None:
        yield NOT_MEASURED
        return

    yield f"**{escaped(told['sentence'])}**"
    if ship := (evaluation.get("ship") or {}).get("sentence"):
        yield f"Should it be used? {escaped(ship)}"
    if rows := independence(evaluation):
        yield f"Measured on {rows} that training never saw."


def comparisons(evaluation: Evaluation) -> Iterator[str]:
    """All opponents with their intervals, and what the tune cost elsewhere."""
    if (against := opponents_view(evaluation)) is not None:
        yield "## What it was held against"
        yield table_of(against["sheet"])
        if absent := [one for one in against["details"] if one.startswith("Not asked")]:
            yield listed(absent)

    yield "## What it cost elsewhere"
    if (cost := forgetting_view(evaluation)) is not None:
        yield table_of(cost["sheet"])
    else:
        yield escaped((evaluation.get("forgetting") or {}).get("statement") or "It was not measured.")


def data_rows(
    recipe: Recipe, facts: Mapping[str, Any], ledger: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str]]:
    """Where rows came from, and what became of each: the lines from `trained on` to `dropped` add up to those read."""
    names = names_of(recipe.data)
    yield "data", ", ".join(code(name) if is_set(name, place) else last_name(name) for name in names)

    if recipe.test:
        yield "test file", last_name(recipe.test)
    yield "sha256 of the data", str(facts.get("data_sha256", "not recorded"))
    held = ledger.get("held_out") or {}
    counts = {"rows read": ledger.get("rows_in"), "trained on": ledger.get("trained")}
    counts |= {f"held out for {part}": held.get(part) for part in ("validation", "test")}
    counts |= {f"dropped: {reason}": number for reason, number in sorted((ledger.get("dropped") or {}).items())}
    counts |= {"of these cut short": (ledger.get("truncated") or {}).get("rows") or None}
    counts |= {"tokens to learn": ledger.get("supervised_tokens")}
    yield from ((key, f"{value:,}") for key, value in counts.items() if value is not None)


def settings(recipe: Recipe) -> list[tuple[str, str]]:
    """(key, value) of what says how it was trained, shortened."""
    values = recipe.model_dump(mode="json", include=set(SETTINGS), exclude_none=True)
    ordered = {key: values[key] for key in SETTINGS if key in values}
    return [(key, brief(text)) for key, text in flatten(ordered)]


def brief(text: str) -> str:
    """A setting; of a path its last name, of a server nothing, of a text its length."""
    if not text:
        return "none"
    if "://" in text:
        return "a server"
    if len(text) > LONGEST or "\n" in text:
        return f"a text of {len(text):,} characters"
    return last_name(text)


def took(facts: Evaluation | TrainingFacts, run: Run) -> str:
    """Time, memory and the machine. Whet measures no energy."""
    machine = optional_json(run.folder / "environment.json", {})
    packages = machine.get("packages") or {}
    rows = [("training", effort(facts) or "not recorded")]

    seconds = facts.get("evaluation_seconds")
    if seconds is not None:
        rows.append(("measuring", format_duration(seconds)))
    rows += [("machine", device(machine)), ("energy", "not measured")]
    names = [f"{name} {packages[name]}" for name in ("torch", "transformers", "peft") if packages.get(name)]
    rows.append(("software", ", ".join([f"whet {machine.get('whet', 'of a version not recorded')}", *names])))

    return table(("what", "value"), rows)


def licences(base: str) -> str:
    """Of base and data. `base` is as whet.json names it: what lies on this disk may state its own."""
    return table(("of", "licence"), [("the base", base_licence(base)), ("the data", NOT_STATED)])


def base_licence(base: str) -> str:
    """As the base's own files state it."""
    if base == NANO:
        return f"{NANO_LICENCE}, as Whet's own"
    path = Path(base)
    if not path.is_absolute():
        return NOT_STATED

    try:
        if path.suffix.lower() == GGUF:
            stated, where = read_header(path).metadata.get("general.license"), path.name
        else:
            where = "README.md"
            stated = _stated_in((path / where).read_text("utf-8"))
    except (OSError, ValueError, WhetError, yaml.YAMLError):
        return NOT_STATED

    if isinstance(stated, str) and stated.strip():
        return f"{stated.strip()}, as its {where} states"
    return NOT_STATED


def _stated_in(card: str) -> Any:
    """`license` of the metadata of a model card."""
    begin, _, rest = card.partition("---\n")
    if begin.strip():
        return None
    facts = yaml.safe_load(rest.partition("\n---")[0])
    return facts.get("license") if isinstance(facts, dict) else None


def limits(evaluation: Evaluation) -> str:
    """What the rows cannot tell."""
    if evaluation.get("verdict") and evaluation.get("difference"):
        found = unknown(evaluation)
    else:
        found = ["Whether it is better than its base: that was not measured."]
    return listed([*found, "Other tasks, other languages, and what harm it may do: that was not measured."])
