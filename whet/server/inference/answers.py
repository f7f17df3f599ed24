"""One answer while it is written: tokens become text, log-probabilities, tool calls and an end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from whet.generation.serving.request import AnswerRequest, WrittenToken
from whet.server.inference.hosting.host import Host
from whet.server.inference.hosting.ticket import Ticket
from whet.server.inference.metering import Meter
from whet.server.inference.words.text import StopWatch, TextStream
from whet.server.inference.words.tools import CallWatch, MadeCall, ToolUse, read_calls
from whet.server.inference.words.wording import Wording
from whet.server.traces.recording import Recording


@dataclass(frozen=True, slots=True)
class ToldToken:
    """A token of an answer that another engine wrote, as OpenAI's API tells it."""

    entry: dict[str, Any]


Token = WrittenToken | ToldToken


@dataclass(slots=True)
class Piece:
    """What is new. `end` is the finish_reason, in the last piece alone."""

    index: int
    text: str = ""
    tokens: Sequence[Token] = ()
    """Those whose text is in this piece or before it."""
    calls: list[MadeCall] = field(default_factory=list)
    end: str | None = None
    written: int = 0
    """Tokens of the whole answer so far, with the stop token; of another engine's, 0: it tells the sum in the end."""
    reasoning: str = ""
    """What another engine says apart from the text: thoughts before the answer."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How answers of one request are read."""

    host: Host
    wording: Wording
    stops: Sequence[str] = ()
    use: ToolUse | None = None
    """Where the answer may call tools."""
    meter: Meter | None = None
    trace: Recording | None = None
    """Where each answer is written down when it ends."""


async def pieces(ticket: Ticket, writing: Writing, index: int) -> AsyncGenerator[Piece]:
    """The pieces of the answer of a ticket. Raises ApiError."""
    answer = _Answer(writing, index, ticket.request.stop_ids)
    cost, reason = writing.meter.answer() if writing.meter else None, "abort"
    trace, failure = writing.trace.answer(index) if writing.trace else None, None
    try:
        async with aclosing(ticket.tokens()) as tokens:
            async for token in tokens:
                if cost:
                    cost.token()
                piece = answer.add(token)
                if trace:
                    trace.add(piece)
                if piece.end is not None:
                    reason = piece.end
                    break
                if piece.text or piece.tokens:
                    yield piece
    except BaseException as error:
        failure = error
        raise
    finally:
        if cost:
            cost.end(reason)
        if trace:
            trace.end(None if failure else reason, failure)

    yield piece


class _Answer:
    """The state of an answer that is being read."""

    def __init__(self, writing: Writing, index: int, stop_ids: frozenset[int]) -> None:
        self.writing, self.index, self.stop_ids = writing, index, stop_ids
        self.stream, self.stops = TextStream(writing.wording.tokenizer), StopWatch(writing.stops)
        self.calls = CallWatch() if writing.use else None
        self.ids: list[int] = []
        self.plain: list[str] = []
        """Text up to a stop string."""
        self.written = 0
        self.decoded, self.settled = 0, 0
        """Characters decoded, and of these let through by the stop strings."""
        self.waiting: deque[tuple[int, WrittenToken]] = deque()
        """Tokens whose text is held back, with where it ends."""

    def add(self, token: WrittenToken) -> Piece:
        self.written += 1
        is_stop = token.end == "stop" and token.token in self.stop_ids
        text = ""
        if not is_stop:
            self.ids.append(token.token)
            text = self.stream.add(token.token)
        if token.end is not None:
            text += self.stream.end()

        self.decoded += len(text)
        if not is_stop:
            self.waiting.append((self.decoded, token))
        settled = self.stops.add(text)
        if token.end is not None and not self.stops.found:
            settled += self.stops.end()
        self.settled += len(settled)
        self.plain.append(settled)

        end = "stop" if self.stops.found else token.end
        return self._piece(settled, end)

    def _piece(self, settled: str, end: str | None) -> Piece:
        piece = Piece(self.index, settled, self._settled_tokens(), end=end, written=self.written)
        if self.calls is None:
            return piece
        piece.text = self.calls.add(settled)
        if end is not None:
            piece.calls = self._made_calls()
            piece.text += self.calls.rest(bool(piece.calls))
            if piece.calls and end == "stop":
                piece.end = "tool_calls"
        return piece

    def _settled_tokens(self) -> list[WrittenToken]:
        tokens = []
        while self.waiting and self.waiting[0][0] <= self.settled:
            tokens.append(self.waiting.popleft()[1])
        return tokens

    def _made_calls(self) -> list[MadeCall]:
        assert self.writing.use is not None
        plain = "".join(self.plain)
        return read_calls(plain, self.writing.wording.decode(self.ids, control=True), self.writing.use)


async def written_by(writing: Writing, requests: Sequence[AnswerRequest]) -> AsyncGenerator[Piece]:
    """The pieces of several answers as they come. Raises ApiError; whoever stops reading ends them all."""
    tickets: list[Ticket] = []
    try:
        for request in requests:
            tickets.append(writing.host.enter(request))
        if writing.meter:
            for prompt in {tuple(request.prompt) for request in requests}:
                writing.meter.read(len(prompt))
        if len(tickets) == 1:
            async with aclosing(pieces(tickets[0], writing, 0)) as one:
                async for piece in one:
                    yield piece
            return

        streams = [pieces(ticket, writing, index) for index, ticket in enumerate(tickets)]
        async with aclosing(_as_they_come(streams)) as merged:
            async for piece in merged:
                yield piece
    finally:
        for ticket in tickets:
            ticket.leave(ticket)


async def _as_they_come(streams: Sequence[AsyncGenerator[Piece]]) -> AsyncGenerator[Piece]:
    pending: asyncio.Queue[Piece | BaseException | None] = asyncio.Queue()

    async def forward(stream: AsyncGenerator[Piece]) -> None:
        try:
            async for piece in stream:
                pending.put_nowait(piece)
            pending.put_nowait(None)
        except Exception as error:  # it is raised again where the pieces are read
            pending.put_nowait(error)

    tasks = [asyncio.create_task(forward(stream)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            piece = await pending.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                left -= 1
            else:
                yield piece
    finally:
        for task in tasks:
            task.cancel()


@dataclass(slots=True)
class WholeAnswer:
    """All pieces of one answer."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    calls: list[MadeCall] = field(default_factory=list)
    end: str = "stop"
    written: int = 0
    reasoning: str = ""

    def add(self, piece: Piece) -> None:
        self.text += piece.text
        self.reasoning += piece.reasoning
        self.tokens += piece.tokens
        self.calls += piece.calls
        self.end = piece.end or self.end
        self.written = piece.written


async def whole_answers(stream: AsyncGenerator[Piece], number: int) -> list[WholeAnswer]:
    answers = [WholeAnswer() for _ in range(number)]
    async for piece in stream:
        answers[piece.index].add(piece)
    return answers


def usage_of(prompt: int, written: int) -> dict[str, Any]:
    """Tokens read once, however many answers they got, and tokens written."""
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
