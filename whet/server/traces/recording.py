"""A request while it is answered: each of its answers becomes a trace when it ends, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol

from whet.server.database.identifiers import new_id
from whet.server.errors import ApiError
from whet.server.traces.asking import Asking, workload_of
from whet.server.traces.record import AskedForm, TraceRecord
from whet.types import Message

ABORTED = "aborted"
"""Nobody waited for the answer any more."""


Keep = Callable[[TraceRecord], None]
"""Takes a trace, and never blocks."""


class AnswerPiece(Protocol):
    """What is new in an answer."""

    @property
    def text(self) -> str: ...

    @property
    def calls(self) -> Sequence[tuple[str, str]]:
        """Names of tools, and their arguments as JSON."""
        ...

    @property
    def written(self) -> int:
        """Tokens of the answer so far."""
        ...


@dataclass(frozen=True, slots=True)
class Answerer:
    """What answers: the name that was asked for, what it means today, and which weights those are."""

    model: str
    version: str
    fingerprint: str | None = None


@dataclass(slots=True)
class AskedPrompt:
    messages: Sequence[Message]
    tokens: int | None
    """None as long as they are not counted: another engine says it in the end."""


class Recording:
    """A context: an error that leaves it is recorded, unless an answer has ended already. `keep` never blocks.

    The id of the first answer is that of the whole; the others have their number behind it ("-1", "-2").
    """

    def __init__(self, keep: Keep | None, kind: str, asking: Asking, answerer: Answerer, texts: bool) -> None:
        """`kind` is the joint of the id: "chatcmpl-". `keep` None: nothing is recorded."""
        self.id = new_id(kind)
        self.kind, self.asking, self.answerer, self.texts = kind.rstrip("-_"), asking, answerer, texts
        self.began = time.monotonic()
        self._keep = keep
        self._prompts: list[AskedPrompt] = []
        self._answers_each = 1
        self._tools: Sequence[Mapping[str, Any]] | None = None
        self._form: AskedForm | None = None
        self._ended = 0

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and not self._ended:
            self.answer(0).end(None, error)

    def asked(
        self,
        prompts: list[AskedPrompt],
        answers_each: int = 1,
        tools: Sequence[Mapping[str, Any]] | None = None,
        form: AskedForm | None = None,
    ) -> None:
        """What is to be answered, once it is known that it can be."""
        self._prompts, self._answers_each = prompts, answers_each
        self._tools, self._form = tools, form

    def counted(self, prompt_tokens: int) -> None:
        """Of the only prompt, once another engine has counted it; of several it tells the sum alone."""
        if len(self._prompts) == 1:
            self._prompts[0].tokens = prompt_tokens

    @property
    def reads_texts(self) -> bool:
        """Whether anybody looks at the text of an answer."""
        return self._keep is not None and (self.texts or bool(self._form and self._form.wants_json))

    def answer(self, number: int) -> AnswerTrace:
        return AnswerTrace(self, number)

    def end(self, number: int, answer: AnswerTrace, finish_reason: str | None, error: BaseException | None) -> None:
        self._ended += 1
        if self._keep is None:
            return
        place = number // self._answers_each
        prompt = self._prompts[place] if place < len(self._prompts) else None
        workload = self.asking.workload or (workload_of(prompt.messages) if prompt else None)
        shown = prompt if self.texts else None
        asking = self.asking
        if number and asking.tried and asking.tried.shadow_of:
            shadowed = replace(asking.tried, shadow_of=f"{asking.tried.shadow_of}-{number}")
            asking = replace(asking, tried=shadowed)
        self._keep(
            TraceRecord(
                id=f"{self.id}-{number}" if number else self.id,
                kind=self.kind,
                asking=asking,
                model=self.answerer.model,
                version=self.answerer.version,
                fingerprint=self.answerer.fingerprint,
                began=self.began,
                seconds=time.monotonic() - self.began,
                first_token_seconds=None if answer.first is None else answer.first - self.began,
                workload=workload,
                prompt_tokens=prompt.tokens if prompt else None,
                answer_tokens=answer.written,
                finish_reason=finish_reason,
                error=None if error is None else error_kind(error),
                messages=shown.messages if shown else (),
                tools=self._tools if self.texts else None,
                answer="".join(answer.pieces) if self.reads_texts and error is None else None,
                tool_calls=answer.calls or None,
                form=self._form,
            )
        )


@dataclass(slots=True)
class AnswerTrace:
    """One answer of a recording, while it is written."""

    recording: Recording
    number: int
    first: float | None = None
    """When its first token came, by time.monotonic()."""
    written: int = 0
    pieces: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def add(self, piece: AnswerPiece) -> None:
        """A token has come, with what it adds to the answer."""
        if self.first is None:
            self.first = time.monotonic()
        self.written = piece.written
        if piece.text and self.recording.reads_texts:
            self.pieces.append(piece.text)
        for name, arguments in piece.calls if self.recording.texts else ():
            self.calls.append({"type": "function", "function": {"name": name, "arguments": arguments}})

    def say(self, answer: str) -> None:
        """The answer came whole, from a model that writes no tokens."""
        if self.recording.texts:
            self.pieces.append(answer)
        self.end("stop")

    def end(self, finish_reason: str | None, error: BaseException | None = None) -> None:
        self.recording.end(self.number, self, finish_reason, error)


def error_kind(error: BaseException) -> str:
    """A word for programs; never what was asked."""
    if isinstance(error, ApiError):
        return error.code or f"status_{error.status}"
    return "internal_error" if isinstance(error, Exception) else ABORTED
