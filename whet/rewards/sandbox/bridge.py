"""Two processes that share names: the answer's code runs in one, the tests in the other, which alone says the result.

Code that shares a process with its tests can find whatever would prove that they passed, and say it. So the tests ask
over a pipe for what they name of the answer (whet/rewards/sandbox/wire.py): plain values are copied, lists and
dictionaries too, and what a call does to them is done to the tests' own; everything else is a proxy for the
object over there. What is compared with a plain value is compared here, by what plain value it is, not by its own word.
Both sides are shut in by whet/rewards/sandbox/guard.py.

An answer that speaks into the pipe itself, asks for what no answer asks for, or reaches for the tests' own names and
frames tampers with its tests. They end at once, and say so instead of the result.
"""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import operator
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

from whet.rewards.sandbox.proxy import PLAIN
from whet.rewards.sandbox.wire import Peer, end

PASSED, TAMPERED = b"passed", b"tampered"
REACHING = {
    "__globals__", "__builtins__", "__subclasses__", "__closure__", "gi_frame", "cr_frame", "ag_frame", "tb_frame",
    "f_back", "f_globals", "f_locals", "f_builtins",
}  # fmt: skip
"""What an answer asks of an object of the tests only to find what they expect, or what says that they passed."""
MOST_KEPT = 1 << 16
"""Characters of output that wait for the tests to ask; what is more goes straight to the output, which is bounded."""
INNARDS = ("_", "gi_", "cr_", "ag_", "tb_", "f_", "co_")
"""How the names of attributes begin through which an answer would reach the tests' own state."""


class Printed(io.TextIOBase):
    """What the answer prints: told to the tests with each reply, so that tests of the output see it."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.size + len(text) > MOST_KEPT:
            os.write(1, (self.taken() + text).encode("utf-8", "replace"))
            return len(text)
        self.parts.append(text)
        self.size += len(text)
        return len(text)

    def taken(self) -> str:
        text, self.parts, self.size = "".join(self.parts), [], 0
        return text


class Names(dict[str, Any]):
    """Global names of one side; one that it does not know is asked of the other."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        super().__init__(__name__="__main__", __builtins__=builtins)
        self.find = find

    def __missing__(self, name: str) -> Any:
        return self.find(name)


def plain_of(value: Any) -> tuple[bool, Any]:
    """(is it one, the plain value that it is) of an object of a class made from a plain one."""
    for kind in PLAIN:
        if isinstance(value, kind):
            return True, cast(Callable[[Any], Any], kind)(value)
    return False, None


def lookup(names: dict[str, Any], name: str) -> Any:
    """Raises KeyError, which Python tells as a NameError."""
    if name not in names:  # names[name] would ask the other side
        raise KeyError(name)
    return names[name]


OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in "add sub mul truediv floordiv mod matmul pow and_ or_ xor lshift rshift neg pos invert eq ne lt le gt "
    "ge getitem setitem delitem contains iadd isub imul itruediv iand ior ixor index".split()
}
ASKED: dict[str, Callable[..., Any]] = {
    **OPERATORS,
    **{
        one.__name__: one
        for one in (getattr, setattr, delattr, len, iter, next, reversed, str, repr, hash, bool, int, float, abs, round,
        divmod, isinstance, issubclass, dir, format, type)
    },
    "call": lambda function, *arguments, **named: function(*arguments, **named),
    "plain": plain_of,
    "enter": lambda value: type(value).__enter__(value),
    "exit": lambda value, *failure: type(value).__exit__(value, *failure),
}  # fmt: skip
"""What the tests may ask of an object of the answer's."""


def _outer(name: str) -> str:
    if name.startswith(INNARDS):
        raise AttributeError(f"{name} of an object of the tests is not for the answer")
    return name


def _no_class(value: Any) -> Any:
    if isinstance(value, type):
        raise AttributeError("a class of the tests is not for the answer to change")
    return value


OFFERED: dict[str, Callable[..., Any]] = {
    **OPERATORS,
    **{one.__name__: one for one in (len, iter, next, reversed, str, repr, hash, bool, int, float, abs, isinstance)},
    "call": lambda function, *arguments, **named: function(*arguments, **named),
    "setattr": lambda value, name, new: setattr(_no_class(value), _outer(name), new),
    "plain": plain_of,
}
"""What the answer may ask of an object of the tests': less."""


def answer_side(source: str, read: int, write: int) -> None:
    """Run the answer's code, then do what the tests ask until they are done."""
    printed = Printed()
    sys.stdout = printed
    peer = Peer(read, write, printed.taken)

    def find(name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return peer.ask("name", name)

    names = Names(find)

    def load() -> None:
        exec(_compiled(source, "answer.py"), names)

    peer.asked = {**ASKED, "load": load, "name": lambda name: lookup(names, name)}
    peer.serve()


def tests_side(source: str, read: int, write: int, result: int) -> None:
    """Ask for the answer's code to be run, run the tests, and say how that ended."""

    def foul(reason: str) -> NoReturn:
        os.write(result, TAMPERED)
        end(f"the answer tampers with its tests: {reason}")

    peer = Peer(read, write, foul=foul)
    others = any(not hasattr(builtins, name) for name in free_names(source))

    def find(name: str) -> Any:
        if hasattr(builtins, name) and others:  # a function named as a built-in is meant where nothing else can be
            raise KeyError(name)
        return peer.ask("name", name)

    names = Names(find)

    def outer(value: Any, name: str) -> Any:
        if name in REACHING:
            return foul(f"it asks for {name}")
        return getattr(value, _outer(name))

    peer.asked = {**OFFERED, "getattr": outer, "name": lambda name: _own(names, name)}
    peer.known = ASKED.keys() | {"name"}

    try:
        peer.ask("load")
        exec(_compiled(source, "tests.py"), names)
    except BaseException:
        traceback.print_exc()
        os._exit(1)

    os.write(result, PASSED)
    os._exit(0)


def free_names(source: str) -> set[str]:
    """Names that the tests read and nowhere define; none of what is not valid Python, which does not run either."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return set()
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - set(_defined(nodes))


def _defined(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
        elif isinstance(node, ast.arg):
            yield node.arg


def _own(names: Names, name: str) -> Any:
    """A class that the tests define, for an answer that uses it (as ListNode); nothing that says what they expect."""
    value = lookup(names, name)
    if not (isinstance(value, type) and value.__module__ == "__main__"):
        raise KeyError(name)
    return value


def _compiled(source: str, name: str) -> Any:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
    return compile(source, name, "exec")


ROLES = {"answer": answer_side, "tests": tests_side}
