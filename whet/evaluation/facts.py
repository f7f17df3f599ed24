"""What evaluation.json and answers.jsonl hold, key by key: the dictionaries that evaluation, verbs and reports share.

Keys that are not required are left out where nothing was measured, or were not written by earlier versions. The files
stay plain JSON; these classes cost nothing when the program runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from whet.evaluation.class_facts import ClassFacts, ConfusionFacts, LostClassFacts, ThresholdsFacts
from whet.evaluation.preference_facts import JudgeFacts, WinFacts
from whet.types import VerdictWord

if TYPE_CHECKING:  # these files load numpy
    from whet.data.ledger import LedgerFacts
    from whet.evaluation.metrics.turns import TurnFacts
    from whet.stats.calibration import CalibrationFacts
    from whet.stats.length_control import LengthControlled

SideName = Literal["base", "tuned"]
SIDES: tuple[Literal["base"], Literal["tuned"]] = ("base", "tuned")


class MetricFacts(TypedDict):
    name: str
    reason: str
    """Why this metric, in words."""


class SideFacts(TypedDict):
    """Scores of base or tuned. Metrics and methods add keys of their own, such as `labels`, `fields` or `rewards`."""

    score: float
    low: float
    high: float
    """95% interval of the score."""
    rows: int
    nll_per_token: NotRequired[float]
    """Loss on the references, in nats a token."""
    in_form: NotRequired[float | None]
    """Share of the answers that a program can read as they stand; None for a metric without a form."""
    extracted: NotRequired[float | None]
    """Share of the answers that a content could be taken out of."""
    cut: NotRequired[float]
    """Share of the answers that the limit of tokens cut."""
    kind: NotRequired[str]
    """Of a base without a head: what stands in its place."""
    labels: NotRequired[dict[str, ClassFacts]]
    confusion: NotRequired[ConfusionFacts]
    accuracy: NotRequired[float]
    macro_f1: NotRequired[float]
    balanced_accuracy: NotRequired[float]
    fields: NotRequired[dict[str, Any]]
    validity: NotRequired[float]
    field_f1: NotRequired[float]
    length_controlled: NotRequired[LengthControlled | None]
    likelihood_accuracy: NotRequired[float]
    reward_mean: NotRequired[float]
    reward_spread: NotRequired[float]
    reward_accuracy: NotRequired[float]
    reward_accuracy_interval: NotRequired[list[float]]
    reward_margin: NotRequired[float]
    reward_margin_interval: NotRequired[list[float]]
    chosen_gain: NotRequired[float]
    rejected_gain: NotRequired[float]
    separation: NotRequired[float]


def add_keys(facts: SideFacts | AnswerLine | VerdictFacts | Evaluation, more: Mapping[str, Any]) -> None:
    """Keys that a metric or a method adds of its own, as `facts |= more`."""
    cast(dict[str, Any], facts).update(more)


class DifferenceFacts(TypedDict):
    """Tuned minus base on the same rows; whet.types.Difference as JSON."""

    estimate: float
    low: float
    high: float
    p: float
    rows: int
    discordant: int
    test: str
    scale: float | None
    clusters: int | None


class FigureFacts(TypedDict):
    """Content or form: one score a row, base against tuned."""

    base: float
    tuned: float
    difference: float
    difference_interval: list[float]
    p: float
    word: VerdictWord


class LossFacts(FigureFacts):
    """The loss on the references; a difference below 0 is better."""

    rows: int
    unit: str


class OpponentFacts(TypedDict):
    """The tuned model against one opponent, on the rows that both answered."""

    name: str
    label: str
    score: float
    interval: list[float]
    difference: float
    difference_interval: list[float]
    p: float
    rows: int
    better: bool
    word: VerdictWord
    prompt_tokens: float | None
    detail: str
    scale: float | None


class AbsentFacts(TypedDict):
    """An opponent that could not be asked."""

    name: str
    label: str
    reason: str


class GoalPartFacts(TypedDict):
    name: str
    what: str
    wanted: float
    value: float
    low: float
    high: float
    rows: int
    share: bool
    most: bool
    word: str
    statement: str


class GoalFacts(TypedDict):
    word: Literal["reached", "missed", "undecided"]
    sentence: str
    parts: list[GoalPartFacts]


class VerdictFacts(TypedDict):
    word: VerdictWord
    sentence: str
    rows_needed: int | None
    content: FigureFacts | None
    form: FigureFacts | None
    clusters: int
    effective_rows: float
    goal: NotRequired[GoalFacts | None]
    against: NotRequired[list[OpponentFacts]]
    strongest: NotRequired[str]
    not_asked: NotRequired[list[AbsentFacts]]


class MeasureFacts(TypedDict):
    """One measure of forgetting; losses are positive where something got worse."""

    name: str
    what: str
    unit: Literal["percent", "points", "nats", "score"]
    base: float | None
    tuned: float | None
    loss: float
    low: float
    high: float
    rows: int
    budget: float | None
    reason: str
    word: Literal["kept", "lost", "unclear", "not judged"]
    statement: str
    details: dict[str, Any]


class ForgettingFacts(TypedDict):
    word: Literal["kept", "lost", "unclear", "not judged"]
    broken: list[str]
    """What is over its budget, in words."""
    unclear: list[str]
    statement: str
    measures: list[MeasureFacts]


class Decision(TypedDict):
    """The key `ship`: should the tuned model be used?"""

    answer: Literal["yes", "no", "not yet"]
    sentence: str
    broken: list[str]
    unclear: list[str]


class RateFacts(TypedDict):
    """A mean over rows with its 95% interval."""

    mean: float
    low: float
    high: float
    rows: int


class GroundingFacts(TypedDict):
    """What answers rest on; each rate is None without a row to tell it from."""

    rows: int
    refused: int
    k_precision: RateFacts | None
    bigrams: RateFacts | None
    supported: RateFacts | None
    refusal_where_absent: RateFacts | None
    refusal_where_present: RateFacts | None
    judged: NotRequired[RateFacts | None]


class RetrievalFacts(TypedDict):
    passages: int
    rows: int
    found: RateFacts | None
    """Rows whose passage is among those in the prompt, of the rows that have one."""
    base: GroundingFacts
    tuned: GroundingFacts
    statement: str


class BakeFacts(TypedDict):
    prompted: SideFacts
    kept: DifferenceFacts
    request_tokens: dict[str, float]
    divergence: dict[str, float]
    statement: str


class TeacherFacts(SideFacts):
    name: str


class DistilFacts(TypedDict):
    teacher: TeacherFacts
    gap: DifferenceFacts
    references: str
    divergence: dict[str, float]
    statement: str


class SamplingFacts(TypedDict):
    """How much of the difference is the luck of the draw; with one answer a row that is not known."""

    temperature: float
    samples: int
    error: NotRequired[float]
    row_error: NotRequired[float]
    sampling_share: NotRequired[float]
    statement: str


class LeakFacts(TypedDict):
    """The verdict without the test rows that learned rows may give away; no difference where none is left."""

    test_rows: int
    codes: list[str]
    difference: NotRequired[DifferenceFacts]
    verdict: NotRequired[dict[str, Any]]
    sentence: str


class StoppedFacts(TypedDict):
    """Where the training ended and which step was kept."""

    reason: str | None
    """Why before its last step; None at the end."""
    step: int
    best_step: int
    """Below 0 if none was chosen."""
    best_validation_loss: NotRequired[float | None]
    best_validation_reward: NotRequired[float | None]


class TrainingFacts(TypedDict):
    """training.json, whose keys are in evaluation.json, too."""

    stopped: StoppedFacts
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    peak_memory_of: NotRequired[str]
    """The kind of device that it is the memory of."""
    threads: NotRequired[int]
    tampered: NotRequired[int]
    """Answers written in training that tampered with the tests."""


class ElsewhereFacts(TypedDict):
    """Of a run whose model a service trained, and has (whet/launcher)."""

    url: str
    job: str
    tuned_model: str
    trained_tokens: int | None
    hyperparameters: dict[str, Any] | None
    price: dict[str, Any] | None
    files: dict[str, str]
    """Ids of the parts that were sent."""
    not_measured: str
    """What could not be measured there, in a sentence."""


class Evaluation(TypedDict):
    """evaluation.json. The five required keys are there as soon as the test rows are measured."""

    metric: MetricFacts
    base: SideFacts
    tuned: SideFacts
    difference: DifferenceFacts
    verdict: VerdictFacts
    detectable_gain: NotRequired[float | None]
    loss: NotRequired[LossFacts]
    sampling: NotRequired[SamplingFacts]
    turns: NotRequired[TurnFacts]
    answer_limit: NotRequired[int]
    caution: NotRequired[str]
    """What speaks against the verdict, as the end of a sentence."""
    lost_classes: NotRequired[list[LostClassFacts]]
    calibration: NotRequired[CalibrationFacts]
    thresholds: NotRequired[ThresholdsFacts]
    shown_answers: NotRequired[dict[str, Any]]
    without_training: NotRequired[dict[str, Any]]
    """Of a classifier, until its opponents are asked: what the base and the commonest class name."""
    wins: NotRequired[WinFacts]
    retrieval: NotRequired[RetrievalFacts]
    judge: NotRequired[JudgeFacts]
    bake: NotRequired[BakeFacts]
    distil: NotRequired[DistilFacts]
    forgetting: NotRequired[ForgettingFacts]
    leaks: NotRequired[LeakFacts]
    ship: NotRequired[Decision]
    elsewhere: NotRequired[ElsewhereFacts]
    is_base: NotRequired[bool]
    no_nearer: NotRequired[str]
    run: NotRequired[str]
    model: NotRequired[str]
    method: NotRequired[str]
    ledger: NotRequired[LedgerFacts]
    stopped: NotRequired[StoppedFacts]
    seconds: NotRequired[float]
    tokens_per_second: NotRequired[float]
    peak_memory_bytes: NotRequired[int]
    peak_memory_of: NotRequired[str]
    evaluation_seconds: NotRequired[float]
    tampered: NotRequired[int]
    threads: NotRequired[int]
    report: NotRequired[str]


class OpponentAnswer(TypedDict):
    text: str
    score: float


class AnswerLine(TypedDict):
    """A line of answers.jsonl: one test row with what base and tuned answered; "" where nothing was written."""

    row: int
    where: str
    prompt: Any
    reference: str
    base: str
    tuned: str
    base_score: float
    tuned_score: float
    group: NotRequired[str]
    cluster: NotRequired[str]
    base_content: NotRequired[str | None]
    tuned_content: NotRequired[str | None]
    base_form: NotRequired[bool]
    tuned_form: NotRequired[bool]
    turns: NotRequired[list[dict[str, Any]]]
    opponents: NotRequired[dict[str, OpponentAnswer]]
    prompted: NotRequired[str]
    prompted_score: NotRequired[float]
    teacher: NotRequired[str]
    judged: NotRequired[str]
    shown: NotRequired[bool]
    """True for an answer that was written to be read, not to be scored."""


Measured = tuple[Evaluation, list[AnswerLine]]
"""The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl."""
