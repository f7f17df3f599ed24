"""The proof for people: one HTML file without scripts, in the form of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from whet.errors import HIDDEN
from whet.model.base_identity import HEX
from whet.reports.page import templates_of_a_page
from whet.reports.proof_facts import BoundFacts, ConsumerFacts, FaultFacts, MeasuredFacts, ProofFacts, TaskFacts
from whet.reports.sheet import Cell, Sheet
from whet.store.atomic import write_text


class ProofView(TypedDict):
    """Everything that proof.html.j2 needs."""

    name: str
    facts: list[str]
    word: str
    """The colour of the answer, by a word of verdicts."""
    headline: str
    sentence: str
    notes: list[str]
    proofs: list[tuple[str, Sheet | None, list[str], list[FaultFacts]]]
    """(consumer, its numbers, what could not be judged, faults)."""


def write_proof_page(path: Path, facts: ProofFacts) -> None:
    """Of what proof.json holds."""
    text = templates_of_a_page().get_template("proof.html.j2").render(page(facts))
    write_text(path, HIDDEN.sub("\ufffd", text))


def page(facts: ProofFacts) -> ProofView:
    form = " ".join(part for part in (facts["form"], facts["type"]) if part)
    return {
        "name": facts["run"],
        "facts": [f"form: {form}", f"base: {base(facts)}"],
        "word": "better" if facts["proved"] else "worse",
        "headline": headline(facts),
        "sentence": sentence(facts),
        "notes": facts["notes"],
        "proofs": [(one["consumer"], numbers(one), one.get("notes", []), one["faults"]) for one in facts["proofs"]],
    }


def base(facts: ProofFacts) -> str:
    """Its name, with what tells it from others of this name."""
    if revision := facts.get("base_revision"):
        return f"{facts['base']}, revision {revision}"
    if fingerprint := facts.get("base_fingerprint"):
        return f"{facts['base']}, weights {fingerprint[:HEX]}"
    return facts["base"]


def headline(facts: ProofFacts) -> str:
    if facts["proved"]:
        return "This is what was trained"
    return "Released by force: the proof failed" if facts["forced"] else "Not released: the proof failed"


def sentence(facts: ProofFacts) -> str:
    names = ", ".join(one["consumer"] for one in facts["proofs"])
    if facts["proved"]:
        return f"{names} gives the golden prompts the ids, the log-probabilities and the ends that training left."
    faults = [fault["looks_like"] for one in facts["proofs"] for fault in one["faults"]]
    return " ".join(faults[:2])


def numbers(proof: ConsumerFacts) -> Sheet | None:
    """The five numbers with their bounds; None where the model could not be opened."""
    if "measured" not in proof or "bound" not in proof:
        return None
    failed = proof.get("failed", [])
    rows = [_row(failed, *test) for test in _tests(proof["measured"], proof["bound"], proof.get("task"))]
    return Sheet(["test", "measured", "bound", ""], rows)


def _tests(found: MeasuredFacts, bound: BoundFacts, task: TaskFacts | None) -> list[tuple[str, str, str, str]]:
    """(test, its name for people, what was measured, its bound)."""
    low, high = bound["fraction"]
    tests = [
        ("ids", "rendered ids are equal", _of(found["ids_equal"], found["ids_compared"]), "all"),
        ("fraction", "tune fraction", _fraction(found), f"{low:g} to {high:g}"),
        ("difference", "log-probabilities differ by", _differences(found), _bounds(bound)),
        ("stops", "answers end in a trained stop token", _of(found["ended"], found["should_end"]), "all"),
    ]
    if task:
        measured = f"{task['served']:.1%} against {task['trained']:.1%} ({task['metric']}, {task['rows']} rows)"
        tests.append(("task", "the task on validation rows", measured, f"loses at most {task['budget']:.0%}"))
    changed = f"{found['answers_changed']} of {found['answers']}"
    return [*tests, ("", "greedy answers that changed", changed if found["answers"] else "not told", "reported")]


def _row(failed: Sequence[str], test: str, name: str, measured: str, bound: str) -> list[Cell]:
    if test in failed:
        chip = Cell("failed", chip="worse")
    elif test:
        chip = Cell("held", chip="kept")
    else:
        chip = Cell("")
    return [Cell(name), Cell(measured), Cell(bound), chip]


def _of(number: int, total: int) -> str:
    return f"{number} of {total}" if total else "not told"


def _fraction(found: MeasuredFacts) -> str:
    if found["fraction"] is None:
        return "not told"
    return f"{found['fraction']:.4f} ± {found['fraction_error']:.2g}"


def _differences(found: MeasuredFacts) -> str:
    if not found["finite"]:
        return "not a number"
    if found["mean_difference"] is None:
        return "not told"
    return f"{found['mean_difference']:.2g} on average, {found['largest_difference']:.2g} at most"


def _bounds(bound: BoundFacts) -> str:
    if bound["mean"] is None:
        return "reported"
    return f"{bound['mean']:g} on average, {bound['largest']:g} at most"
