"""The text log of vLLM with --enable-log-requests and --enable-log-outputs: the line of a request and the line of its
answer, joined by the request's id.

Versions differ: prompts stand in the line of the request (until 0.11.1), or in one of their own at the level DEBUG, or
nowhere; the body of the request may stand there, too. What is there is taken. The log names no zone and no year: times
are read as UTC, in the year in which the file was last written, or the one before where that would be the future."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from whet.monitoring.logs.contents.chat_markup import messages_of_prompt
from whet.monitoring.logs.contents.chat_messages import failure_word, finish_word
from whet.monitoring.logs.contents.json_text import Unreadable, parsed
from whet.monitoring.logs.contents.openai_calls import Asked, asked_of
from whet.monitoring.logs.contents.values import Record, between, moment, record
from whet.monitoring.logs.form import read_counted
from whet.monitoring.logs.log_file import LogFile
from whet.monitoring.logs.waiting import Waiting
from whet.monitoring.trace import Trace

_TEXT = r"(?:'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
_EVENT = re.compile(
    r"(?:(?P<kind>Received request|Generated response) (?P<id>[\w.:-]+)(?: \(streaming (?P<stream>delta|complete)\))?"
    r"|Request (?P<also>[\w.:/-]+) (?P<part>details|JSON body)): (?P<rest>.*)",
    re.DOTALL,
)
"""The second is a line with more of a request that has one of its own."""
_PROMPT = re.compile(rf"prompt: (?:(?P<words>{_TEXT})|None), ")
_OUTPUT = re.compile(rf"output: (?:(?P<words>{_TEXT})|None), (?:.*, )?finish_reason: (?P<finish>\w+)\s*\Z", re.DOTALL)
_IDS = re.compile(r"(?:output|prompt)_token_ids: (?P<ids>\[[\d, ]*\]|\([\d, ]*\))")
_ADAPTER = re.compile(rf"lora_name=(?P<name>{_TEXT})")
_SCHEMA = re.compile(rf"(?:structured_outputs|guided_decoding)=\w+\(json=(?:(?P<text>{_TEXT})|(?P<object>\{{))")
_CLOCK = re.compile(r"\b(?P<month>\d\d)-(?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,6}))?\b")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_POOLING = re.compile(r"(?:embd|pool|score|rerank|classify|tokn)-")
"""What ids of requests begin with that ask for no words."""
WRAPS = (("log", "time"), ("message", "timestamp"), ("message", "asctime"), ("message", "time"), ("msg", "time"))
"""Keys under which Docker and JSON formatters hold a line, and its time."""


@dataclass(slots=True)
class Request:
    """What was seen of a request until now."""

    where: str
    id: str
    at: float | None
    model: str | None = None
    prompt: str | None = None
    prompt_tokens: int | None = None
    body: Asked | None = None
    schema: Record | None = None
    received: bool = False
    """Whether it was told that it came. Without that and without an answer it is no request for words."""


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    """Received request, Generated response, details or JSON body."""
    id: str
    at: float | None
    rest: str
    delta: bool


def is_line(text: str) -> bool:
    """Whether this is a line in which vLLM tells of a request."""
    match = _EVENT.search(text)
    return match is not None and match["kind"] is not None


class VllmForm:
    name = "vllm"
    title = "the text log of vLLM with --enable-log-requests --enable-log-outputs"

    def knows(self, record: Record) -> bool:
        return is_line(_line_in(record)[0])

    def traces(self, log: LogFile) -> Iterator[Trace]:
        written = datetime.fromtimestamp(log.path.stat().st_mtime, UTC)
        waiting: Waiting[Request] = Waiting()
        for where, text in log.text_lines():
            line, stamp = _unwrapped(text)
            match = _EVENT.search(line)
            if match is None:
                continue
            at = moment(stamp) or _time_of(line[: match.start()], written)
            kind, identifier = match["kind"] or match["part"], match["id"] or match["also"]
            event = Event(kind, identifier, at, match["rest"], match["stream"] == "delta")
            yield from read_counted(log, where, partial(_take, event, where, waiting, log))
        yield from (_trace(request, None) for request in waiting.rest() if request.received)


def _take(event: Event, where: str, waiting: Waiting[Request], log: LogFile) -> Iterator[Trace]:
    """What one line adds. Raises Unreadable."""
    key = _key(event.id)
    if event.delta or _POOLING.match(event.id) or "PoolingParams(" in event.rest:
        return
    if event.kind == "Generated response":
        if not event.rest.startswith("output_token_ids"):  # a line of DEBUG with more of it
            log.seen += 1
            yield _trace(waiting.take(key) or Request(where, event.id, None), event)
        return

    request = waiting.last(key)
    if request is None or (request.received and event.kind != "JSON body"):
        request = Request(where, event.id, event.at)
        pushed = waiting.put(key, request)
        if pushed is not None and pushed.received:
            yield _trace(pushed, None)
    if event.kind == "Received request":
        log.seen += 1
        request.id = event.id
    _add(request, event)
    request.received = request.received or event.kind == "Received request"


def _add(request: Request, event: Event) -> None:
    if event.kind == "JSON body":
        _add_body(request, event.rest)
        return
    rest, match = event.rest, _PROMPT.match(event.rest)
    if match:
        request.prompt = _literal(match["words"]) if match["words"] else None
        rest = rest[match.end() :]  # what a person wrote is not looked into
    elif rest.startswith("prompt: "):
        raise Unreadable("a prompt that is cut off")

    adapter, ids = _ADAPTER.search(rest), _IDS.search(rest)
    request.model = _literal(adapter["name"]) if adapter else request.model
    request.schema = _schema_in(rest) or request.schema
    request.prompt_tokens = _length(ids["ids"]) if ids else request.prompt_tokens


def _add_body(request: Request, body: str) -> None:
    """The body of a request, where the log was not told to cut it."""
    try:
        request.body = asked_of(record(parsed(body)))
    except Unreadable:
        return


def _trace(request: Request, answer: Event | None) -> Trace:
    question = request.body or Asked(messages=messages_of_prompt(request.prompt or ""))
    words, finish, tokens = _answer(answer) if answer else (None, None, None)
    failed = failure_word(finish)
    return Trace(
        id=request.id,
        where=request.where,
        at=request.at if request.at is not None or answer is None else answer.at,
        model=request.model or question.model,
        client=question.client,
        messages=question.messages,
        tools=question.tools,
        answer=words,
        finish_reason=finish_word(finish),
        schema=request.schema or question.schema,
        prompt_tokens=request.prompt_tokens,
        answer_tokens=tokens,
        seconds=between(request.at, answer.at) if answer else None,
        error=failed,
    )


def _answer(event: Event) -> tuple[str | None, str | None, int | None]:
    """Words, finish reason and tokens. Raises Unreadable for a line that was cut off."""
    match = _OUTPUT.match(event.rest)
    if match is None:
        raise Unreadable("an answer that is cut off")
    ids = _IDS.search(event.rest, match.end("words") if match["words"] else 0)
    words = _literal(match["words"]) if match["words"] else None
    return words, None if match["finish"] == "None" else match["finish"], _length(ids["ids"]) if ids else None


def _key(identifier: str) -> str:
    """Text completions log their prompts as `cmpl-x-0`, and answer as `cmpl-x`; a body is logged without a prefix."""
    plain = re.sub(r"^(?:chatcmpl|cmpl|resp)[-_]", "", identifier)
    return re.sub(r"-\d{1,4}$", "", plain) if identifier.startswith("cmpl-") else plain


def _line_in(item: Record) -> tuple[str, object]:
    """A line that stands in an object, and its time."""
    for words, time in WRAPS:
        if isinstance(item.get(words), str):
            return item[words], item.get(time)
    return "", None


def _unwrapped(text: str) -> tuple[str, object]:
    if not text.startswith("{"):
        return text, None
    try:
        return _line_in(record(parsed(text)))
    except Unreadable:
        return text, None


def _time_of(head: str, written: datetime) -> float | None:
    """When the line was written, from what stands before its words."""
    stamp = _STAMP.search(head)
    if stamp:
        return moment(stamp[0].replace(",", "."))
    clock = _CLOCK.search(head)
    if clock is None:
        return None

    for year in (written.year, written.year - 1, written.year - 2, written.year - 3, written.year - 4):
        text = f"{year}-{clock['month']}-{clock['day']} {clock['time']}.{(clock['part'] or '0').ljust(6, '0')}+00:00"
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            continue  # 29 February
        if time <= written + timedelta(days=1):  # the clock of the log may be that of another zone
            return time.timestamp()
    return None


def _literal(text: str) -> str:
    """A text as Python writes it. Raises Unreadable."""
    value = _python_value(text)
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _python_value(text: str) -> Any:
    """Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that a damaged text has, and that mean nothing
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise Unreadable("a value that is not as Python writes it") from error


def _schema_in(rest: str) -> Record | None:
    """The schema among the sampling parameters, which is written as Python writes it."""
    match = _SCHEMA.search(rest)
    if match is None:
        return None
    if match["text"]:
        return record(_literal(match["text"])) or None
    value = _python_value(_balanced(rest, match.start("object")))
    return value if isinstance(value, dict) else None


def _balanced(text: str, begin: int) -> str:
    """From an opening brace to the one that closes it; braces inside of texts do not count."""
    depth = 0
    for match in re.finditer(rf"{_TEXT}|[{{}}]", text[begin:]):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return text[begin : begin + match.end()]
    raise Unreadable("sampling parameters that are cut off")


def _length(ids: str) -> int:
    inner = ids[1:-1].strip(" ,")
    return inner.count(",") + 1 if inner else 0


FORM = VllmForm()
