"""An answer that another engine writes: its chunks become the pieces that every answer of the service is made of."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from whet.generation.chat_client import tokens_used
from whet.server.errors import ApiError
from whet.server.inference.answers import Piece, ToldToken
from whet.server.inference.metering import AnswerMeter, Meter
from whet.server.inference.words.tools import MadeCall
from whet.server.traces.recording import AnswerTrace, Recording

ENDS = ("stop", "length", "tool_calls", "content_filter")
TOLD = ("token", "logprob", "bytes")
"""What OpenAI's API tells of a token; engines add keys of their own."""


@dataclass(slots=True)
class Counted:
    """Tokens of a request, as the engine says in the end."""

    prompt: int = 0
    written: int = 0


async def pieces_of(
    events: AsyncGenerator[dict[str, Any]],
    number: int,
    counted: Counted,
    meter: Meter | None,
    trace: Recording | None = None,
) -> AsyncGenerator[Piece]:
    """The pieces of `number` answers as they come; `counted` is set with the last. Raises ApiError, also for an engine
    that does not count: limits and numbers rest on it."""
    answers = [_answer(index, meter, trace) for index in range(number)]
    used: tuple[int, int] | None = None
    failure: BaseException | None = None
    try:
        async with aclosing(events):
            async for event in events:
                used = tokens_used(event.get("usage")) or used
                for piece in _read(event, answers):
                    yield piece
        counted.prompt, counted.written = _held(used, answers)
    except BaseException as error:
        failure = error
        raise
    finally:
        if trace and used is not None:
            trace.counted(used[0])
        _settle(answers, used, meter, failure)


def _read(event: dict[str, Any], answers: list[_Answer]) -> list[Piece]:
    try:
        pieces = [_answer_of(choice, answers).add(choice) for choice in event.get("choices") or []]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken("a chunk of its answer has another shape than OpenAI's") from error
    return [piece for piece in pieces if piece is not None]


def _held(used: tuple[int, int] | None, answers: list[_Answer]) -> tuple[int, int]:
    open_ = next((answer.index for answer in answers if answer.end is None), None)
    if open_ is not None:
        raise _broken(f"the answer {open_} did not end")
    if used is None:
        raise _broken("it does not say how many tokens it read and wrote (stream_options.include_usage)")
    return used


def _answer(index: int, meter: Meter | None, trace: Recording | None) -> _Answer:
    return _Answer(index, meter.answer() if meter else None, trace.answer(index) if trace else None)


def _settle(
    answers: list[_Answer], used: tuple[int, int] | None, meter: Meter | None, failure: BaseException | None
) -> None:
    """What is read and written is counted once. Of an answer that nobody read to its end the engine tells no sum, and
    each of its pieces is a token at least."""
    if used is not None:
        if meter is not None:
            meter.read(used[0])
        rest = used[1] - sum(answer.pieces for answer in answers)
        answers[0].pieces = max(0, answers[0].pieces + rest)
    for answer in answers:
        answer.settle(failure)


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Answer:
    index: int
    cost: AnswerMeter | None
    trace: AnswerTrace | None = None
    calls: dict[int, _Call] = field(default_factory=dict)
    end: str | None = None
    pieces: int = 0

    def add(self, choice: dict[str, Any]) -> Piece | None:
        """None where there is nothing in it that a client sees."""
        delta = choice.get("delta") or {}
        text = delta.get("content") or choice.get("text") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        tokens = [_told(entry) for entry in (choice.get("logprobs") or {}).get("content") or ()]
        for call in delta.get("tool_calls") or []:
            self._call(call)
        if text or reasoning or delta.get("tool_calls"):
            self._count(max(1, len(tokens)))

        piece = Piece(self.index, text, tokens, reasoning=reasoning)
        if choice.get("finish_reason"):
            self._finish(choice["finish_reason"], piece)
        if not (text or tokens or reasoning or piece.end):
            return None
        if self.trace is not None:
            self.trace.add(piece)
        return piece

    def settle(self, failure: BaseException | None) -> None:
        """An answer that had ended before another one failed is whole."""
        if self.cost is not None:
            self.cost.written = self.pieces
            self.cost.end(self.end or "abort")
        if self.trace is not None:
            self.trace.written = self.pieces
            self.trace.end(self.end, None if self.end else failure)

    def _call(self, told: dict[str, Any]) -> None:
        call = self.calls.setdefault(int(told.get("index") or 0), _Call())
        function = told.get("function") or {}
        call.name += function.get("name") or ""
        call.arguments += function.get("arguments") or ""

    def _count(self, tokens: int) -> None:
        self.pieces += tokens
        if self.cost is not None:
            self.cost.token()

    def _finish(self, reason: str, piece: Piece) -> None:
        if reason not in ENDS:
            raise _broken(f"an answer ended with {reason!r}")
        piece.calls = [MadeCall(call.name, call.arguments or "{}") for _, call in sorted(self.calls.items())]
        self.end = piece.end = "tool_calls" if piece.calls and reason == "stop" else reason


def _answer_of(choice: dict[str, Any], answers: list[_Answer]) -> _Answer:
    index = choice.get("index", 0)
    if not isinstance(index, int) or not 0 <= index < len(answers):
        raise _broken(f"it sends an answer {index!r}, and {len(answers)} were asked for")
    return answers[index]


def _told(entry: dict[str, Any]) -> ToldToken:
    top = [{key: one.get(key) for key in TOLD} for one in entry.get("top_logprobs") or []]
    return ToldToken({key: entry.get(key) for key in TOLD} | {"top_logprobs": top})


def _broken(why: str) -> ApiError:
    return ApiError(502, f"The engine that writes for this service failed: {why}.", code="engine_error")
