"""`calculate_output` of a multi grader: arithmetic over the scores of its graders, and nothing else.

OpenAI's operators + - * / ^, and its functions min, max, abs, floor, ceil, exp, sqrt, log.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp, "sqrt": math.sqrt,
    "log": math.log,
}  # fmt: skip
MOST_NODES = 500


class BadFormula(Exception):
    """What of a formula cannot be read, in words."""


class Formula:
    def __init__(self, text: str, names: Collection[str]) -> None:
        """Raises BadFormula for what is no arithmetic over these names."""
        try:
            self.body = ast.parse(text.replace("^", "**").strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise BadFormula(f"it cannot be read: {error}") from error
        self.names = frozenset(names)
        if sum(1 for _ in ast.walk(self.body)) > MOST_NODES:
            raise BadFormula(f"it has more than {MOST_NODES} parts")
        self._refuse(self.body)

    def __call__(self, scores: Mapping[str, float]) -> float:
        """Raises ArithmeticError or ValueError where these scores have no such result."""
        value = float(self._value(self.body, scores))
        if not math.isfinite(value):
            raise ArithmeticError("the result is not finite")
        return value

    def _refuse(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return
            case ast.Name(id=name):
                if name not in self.names:
                    raise BadFormula(f"{name!r} is the name of no grader")
            case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
                self._refuse(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                self._refuse(left)
                self._refuse(right)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS and arguments:
                for argument in arguments:
                    self._refuse(argument)
            case _:
                raise BadFormula(f"{ast.unparse(node)[:80]!r} is no arithmetic")

    def _value(self, node: ast.expr, scores: Mapping[str, float]) -> float:
        match node:
            case ast.Constant(value=value):
                return float(value)  # type: ignore[arg-type]
            case ast.Name(id=name):
                return float(scores[name])
            case ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand, scores)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right):
                return float(OPERATORS[type(op)](self._value(left, scores), self._value(right, scores)))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                values: list[Any] = [self._value(argument, scores) for argument in arguments]
                try:
                    return float(
                        FUNCTIONS[name](*values) if len(values) > 1 or name not in ("min", "max") else values[0]
                    )
                except TypeError as error:
                    raise ValueError(f"{name} does not take {len(values)} numbers") from error
        raise AssertionError("`_refuse` has looked at all of it")
