"""golden.json: prompts with what base and tuned model say to them, written while a run ends.

Whatever is served later must say the same: the ids of the prompt, the greedy answer, and the log-probability of each
token of an answer. A contrast, the base's own answer, is read too: a tuned model is so sure of its own words that an
adapter applied twice would hardly show in them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from whet.errors import RunFolderError
from whet.model.saved_model import ModelFacts
from whet.store.atomic import write_json
from whet.store.reading import read_json_file
from whet.store.run import Run
from whet.types import Message

FILE = "golden.json"
FORMAT = 1
AGAIN = "remove this file: whet export RUN asks the models again, for a run and for its releases"

PromptKind = Literal[
    "task", "no-system", "system", "empty-system", "two-turns", "tools", "unicode", "longest", "shortest", "text"
]
"""What a prompt is there to show. `task`: a validation row's own. `text`: of a model without a chat template, a text
that goes on."""


@dataclass(frozen=True, slots=True)
class GoldenPrompt:
    kind: PromptKind
    text: str
    """As rendered: the text that the model sees."""
    ids: list[int]
    messages: list[Message] | None = None
    """None for a plain text."""
    tools: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class GoldenAnswer:
    """A greedy answer and the log-probability of each of its `tokens`."""

    text: str
    ids: list[int]
    """Without the token that ended it."""
    stop_id: int | None
    """The trained stop token that ended it; None where the limit cut it."""
    base: list[float]
    """Natural logarithms, one for each of `tokens`: by the base..."""
    tuned: list[float]
    """...and by the tuned model."""

    @property
    def tokens(self) -> list[int]:
        """What is read: the answer and, where there is one, the token that ended it."""
        if self.stop_id is None:
            return self.ids
        return [*self.ids, self.stop_id]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    prompt: GoldenPrompt
    answer: GoldenAnswer
    """The tuned model's."""
    contrast: GoldenAnswer
    """The base's, of fewer tokens."""


@dataclass(frozen=True, slots=True)
class GoldenScores:
    """Of a model with a head, which writes nothing: the ids that it reads and its scores of them."""

    text: str
    """The text of a classifier; the rendered conversation of a reward model."""
    ids: list[int]
    scores: list[float]
    messages: list[Message] | None = None
    """The conversation of a reward model."""


@dataclass(frozen=True, slots=True)
class Golden:
    cases: list[GoldenCase]
    """Empty for a model with a head."""
    scores: list[GoldenScores]
    """Empty for a model that writes."""
    stop_ids: list[int]
    """Every token that training taught as an end."""
    limit: int
    """Most tokens of an answer."""
    dtype: str
    """The numbers that base and tuned model were computed in."""
    weights_dtype: str
    """The numbers that their weights are kept in."""
    weights_sha256: dict[str, str] = field(default_factory=dict)
    """Of the tuned model's files: these golden answers are of no other model."""
    scale: float = 1.0
    """How far the tuned model was brought from its base: an adapter's weights do not tell."""
    clock: str = ""
    """The date that the template wrote."""

    @property
    def asked(self) -> list[GoldenPrompt] | list[GoldenScores]:
        """The questions without the answers."""
        if self.scores:
            return [replace(row, scores=[]) for row in self.scores]
        return [case.prompt for case in self.cases]


def is_of(golden: Golden, facts: ModelFacts) -> bool:
    """Whether these are the answers of the model whose whet.json holds `facts`."""
    return golden.weights_sha256 == facts.get("weights_sha256", {}) and golden.scale == facts.get("scale", 1.0)


def write_golden(golden: Golden, folder: Path) -> None:
    """Into a release."""
    write_json(folder / FILE, _stored(golden))


def keep_golden(golden: Golden, run: Run) -> None:
    """Into a run, whose files must stay as they were written."""
    run.write_json(FILE, _stored(golden))


def _stored(golden: Golden) -> dict[str, Any]:
    return {"format": FORMAT, **asdict(golden)}


def read_golden(folder: Path) -> Golden:
    """Raises RunFolderError for a file that is missing, damaged, or of another version of Whet."""
    path = folder / FILE
    try:
        stored = read_json_file(path, "format", "cases", "scores", "stop_ids", "limit", "dtype", "weights_dtype")
    except RunFolderError as error:
        raise RunFolderError(error.what, where=str(path), fix=AGAIN) from error

    if stored.pop("format") != FORMAT:
        what = "these golden answers were made by another version of Whet"
        raise RunFolderError(what, where=str(path), fix=AGAIN)

    try:
        cases = [_case(one) for one in stored.pop("cases")]
        scores = [GoldenScores(**one) for one in stored.pop("scores")]
        return Golden(cases, scores, **stored)
    except (TypeError, KeyError) as error:
        raise RunFolderError(f"this file is damaged: {error}", where=str(path), fix=AGAIN) from error


def _case(stored: dict[str, Any]) -> GoldenCase:
    answer, contrast = (GoldenAnswer(**stored[name]) for name in ("answer", "contrast"))
    return GoldenCase(GoldenPrompt(**stored["prompt"]), answer, contrast)
