"""The sandbox of chat templates, which counts: a template comes with a base from anywhere, and must not run long, nor
fill the memory. Loops, macros and calls are steps; what is put together, repeated or padded is size, and so is what
a list holds that holds another one twice. A limit of processor time holds for both. Operations that multiply are
refused before they are done; all others are added up afterwards.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jinja2
from jinja2 import nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

MOST_STEPS = 5_000_000
"""Passes through loops and macros in one conversation: about five seconds. A template that looks at each pair of 2,000
messages takes 4,000,000."""
MOST_SIZE = 1 << 24
"""Characters and items in one conversation; and SIZE_A_CHARACTER more for each character of it."""
SIZE_A_CHARACTER = 500
MOST_SECONDS = 5.0
"""Of the processor, for one conversation."""
LARGEST_NUMBER = 1_000_000
"""That a method or a filter takes as a width, a count or an indent."""
MOST_BITS = 1 << 16
"""Of a whole number."""
DEEPEST_INDENT = 64
MULTIPLYING = {"expandtabs", "indent", "join", "replace", "translate", "wordwrap"}
"""Filters and methods whose result can be their input times an argument."""
SLOW, LONGEST_SLOW = {"wordwrap", "urlize"}, 1 << 16
"""Filters that take more than a step for each character, and the most characters that they are given."""
A_LIST_ITEM = 8
"""Characters that an item of a list counts as: that many bytes at least, and as long to look at."""
BUILDERS = ("unwritten", "dict")
TICK, WEIGH = "counted by whet", "weighed by whet"
"""Names of filters that no template can write."""


class Costly(Exception):
    """The template takes too much: of what, in words."""


class Meter:
    """What the conversation at hand has cost so far."""

    def __init__(self) -> None:
        self.begin(lambda: 0)

    def begin(self, length: Callable[[], int]) -> None:
        """`length` counts the characters of the conversation; it is asked only where the size seems too large."""
        self.steps, self.size, self.allowed, self.length = 0, 0, MOST_SIZE, length
        self.until = time.thread_time() + MOST_SECONDS
        self.counted = False
        self.weights: dict[int, tuple[Any, int]] = {}

    def weight(self, value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> int:
        """Items of a container and of those in it, as often as they would be written out. Each is looked into once."""
        if id(value) in self.weights:
            return self.weights[id(value)][1]

        if isinstance(value, dict):
            items = [*value, *value.values()]
        else:
            items = value

        inner = [one for one in items if isinstance(one, list | tuple | dict)]
        total = len(value) + sum(map(self.weight, inner))

        if inner:
            self.weights[id(value)] = value, total  # the value is held, or another could get its id
        return total

    def step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Costly(f"more than {MOST_STEPS:,} steps")
        if not self.steps % 64 and time.thread_time() > self.until:
            raise Costly(f"more than {MOST_SECONDS:g} seconds")

    def add(self, size: int) -> None:
        self.size += size
        if self.size > self.allowed and not self.counted:
            self.counted = True
            self.allowed += SIZE_A_CHARACTER * self.length()
        if self.size > self.allowed:
            raise Costly(f"more than {self.allowed:,} characters")

    def refuse(self, size: int) -> None:
        """Raises Costly where something of this size would be too much."""
        before = self.size
        self.add(size)
        self.size = before


class Unwritten(Namespace):
    """A namespace that is not written out with all it holds: it may hold itself, many times over."""

    def __repr__(self) -> str:
        return "<Namespace>"


class MeteredEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        self.meter = Meter()
        super().__init__(finalize=self.weighed, **options)
        self.globals["namespace"] = Unwritten
        del self.globals["lipsum"]  # texts without end; no chat template has a use for it
        self.filters = {name: self._filter(name, function) for name, function in self.filters.items()}
        self.filters[TICK], self.filters[WEIGH] = self._ticked, self.weighed

    def weighed(self, value: Any) -> Any:
        if isinstance(value, str):  # nearly always, so that this is what rendering takes longer
            meter = self.meter
            meter.size += len(value)

            if meter.size > meter.allowed:
                meter.add(0)
        elif isinstance(value, list | tuple | dict):
            self.meter.add(A_LIST_ITEM * len(value))
            self.meter.refuse(self.meter.weight(value))

        return value

    @property
    def _ticked(self) -> Callable[[Context, Any], Any]:
        @pass_context  # so that it is not worked out once, when the template is compiled
        def ticked(context: Context, value: Any) -> Any:
            self.meter.step()
            return value

        return ticked

    def _filter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        takes_place = hasattr(function, "jinja_pass_arg")

        @wraps(function)  # with the mark of what else it is passed
        def metered(*arguments: Any, **named: Any) -> Any:
            value, *rest = arguments[1:] if takes_place else arguments
            self.check(name, value, [*rest, *named.values()])
            return self.weighed(function(*arguments, **named))

        return metered

    def check(self, name: str, value: Any, arguments: Sequence[Any]) -> None:
        """Raises Costly for an argument that no text needs, and for a product that is too large."""
        numbers = [abs(one) for one in arguments if isinstance(one, int)]
        if any(number > LARGEST_NUMBER for number in numbers):
            raise Costly(f"{name or 'a call'} with a number above {LARGEST_NUMBER:,}")

        self.meter.step()
        self.meter.add(sum(numbers))

        if name == "format":
            self.check_format(value)
        if name in SLOW and isinstance(value, str) and len(value) > LONGEST_SLOW:
            raise Costly(f"{name} of more than {LONGEST_SLOW:,} characters")
        if name not in MULTIPLYING:
            return

        tables = [one.values() for one in arguments if isinstance(one, dict)]
        others = [*arguments, *(item for table in tables for item in table), *([value] if name == "join" else [])]
        texts = [one for one in others if isinstance(one, str)]

        times = max([*numbers, *map(len, texts), 1])
        if times > 64:
            if name == "indent" and isinstance(value, str):
                length = value.count("\n")
            else:
                length = _length(value, arguments)
            self.meter.refuse(times * (length + 1))

    def check_format(self, text: Any) -> None:
        """Widths are in the text itself, or are taken from the arguments."""
        if isinstance(text, str) and (re.search(r"\d{6,}", text) or "*" in text or re.search(r":[^{}]*\{", text)):
            raise Costly("a format with a width above 99,999")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            return self.weighed(left + right)

        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, int) and isinstance(other, str | list | tuple):
                    self.meter.refuse(len(other) * max(one, 0))

        if operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            if operator == "**":
                bits = left.bit_length() * right
            else:
                bits = left.bit_length() + right.bit_length()

            if bits > MOST_BITS:
                raise Costly("a number of more than 19,000 digits")

        if operator == "%" and isinstance(left, str):
            self.check_format(left)
        return self.weighed(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **named: Any) -> Any:
        name = getattr(__obj, "__name__", "").removeprefix("safe_")  # safe_range is what templates call range
        if name.lower() not in BUILDERS:
            value = getattr(__obj, "__self__", None)
            __self.check(name, value, [*arguments, *named.values()])
        return __self.weighed(super().call(__context, __obj, *arguments, **named))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if getattr(value, "__name__", "") in ("format", "format_map"):
            self.check_format(getattr(value, "__self__", None))
        return super().wrap_str_format(value)

    def _generate(self, source: nodes.Template, *arguments: Any, **named: Any) -> str:
        counted = _Counting().visit(source)
        counted.set_environment(self)
        return super()._generate(counted, *arguments, **named)


class _Counting(NodeTransformer):
    """Puts a step into every loop and macro, and weighs what is joined and cut."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        node = self._stepping(node)
        test: Any = node.test
        if test is None:
            node.test = None
        else:
            node.test = _through(TICK, test)
        return node

    def _stepping(self, node: Any) -> Any:
        self.generic_visit(node)
        step = nodes.ExprStmt(_through(TICK, nodes.Const(None, lineno=node.lineno)), lineno=node.lineno)
        node.body.insert(0, step)
        return node

    visit_Macro = visit_CallBlock = _stepping

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _through(WEIGH, node)

    def visit_List(self, node: nodes.Expr) -> nodes.Expr:
        """A list, tuple or dictionary that is written in the template."""
        self.generic_visit(node)
        stored = getattr(node, "ctx", "load") == "store"
        if stored or not any(type(one) is not nodes.Const for one in node.iter_child_nodes()):
            return node
        return _through(WEIGH, node)

    visit_Tuple = visit_Dict = visit_List

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            return _through(WEIGH, node)
        return node


def _through(name: str, node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def place_of(error: BaseException) -> int | None:
    """The line of the template in which an error arose; None where it cannot be told."""
    line, trace = None, error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, jinja2.Template):
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _length(value: Any, arguments: Sequence[Any]) -> int:
    """The most items that a value, or what is joined, has."""
    return max([len(one) for one in (value, *arguments) if hasattr(one, "__len__")], default=1)
