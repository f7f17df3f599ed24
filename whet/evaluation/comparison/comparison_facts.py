"""What compare.json and side_by_side.jsonl hold, key by key: what the comparison writes and its page reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from whet.evaluation.facts import Decision, DifferenceFacts, GroundingFacts, MetricFacts, OpponentAnswer
from whet.types import VerdictWord

if TYPE_CHECKING:
    from whet.evaluation.metrics.turns import TurnFacts


class ArmFacts(TypedDict):
    """One arm in numbers; tokens and seconds are of one answer."""

    name: str
    label: str
    score: float
    low: float
    high: float
    rows: int
    seconds_per_answer: float
    prompt_tokens: float
    answer_tokens: float
    cost: float | None
    """Dollars for a thousand answers; None without prices."""
    context_used: int
    """Tokens of the longest row, prompt and answer."""
    context: int | None
    """What the model can read; None of a server."""
    cut_off: int
    """Answers that the limit of tokens cut."""
    tokens_estimated: bool
    beside: str
    """What its prompts hold beside the question."""
    offered: int
    kept: float
    """Of what was offered, on average."""
    reduced: int
    """Prompts that hold less of it."""
    bare: int
    """Prompts that hold nothing of it."""
    trained: bool
    grounding: GroundingFacts | None


class ArmDifference(DifferenceFacts):
    """`arm` minus `other`, with p after Holm's correction."""

    arm: str
    other: str


class CompareVerdict(TypedDict):
    word: VerdictWord | None
    """Whether the best trained arm is better than the best of the others; None without one of either."""
    arm: str | None
    """The one that is advised; None if the rows cannot tell."""
    meanwhile: str | None
    """What to use until then."""
    do: str | None
    sentence: str
    rows_needed: int | None
    headline: NotRequired[str]


class ArmResults(TypedDict):
    arms: list[ArmFacts]
    differences: list[ArmDifference]
    verdict: CompareVerdict
    standing: dict[str, str]
    """Of each arm: best, good enough, ruled out or open."""
    scale: float | None
    """None if all scores lie within 0..1, else their range."""


class DecodingFacts(TypedDict):
    temperature: float
    max_new_tokens: int
    room: NotRequired[int]
    """The limit of the base with something in its prompt."""


class ShotsFacts(TypedDict):
    """How many examples are shown."""

    chosen: int
    part: str | None
    """`validation`, where that many were chosen; None if nothing was to choose."""


class ChosenShots(ShotsFacts):
    """As it was chosen on validation rows."""

    rows: int
    by: str
    scores: dict[int, float]
    """By the number of examples."""


class RetrieverFacts(TypedDict):
    passages: int
    by: str
    """How it is known which passage holds the answer."""
    without: int
    """Rows of which none does."""
    recall: dict[int, float] | None
    """By depth."""
    mrr: NotRequired[float]


class DisjointFacts(TypedDict):
    rows: dict[str, int]
    """Of each part."""
    shared_rows: int
    same_content: int
    """Test rows with the content of another part."""


class HonestFacts(DisjointFacts):
    checkpoint: dict[str, Any] | None
    """Which one the tuned model is, and the validation that chose it."""
    file: str


class CompareFacts(ArmResults):
    """compare.json."""

    run: str
    model: str
    metric: MetricFacts
    ship: Decision | None
    """What the run says of its own model."""
    margin: float
    decoding: DecodingFacts
    shots: ShotsFacts | ChosenShots
    retriever: RetrieverFacts | None
    honest: HonestFacts
    report: str
    turns: NotRequired[TurnFacts]
    prompts: NotRequired[dict[str, str]]
    """What each arm was given for the first row."""


class SideBySideLine(TypedDict):
    """A line of side_by_side.jsonl: a test row with the answer of each arm."""

    row: int
    where: str
    prompt: Any
    reference: str
    answers: dict[str, OpponentAnswer]
