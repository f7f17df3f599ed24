"""How the two processes of whet/rewards/sandbox/bridge.py ask each other: JSON with a length before it, over two pipes.

A message is an operation with its arguments, or the reply to one; while a side waits for a reply it answers what the
other asks. Lists, dictionaries and other containers that can change are in a table of the exchange: a call's argument
comes back in the reply with what the call made of it, and stays the same object. Whatever is not plain is a number that
the other side's Proxy holds.
"""

from __future__ import annotations

import builtins
import datetime
import fractions
import importlib
import json
import os
import struct
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, NoReturn

from whet.rewards.sandbox.proxy import Proxy

LARGEST = 1 << 26
"""Bytes of one message."""
CONTAINERS: dict[str, type] = {
    one.__name__: one for one in (list, dict, set, deque, Counter, OrderedDict, bytearray)
}  # fmt: skip
MAPPINGS = (dict, Counter, OrderedDict)
WRITTEN: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    complex: lambda value: (value.real, value.imag),
    range: lambda value: (value.start, value.stop, value.step),
    slice: lambda value: (value.start, value.stop, value.step),
    fractions.Fraction: lambda value: (value.numerator, value.denominator),
    Decimal: lambda value: (str(value),),
    datetime.timedelta: lambda value: (value.days, value.seconds, value.microseconds),
    datetime.date: lambda value: (value.year, value.month, value.day),
    datetime.datetime: lambda value: (*value.timetuple()[:6], value.microsecond),
    tuple: lambda value: (list(value),),
    frozenset: lambda value: (list(value),),
    bytes: lambda value: (list(value),),
}
"""Values that do not change: what they are built from."""
BY_NAME = {kind.__name__: kind for kind in WRITTEN}

sys.set_int_max_str_digits(0)


def end(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    sys.stderr.flush()
    os._exit(1)


class Table:
    """The containers of one exchange, by number; their contents are written and read as a whole."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}

    def add(self, value: Any) -> int:
        self.numbers[id(value)] = len(self.objects)
        self.objects.append(value)
        return len(self.objects) - 1


class Peer:
    """One end. `asked` is what the other side may ask for; `taken` gives what was printed since the last message.

    A side whose other side is gone ends at once: no test may take that for an exception. What the other side never says
    by itself is told to `foul`, which ends this one.
    """

    def __init__(
        self, read: int, write: int, taken: Callable[[], str] = str, foul: Callable[[str], NoReturn] = end
    ) -> None:
        self.read, self.write, self.taken, self.foul = read, write, taken, foul
        self.known: Collection[str] = ()
        """Operations that an honest other side may ask for, offered or not; () for all."""
        self.asked: dict[str, Callable[..., Any]] = {}
        self.lent: list[Any] = []
        self.lent_as: dict[int, int] = {}
        self.borrowed: dict[int, Any] = {}
        self.borrowed_as: dict[int, int] = {}

    # ---- asking and answering

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """What the other side answers; raises what it raised."""
        table = Table()
        self._send({"ask": operation, "with": self._one([list(arguments), named], table)}, table)

        while True:
            message = self._receive()
            if "ask" in message:
                self._answer(message)
                continue
            if "raised" in message:
                raise self._failure(self._decoded(message["raised"], message, table), operation)
            return self._decoded(message["gave"], message, table)

    def serve(self) -> None:
        """Answer until the other side is gone."""
        while True:
            self._answer(self._receive())

    def _answer(self, message: dict[str, Any]) -> None:
        table = Table()
        if self.known and message["ask"] not in self.known:
            self.foul(f"it asks for {message['ask']!r}")

        try:
            arguments, named = self._decoded(message["with"], message, table)
            reply = {"gave": self._one(self.asked[message["ask"]](*arguments, **named), table)}
        except BaseException as error:  # whatever the answer raises, the tests must hear of
            told = [type(error), list(error.args), {k: v for k, v in vars(error).items() if not k.startswith("_")}]
            reply = {"raised": self._one(told, table)}

        self._send(reply, table)

    def _failure(self, told: Any, operation: str) -> Exception:
        kind, arguments, facts = told
        if not (isinstance(kind, type) and issubclass(kind, Exception)):  # SystemExit must not end the tests
            return RuntimeError(f"the answer ended itself: {arguments}")
        if issubclass(kind, StopIteration) and operation != "next":  # all(map(...)) would take it for its end
            return RuntimeError("the answer raised StopIteration")
        error = kind.__new__(kind, *arguments)  # its own constructor may ask for other arguments
        vars(error).update(facts)
        return error

    # ---- messages

    def _send(self, message: dict[str, Any], table: Table) -> None:
        message["table"] = self._contents(table)
        data = json.dumps(message | {"printed": self.taken()}).encode()
        if len(data) > LARGEST:
            end("a message is too large")
        data = struct.pack("I", len(data)) + data

        try:
            while data:
                data = data[os.write(self.write, data) :]
        except OSError:
            end("the other side has ended")

    def _receive(self) -> dict[str, Any]:
        size = struct.unpack("I", self._bytes(4))[0]
        if size > LARGEST:
            self.foul("what it sends is no message")

        try:
            message = json.loads(self._bytes(size))
            printed = message.pop("printed")

            if not message.keys() & {"ask", "gave", "raised"}:
                raise ValueError("no question and no reply")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.foul(f"what it sends is no message: {error!r}")

        if printed:
            sys.stdout.write(str(printed))
        return message

    def _bytes(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self.read, min(size, 1 << 20))
            if not part:
                end("the other side has ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    # ---- values to JSON

    def _contents(self, table: Table) -> list[Any]:
        """Of every container in the table, those that are found on the way too: its kind and what is in it."""
        written = []
        for value in table.objects:  # grows while it is gone through
            if isinstance(value, MAPPINGS):
                items = [*value, *value.values()]
            else:
                items = list(value)
            written.append([_kind(value), [self._one(item, table) for item in items]])

        return written

    def _one(self, value: Any, table: Table) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind in WRITTEN and getattr(value, "tzinfo", None) is None:
            return ["v", kind.__name__, [self._inside(part, table) for part in WRITTEN[kind](value)]]
        if id(value) in table.numbers:
            return ["t", table.numbers[id(value)]]
        if kind in CONTAINERS.values() or (issubclass(kind, dict) and kind.__module__ == "collections"):
            return ["t", table.add(value)]
        if kind is type(sys):
            return ["m", value.__name__]
        if isinstance(value, type) and value.__module__ == "builtins":
            return ["b", value.__name__]
        if id(value) in self.borrowed_as:
            return ["o", self.borrowed_as[id(value)]]
        if isinstance(value, type) and issubclass(value, BaseException):
            if value.__module__.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
                return ["s", value.__module__, value.__qualname__]
            return ["x", self._lend(value), value.__name__, self._one(value.__bases__[0], table)]

        return ["r", self._lend(value)]

    def _inside(self, part: Any, table: Table) -> Any:
        """What a value is built from: a list of encoded items stands for itself."""
        if type(part) is list:
            return ["l", [self._one(item, table) for item in part]]
        return self._one(part, table)

    def _lend(self, value: Any) -> int:
        if id(value) not in self.lent_as:
            self.lent_as[id(value)] = len(self.lent)
            self.lent.append(value)
        return self.lent_as[id(value)]

    # ---- JSON to values

    def _decoded(self, value: Any, message: dict[str, Any], table: Table) -> Any:
        """Fills the containers of the table, those of this side in their place, then builds the value."""
        try:
            contents = message["table"]
            for kind, _ in contents[len(table.objects) :]:
                table.add(CONTAINERS[kind]())
            for container, (_, items) in zip(table.objects, contents, strict=True):
                self._fill(container, items, table)
            return self._built(value, table)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError, ImportError) as error:
            end(f"a message that cannot be read: {error!r}")

    def _fill(self, container: Any, items: list[Any], table: Table) -> None:
        built = [self._built(item, table) for item in items]
        if isinstance(container, MAPPINGS):
            container.clear()
            for key, item in zip(built[: len(built) // 2], built[len(built) // 2 :], strict=True):
                container[key] = item
            return

        if isinstance(container, list | bytearray):
            container[:] = built
        else:
            container.clear()
            container.extend(built) if isinstance(container, deque) else container.update(built)

    def _built(self, value: Any, table: Table) -> Any:
        if not isinstance(value, list):
            return value

        tag, number, *rest = value
        if tag == "v":
            return BY_NAME[number](*(self._built(part, table) for part in rest[0]))
        if tag == "l":
            return [self._built(item, table) for item in number]
        if tag == "t":
            return table.objects[number]
        if tag == "m":
            if number.partition(".")[0] in sys.stdlib_module_names:
                return importlib.import_module(number)
            return None
        if tag == "b":
            if isinstance(getattr(builtins, number), type):
                return getattr(builtins, number)
            return None
        if tag == "s":
            found = getattr(importlib.import_module(number), rest[0])
            if isinstance(found, type) and issubclass(found, Exception):
                return found
            return RuntimeError
        if tag == "o":
            return self.lent[number]

        if number not in self.borrowed:
            if tag == "x":
                made = type(rest[0], (self._built(rest[1], table),), {})
            else:
                made = Proxy(self, number)

            self.borrowed[number] = made
            self.borrowed_as[id(made)] = number

        return self.borrowed[number]


def _kind(value: Any) -> str:
    if type(value) in CONTAINERS.values():
        return type(value).__name__
    return "dict"
