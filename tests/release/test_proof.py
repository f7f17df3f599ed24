"""The five numbers and what a failed proof looks like, on readings that are made up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from whet.release.consumers.protocol import UNTOLD, Written
from whet.release.diagnosis import SIGNATURES, diagnose
from whet.release.forms.protocol import ROUNDING, Bound
from whet.release.golden import Golden, GoldenAnswer, GoldenCase, GoldenPrompt, GoldenScores, PromptKind
from whet.release.proof import TaskScore, prove, slope
from whet.release.readings import CaseReading, Readings, ScoreReading

STOP = 2
KINDS: tuple[PromptKind, ...] = (
    "task", "no-system", "shortest", "system", "empty-system", "tools", "unicode", "longest",
)  # fmt: skip
TIGHT = ROUNDING["float32"]
"""What float32 allows."""


def golden(effect: float = 3.0) -> Golden:
    """Prompts that begin with the token 1; the tune moves each log-probability by some `effect` nats."""
    drawn = random.Random(0)

    def answer(ids: list[int], stop: int | None) -> GoldenAnswer:
        base = [-drawn.uniform(1, 5) for _ in range(len(ids) + (stop is not None))]
        return GoldenAnswer("words", ids, stop, base, [one + drawn.uniform(-effect, effect) for one in base])

    cases = []
    for number, kind in enumerate(KINDS):
        prompt = GoldenPrompt(kind, "text", [1, 5, *range(20, 24 + number), 9], [{"role": "user", "content": "x"}])
        cases.append(GoldenCase(prompt, answer([11, 12, 13], STOP), answer([14, 15], None)))
    return Golden(cases, [], [STOP], 8, "float32", "float32")


Change = Callable[[GoldenCase, CaseReading], CaseReading]


def served(asked: Golden, fraction: float = 1.0, change: Change = lambda case, read: read) -> Readings:
    """What answers `fraction` of the way from base to tuned, and else as training left it."""

    def numbers(one: GoldenAnswer) -> list[float]:
        return [base + fraction * (tuned - base) for base, tuned in zip(one.base, one.tuned, strict=True)]

    cases = []
    for case in asked.cases:
        written = Written(case.answer.ids, case.answer.stop_id)
        read = CaseReading(case.prompt.ids, numbers(case.answer), numbers(case.contrast), written)
        cases.append(change(case, read))
    return Readings("made up", cases)


def named(asked: Golden, readings: Readings, bound: Bound = TIGHT) -> tuple[list[str], list[str]]:
    """(tests that failed, faults that they look like)."""
    proof = prove(asked, readings, bound)
    return list(proof.failed), [fault.name for fault in diagnose(asked, readings, proof)]


def test_what_was_trained_is_proved() -> None:
    proof = prove(golden(), served(golden()), TIGHT)
    assert proof.passed and not proof.notes
    assert proof.measured.fraction == pytest.approx(1) and proof.measured.ended == proof.measured.should_end == 8


@pytest.mark.parametrize(
    ("fraction", "name"),
    [
        (0.0, "base-answers"),
        (0.5, "half-the-scale"),
        (2.0, "applied-twice"),
        (0.8, "scale-too-small"),
        (1.3, "scale-too-large"),
    ],
)
def test_a_wrong_scale_is_named(fraction: float, name: str) -> None:
    failed, faults = named(golden(), served(golden(), fraction))
    assert failed == ["fraction", "difference"] and faults[0] == name
    assert prove(golden(), served(golden(), fraction), TIGHT).measured.fraction == pytest.approx(fraction)


def test_a_scale_within_two_percent_is_right_where_the_form_allows_its_differences() -> None:
    assert named(golden(), served(golden(), 0.99), Bound(None, None)) == ([], [])
    assert named(golden(), served(golden(), 0.97), Bound(None, None))[0] == ["fraction"]


def test_weights_of_another_model_are_named() -> None:
    drawn = random.Random(1)

    def other(case: GoldenCase, read: CaseReading) -> CaseReading:
        assert read.answer and read.contrast
        return replace(read, answer=[-drawn.uniform(1, 30) for _ in read.answer])

    assert named(golden(), served(golden(), change=other), Bound(None, None)) == (["fraction"], ["other-weights"])


def test_numbers_that_are_none_are_named() -> None:
    def broken(case: GoldenCase, read: CaseReading) -> CaseReading:
        return replace(read, answer=[math.nan, *(read.answer or [])[1:]])

    assert named(golden(), served(golden(), change=broken)) == (["difference"], ["not-a-number"])


def test_more_than_rounding_is_named() -> None:
    def rounded(case: GoldenCase, read: CaseReading) -> CaseReading:
        return replace(read, answer=[value + 0.002 for value in read.answer or []])

    assert named(golden(), served(golden(), change=rounded)) == (["difference"], ["rounding"])
    assert named(golden(), served(golden(), change=rounded), ROUNDING["bfloat16"]) == ([], [])


def test_a_tune_that_changed_nothing_is_said_and_not_refused() -> None:
    proof = prove(golden(effect=0.0), served(golden(effect=0.0)), TIGHT)
    assert proof.passed and proof.measured.fraction is None and "hardly differ" in proof.notes[0]


def test_noise_as_large_as_a_small_tune_is_no_wrong_scale() -> None:
    """The slope is known to a standard error only."""
    drawn = random.Random(2)
    asked = golden(effect=0.02)

    def noisy(case: GoldenCase, read: CaseReading) -> CaseReading:
        return replace(read, answer=[value + drawn.gauss(0, 0.01) for value in read.answer or []])

    readings = served(asked, change=noisy)
    fraction = prove(asked, readings, ROUNDING["bfloat16"]).measured.fraction
    assert fraction is not None and abs(fraction - 1) > 0.02
    assert named(asked, readings, ROUNDING["bfloat16"]) == ([], [])


@pytest.mark.parametrize(
    ("rendered", "name"),
    [
        (lambda kind, ids: [1, *ids], "bos-doubled"),
        (lambda kind, ids: [7, *ids], "token-added"),
        (lambda kind, ids: ids[1:], "bos-missing"),
        (lambda kind, ids: ids[:-1], "no-generation-prompt"),
        (lambda kind, ids: ids[:6] if kind == "longest" else ids, "context-cut"),
        (lambda kind, ids: ids if kind in ("system", "empty-system") else [1, 8, 8, *ids[1:]], "default-system"),
        (lambda kind, ids: [1, 5, 9] if kind == "tools" else ids, "tools-dropped"),
        (lambda kind, ids: [1, 6, *ids[2:]] if kind == "unicode" else ids, "tokenizer-differs"),
        (lambda kind, ids: [4, 4, *ids[2:]], "template-replaced"),
    ],
)
def test_other_ids_are_named(rendered: Callable[[str, list[int]], list[int]], name: str) -> None:
    def change(case: GoldenCase, read: CaseReading) -> CaseReading:
        return replace(read, ids=rendered(case.prompt.kind, case.prompt.ids))

    assert named(golden(), served(golden(), change=change)) == (["ids"], [name])


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (Written([11, 12, 13, STOP, 4, 4, 4, 4], None), "no-stop"),
        (Written([11, 12, 13, 6, 6, 6, 6, 6], None), "no-stop"),
        (Written([11, 12], 13), "foreign-stop"),
    ],
)
def test_answers_that_do_not_end_as_trained_are_named(written: Written, name: str) -> None:
    readings = served(golden(), change=lambda case, read: replace(read, written=written))
    assert named(golden(), readings) == (["stops"], [name])


@pytest.mark.parametrize("written", [Written([11, 12, 13], UNTOLD), Written([6] * 8, None), None])
def test_other_answers_and_untold_ends_are_no_fault(written: Written | None) -> None:
    """An answer of other words may be longer than the limit."""
    assert named(golden(), served(golden(), change=lambda case, read: replace(read, written=written)))[0] == []


def test_what_a_consumer_does_not_tell_is_said() -> None:
    nothing = CaseReading(None, None, None, None)
    proof = prove(golden(), served(golden(), change=lambda case, read: nothing), TIGHT)
    assert proof.passed and len(proof.notes) == 2


def test_a_lost_task_is_named() -> None:
    lost = TaskScore("accuracy", 80, 0.9, 0.7, -0.2, -0.3, -0.1, 0.1)
    proof = prove(golden(), served(golden()), Bound(None, None), lost)
    assert proof.failed == ["task"] and not lost.kept
    assert replace(lost, difference=0.0, low=-0.3).kept and replace(lost, low=-0.09).kept


def test_scores_of_a_head_are_compared_in_their_own_size() -> None:
    asked = Golden([], [GoldenScores("a", [1, 2], [20.0, -3.0])], [], 8, "float32", "float32")

    def proof(scores: list[float], ids: list[int]) -> list[str]:
        return list(prove(asked, Readings("x", scores=[ScoreReading(ids, scores)]), TIGHT).failed)

    assert proof([20.01, -3.0], [1, 2]) == []
    assert proof([20.1, -3.0], [1, 2]) == ["difference"]
    assert proof([20.0], [1, 2]) == ["difference"]
    assert proof([20.0, -3.0], [1]) == ["ids"]


def test_the_slope_is_that_of_least_squares() -> None:
    line = slope([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.1, 1.9, 3.0])
    assert line.slope == pytest.approx(sum((1.1, 3.8, 9.0)) / 14)
    assert line.error == pytest.approx(
        math.sqrt(sum((o - line.slope * w) ** 2 for w, o in ((1, 1.1), (2, 1.9), (3, 3.0))) / 2 / 14)
    )  # type: ignore


def test_every_signature_has_a_name_of_its_own_and_says_what_to_do() -> None:
    names = [one.fault.name for one in SIGNATURES]
    assert len(set(names)) == len(names)
    assert all(one.fault.looks_like.endswith(".") and not one.fault.fix.endswith(".") for one in SIGNATURES)
