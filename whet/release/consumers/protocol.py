"""What a consumer of released models must be able to do, so that a proof can ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from whet.types import Message


@dataclass(frozen=True, slots=True)
class Served:
    """Where a released model is, in whatever a consumer needs to open it."""

    folder: Path | None = None
    """The exported folder; None where the model is behind `url`."""
    main: str = ""
    """The file in `folder` that is opened, such as `model.gguf`; empty where it is the folder itself."""
    base: str = ""
    """Of an adapter: the base it lies over, in the consumer's own form (a folder, a name on the Hub, a GGUF file)."""
    dtype: str = "float32"
    """What the weights are kept in."""
    compute: str = "float32"
    """What to compute in where the consumer can choose: as the golden answers were."""
    quantised: str | None = None
    """How the base of an adapter is quantised: `nf4`, or None."""
    url: str = ""
    model: str = ""
    """The name of the model behind `url`."""
    key: str = ""
    """The name of the environment variable that holds the key of `url`; empty for none."""
    trust_remote_code: bool = False
    clock: str = ""
    """The ISO date that golden prompts were rendered at, for templates that write the date; empty for today."""
    more: dict[str, Any] = field(default_factory=dict)
    """What one form tells one consumer, such as the context length."""


UNTOLD = -1
"""A consumer stopped by itself, and does not tell at which token."""


class Written(NamedTuple):
    """A greedy answer."""

    ids: list[int]
    """Without the token that ended it."""
    stop_id: int | None
    """The token that the consumer itself stopped at, or UNTOLD; None where the limit cut the answer."""


class Consumer(Protocol):
    """A released model, opened by the library that will read it. Ids are as the consumer itself makes them: nothing of
    Whet's own renderer or engine may stand behind it."""

    @property
    def name(self) -> str: ...

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int] | None:
        """Ids of a conversation up to where the answer begins, by the template that came with the model. None where the
        consumer does not tell."""
        ...

    def encode(self, text: str) -> list[int] | None:
        """Ids of a plain text, with what the consumer puts before it. None where the consumer does not tell."""
        ...

    def logprobs(self, prompt_ids: list[int], answer_ids: list[int]) -> list[float] | None:
        """Natural log-probability of each token of an answer after the prompt. None where the consumer does not
        tell."""
        ...

    def greedy(self, prompt_ids: list[int], limit: int) -> Written | None:
        """At most `limit` tokens, each the likeliest, up to where the consumer stops by the model's own files. None
        where the consumer does not tell ids."""
        ...

    def close(self) -> None:
        """Lets go of memory, processes and connections."""
        ...


class Scorer(Protocol):
    """A released model with a head."""

    @property
    def name(self) -> str: ...

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int] | None:
        """Ids of a whole conversation, which a reward model scores."""
        ...

    def encode(self, text: str) -> list[int] | None:
        """Ids of a text, which a classifier reads."""
        ...

    def scores(self, ids: list[int]) -> list[float]:
        """The head's numbers, before any softmax."""
        ...

    def close(self) -> None: ...
