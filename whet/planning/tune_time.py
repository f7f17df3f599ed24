"""How long a whole tune takes, part by part: what is read, learned and written, over this machine's measured speed.

Until steps were measured every figure is a range: the low end takes answers as long as the references and a machine
that is undisturbed, the high end answers that are all cut at their limit. docs/running/planning.md says how
wide it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from whet.planning.beside_steps import Around, checked_tokens, slots_of
from whet.planning.machine import Calibration, Dtype
from whet.planning.memory import FLOAT, Setting, trained_numbers, weight_bytes
from whet.planning.model_shape import ModelShape
from whet.planning.time import rate, read_seconds, step_seconds

SPREAD = 1.3
"""Before a step was measured: how far a part may be from its figure either way (seen: docs/running/planning.md)."""
MEASURED_SPREAD = 1.15
"""Afterwards: steps differ by their rows."""
OPPONENTS = 0.3
"""Most that the opponents of a verdict take, as a share of training and answers (whet/evaluation/opponents)."""
PHRASINGS, EXAMPLES, VALIDATED = 3, 3, 60
"""Phrasings that are tried, on so many validation rows, and examples before a prompt."""
DIVERGENCE = 1.5
"""A divergence reads both models' logits and sums over the vocabulary, beside two passes; in heads of one pass."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Answers to some prompts."""

    answers: int
    prompt: float
    """Mean tokens of a prompt."""
    usual: float
    """Mean tokens of an answer as the references are."""
    most: float
    """Tokens at which an answer is cut."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a tune does, in tokens that are read, learned or written."""

    steps: int
    step_tokens: float
    row: float
    """Mean tokens of a row."""
    supervised: float
    """Share of them that is learned."""
    validations: int = 0
    validation_tokens: float = 0
    checkpoints: int = 0
    reference_tokens: float = 0
    """Read by the base before the first step."""
    rollout: Writing | None = None
    """Of each step."""
    validated: Writing | None = None
    """Of each validation."""
    test_tokens: float = 0
    test: Writing | None = None
    """Of each side."""
    opponents: Writing | None = None
    """As they would be asked if there were no bound."""
    general_tokens: float = 0
    prompt_tokens: float = 0
    """That the distance from the base is measured on."""
    skills: Writing | None = None
    kept: Writing | None = None
    """The base's own samples."""
    replayed_tokens: float = 0
    """Of a step."""
    anchored_tokens: float = 0
    """Of a step: read by the base as well."""


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds by part; `low` and `high` hold the total."""

    training: float
    evaluation: float
    opponents: float
    forgetting: float
    keep: float
    low: float
    high: float

    @property
    def total(self) -> float:
        return self.training + self.evaluation + self.opponents + self.forgetting + self.keep

    def facts(self) -> dict[str, float]:
        parts = ("training", "evaluation", "opponents", "forgetting", "keep", "total", "low", "high")
        return {part: round(getattr(self, part), 1) for part in parts}


@dataclass(frozen=True, slots=True)
class Pace:
    """A shape on a machine, and how much slower or faster it was seen to be than planned."""

    shape: ModelShape
    setting: Setting
    calibration: Calibration
    seen: float = 1.0

    def step(self, tokens: float, row: float, supervised: float) -> float:
        setting = replace(self.setting, longest=max(1, round(row)))
        return self.seen * step_seconds(self.shape, setting, tokens, self.calibration, supervised)

    def read(self, tokens: float, row: float, supervised: float = 1.0) -> float:
        setting = replace(self.setting, longest=max(1, round(row)))
        return self.seen * read_seconds(self.shape, setting, tokens, self.calibration, supervised)

    def write(self, writing: Writing | None, most: bool = False) -> float:
        if writing is None:
            return 0.0
        return self.seen * written_seconds(self, writing, most)


def written_seconds(pace: Pace, writing: Writing, most: bool) -> float:
    """Prompts read once, then a token of every live answer a step."""
    if not writing.answers:
        return 0.0

    shape, dtype = pace.shape, dtype_of(pace.setting)
    if most:
        tokens = writing.most
    else:
        tokens = min(writing.usual, writing.most)

    slots, _ = slots_of(Around(1, 1, answers=writing.answers, prompt=round(writing.prompt), answer=round(writing.most)))
    rows = min(slots, writing.answers)
    steps = max(tokens, writing.answers * tokens / rows)
    of_layer, speed = pace.calibration.writing[dtype]
    products = 2 * shape.passed * rows / speed
    cached = rows * (writing.prompt + tokens / 2) * 2 * shape.key_heads * shape.head_size * shape.layers
    moved = (cached + 4 * rows * shape.vocabulary) * pace.setting.bytes_a_number / pace.calibration.bandwidth[dtype]
    read = replace(pace.setting, longest=max(1, round(writing.prompt)))
    prompts = read_seconds(shape, read, writing.answers * writing.prompt, pace.calibration, 0.0)

    return prompts + steps * (shape.layers * of_layer + products + moved)


def dtype_of(setting: Setting) -> Dtype:
    if setting.bytes_a_number == FLOAT:
        return "float32"
    return "bfloat16"


def tune_seconds(pace: Pace, work: Work, around: Around, spread: float = SPREAD) -> Time:
    """Every part as it is usual, and the range of the whole."""
    usual, most = _parts(pace, work, around, most=False), _parts(pace, work, around, most=True)
    whole, longest = sum(usual.values()), sum(most.values())
    middle = {part: (usual[part] + most[part]) / 2 for part in usual}
    return Time(**middle, low=whole / spread, high=longest * spread)


def _parts(pace: Pace, work: Work, around: Around, most: bool) -> dict[str, float]:
    training, evaluation = _training(pace, work, around, most), _evaluation(pace, work, most)
    whole = pace.write(work.opponents, most)
    learned = work.steps * pace.step(work.step_tokens, work.row, work.supervised)
    bound = OPPONENTS * (learned + evaluation)

    return {
        "training": training,
        "evaluation": evaluation,
        "opponents": min(whole, bound),
        "forgetting": _forgetting(pace, work, most),
        "keep": _keep(pace, work, most),
    }


def _training(pace: Pace, work: Work, around: Around, most: bool) -> float:
    """From the program's start to the saved model."""
    setting, calibration = pace.setting, pace.calibration
    step = pace.step(work.step_tokens, work.row, work.supervised) + pace.write(work.rollout, most)
    checked = 3 * pace.step(checked_tokens(pace.shape, around), work.row, work.supervised)
    rehearsed = pace.step(setting.tokens, setting.longest, 1.0)
    validated = pace.read(work.validation_tokens, work.row, work.supervised) + pace.write(work.validated, most)
    referred = pace.read(work.reference_tokens, work.row, work.supervised)
    saved = 3 * FLOAT * trained_numbers(pace.shape, setting) * work.checkpoints / calibration.disk
    before = calibration.start + _loading(pace) + checked + rehearsed + referred

    return before + work.steps * step + work.validations * validated + saved


def _loading(pace: Pace) -> float:
    return weight_bytes(pace.shape, pace.setting) / pace.calibration.disk


def _evaluation(pace: Pace, work: Work, most: bool) -> float:
    """Base and tuned: read from disk, likelihoods, answers."""
    sides = 1 if pace.setting.rank else 2
    return sides * _loading(pace) + 2 * (
        pace.read(work.test_tokens, work.row, work.supervised) + pace.write(work.test, most)
    )


def _forgetting(pace: Pace, work: Work, most: bool) -> float:
    """Likelihoods of general text of both sides, distances on it and on prompts, and the base's skills."""
    text = 2 * pace.read(work.general_tokens, 150)
    head = 2 * pace.shape.table / (1e9 * rate(pace.calibration, dtype_of(pace.setting), pace.shape.hidden))
    apart = work.general_tokens + work.prompt_tokens
    distances = 2 * pace.read(apart, 150) + pace.seen * DIVERGENCE * apart * head
    return text + distances + 2 * pace.write(work.skills, most)


def _keep(pace: Pace, work: Work, most: bool) -> float:
    """The base's own samples, written once and then cached; what each step replays; the base's reading for the KL."""
    if work.replayed_tokens:
        replayed = pace.step(work.replayed_tokens, work.row, 1.0)
    else:
        replayed = 0.0

    if work.anchored_tokens:
        anchored = pace.read(work.anchored_tokens, work.row)
    else:
        anchored = 0.0

    return pace.write(work.kept, most) + work.steps * (replayed + anchored)


def seen_so_far(work: Work, pace: Pace, seconds: list[float]) -> float:
    """How many times longer measured steps took than planned: the mean, without the first, which makes kernels."""
    steps = seconds[1:] or seconds
    planned = pace.step(work.step_tokens + work.replayed_tokens, work.row, work.supervised) + pace.write(work.rollout)
    return sum(steps) / len(steps) / planned
