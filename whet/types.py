"""The nouns that the rooms hand to each other. Torch-free: tensors appear only in annotations.

Shape legend: T tokens in a batch, N supervised tokens, S segments, D hidden size, V vocabulary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Message = dict[str, Any]
"""One turn in OpenAI form: role, content, and optionally weight, tool_calls, tool_call_id, name, ..."""

Severity = Literal["error", "warning", "info"]
VerdictWord = Literal["better", "worse", "no-difference", "undecided"]


def written_call(call: dict[str, Any]) -> str:
    """A tool call as many chat templates write it; for people, and for what is compared."""
    function = call.get("function", call)
    said = {"name": function.get("name"), "arguments": function.get("arguments", {})}
    return f"<tool_call>{json.dumps(said, ensure_ascii=False, default=str)}</tool_call>"


@dataclass(slots=True)
class Row:
    """One row of the user's data, converted to either a conversation or a plain text."""

    index: int
    """Position in the input, counted from 0 over all files."""
    where: str
    """For messages to people: `tickets.jsonl:812`."""
    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    text: str | None = None
    label: str | None = None
    """The class, where the data has label columns: stratifies the split and chooses the metric."""
    group: str | None = None
    """Rows of one group (a conversation, a user, a document) stay on one side of the split."""
    cluster: str | None = None
    """Of a test row that is not alone: the name that its cluster shares (whet/data/held_out_clusters.py)."""
    target: float | list[str] | None = None
    """What a head is to learn: the classes or the number of a text, or the margin of a pair."""
    rejected: list[Message] | None = None
    """Of a preference pair: the whole conversation with the other answer; `messages` has the chosen one."""
    fields: dict[str, Any] | None = None
    """The columns as they are in the file; only for methods whose rewards may ask for them."""
    passage: str | None = None
    """The passage or document that holds the answer, where a column names it."""
    desirable: bool | None = None
    """Of an answer that was marked: good or bad."""

    @property
    def reference(self) -> str:
        """The answer that an evaluation compares with: the last assistant turn, its words and its tool calls."""
        last = self.messages[-1] if self.messages else {}
        if last.get("role") != "assistant":
            return ""
        words = str(last.get("content") or "")
        return "\n".join([words] * bool(words) + [written_call(call) for call in last.get("tool_calls") or []])

    @property
    def prompt(self) -> list[Message]:
        """The conversation up to, and without, a last assistant turn, be it words or a tool call; of a pair, what
        both conversations begin with."""
        if self.rejected is not None:
            return self.messages[: self.shared]
        answered = self.messages and self.messages[-1].get("role") == "assistant"
        if answered:
            return self.messages[:-1]
        return self.messages

    @property
    def shared(self) -> int:
        """Messages that both conversations of a pair begin with."""
        pairs = zip(self.messages, self.rejected or [], strict=False)
        return next((n for n, (one, other) in enumerate(pairs) if one != other), len(self.messages))


@dataclass(slots=True)
class Segment:
    """A run of tokens. `weights[i]` is the weight of predicting `ids[i]`; 0 means context only."""

    ids: list[int]
    weights: list[float]
    row: int
    """Index of the Row it came from."""
    parent: int | None = None
    """Position of the parent in the same list of segments; None for a root."""
    mark: int = 0
    """Of an answer that was marked good: 1; bad: -1."""

    @property
    def supervised(self) -> int:
        return sum(1 for weight in self.weights if weight)


@dataclass(slots=True)
class Batch:
    """A forest of segments, flat along T. See whet/data/batches/forest.py for how it is built."""

    ids_T: Tensor
    positions_T: Tensor
    """Position along the path from the root: what rotary embeddings see."""
    starts: list[int]
    """First token of each segment."""
    lengths: list[int]
    parents: list[int | None]
    source_N: Tensor
    """Index into T of the token whose hidden state predicts the n-th supervised token."""
    target_N: Tensor
    weight_N: Tensor
    segment_N: Tensor
    """Segment of each supervised token."""
    rows: list[int]
    weight: float
    """What a step's loss is divided by: the sum of weight_N, or the number of trees where each is one example."""


@dataclass(slots=True)
class LossOut:
    """`total` is a sum (not a mean) over the batch; `metrics` are sums too, as (sum, count)."""

    total: Tensor
    metrics: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(slots=True)
class Finding:
    """Something noticed about the data, with the rows it means and what to do."""

    code: str
    severity: Severity
    message: str
    rows: list[int] = field(default_factory=list)
    count: int = 0
    fix: str = ""


@dataclass(slots=True)
class Difference:
    """Tuned minus base on the same rows, with a 95% interval and a two-sided p-value."""

    estimate: float
    low: float
    high: float
    p: float
    rows: int
    discordant: int
    test: str
    """Which test gave p, in words."""
    scale: float | None = None
    """None for scores within 0..1, whose differences are told in points; for others the range of all scores seen."""
    clusters: int | None = None
    """How many clusters the rows are; None where every row is alone."""


@dataclass(slots=True)
class Verdict:
    word: VerdictWord
    sentence: str
    """The verdict in one plain sentence, with the numbers."""
    rows_needed: int | None = None
    """For `undecided`: how many test rows would probably decide."""


@dataclass(slots=True)
class Completion:
    """One written answer, of a model here or behind a URL."""

    text: str
    """As it was written; it ends before a stop string."""
    finished: bool
    """True if a stop token or a stop string ended it, False if the token limit did."""
    ids: list[int] = field(default_factory=list)
    """Its tokens, with the one that completed a stop string, without the stop token; empty if a server wrote it."""
    logprobs: list[float] = field(default_factory=list)
    """One for each of `ids`, in nats, before temperature and top_p. That of the stop token is `stop_logprob`."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    """Tokens that were written, the stop token too."""
    seconds: float = 0.0
    stop_id: int | None = None
    """The stop token that ended it; None if a stop string or the limit did."""
    stop_logprob: float | None = None
    estimated: bool = False
    """True if nobody counted the tokens."""
