"""An object of the other process (whet/rewards/sandbox/wire.py), as the tests see it: what is done to it is done
there."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whet.rewards.sandbox.wire import Peer

PLAIN = (bool, int, float, complex, str, bytes, list, dict, set, tuple, frozenset)
"""What an object of a class made from one of these is compared as."""


NUMBERS = (int, float, complex, Fraction, Decimal)
CONVERSIONS = "int float abs round index bool divmod".split()
NOT_A_NUMBER = "an object of the answer's, reckoned with a number of the tests, is no number"


class Proxy:
    """Stands for an object of the other side: what is done to it is done there.

    A test that reckons with what it expects, as in `abs(f(1) - 5) < 0.1`, tells it to the object. So what comes of that
    stays an object: it becomes no number of which the object could say that it is 0.
    """

    __slots__ = ("_number", "_peer", "_reckoned")

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_reckoned", False)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.ask("call", self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self._peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.ask("setattr", self, name, value)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Proxy) and self._peer.ask("isinstance", value, self) is True

    def __subclasscheck__(self, value: Any) -> bool:
        return isinstance(value, Proxy) and self._peer.ask("issubclass", value, self) is True

    def __enter__(self) -> Any:
        return self._peer.ask("enter", self)

    def __exit__(self, *failure: Any) -> Any:
        return self._peer.ask("exit", self, failure[0], str(failure[1]), None)

    def __hash__(self) -> int:
        return int(self._peer.ask("hash", self))


def plain_value(proxy: Any) -> Any:
    """The plain value of an object of a class made from a plain one; None for any other."""
    found = proxy._peer.ask("plain", proxy)
    if type(found) is tuple and len(found) == 2 and found[0] is True:
        value = found[1]
    else:
        value = None
    return value if type(value) in PLAIN else None


def _asking(name: str) -> Callable[..., Any]:
    def asked(self: Any, *others: Any) -> Any:
        if self._reckoned and name in CONVERSIONS:
            raise TypeError(NOT_A_NUMBER)
        return self._peer.ask(name, self, *others)

    return asked


def _reckoning(name: str, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def reckon(self: Any, other: Any) -> Any:
        # before the object hears of the number
        if isinstance(other, NUMBERS):
            value = plain_value(self)
        else:
            value = None

        found = self._peer.ask(name, *((other, self) if swapped else (self, other)))
        if not isinstance(other, NUMBERS):
            return found
        if isinstance(found, Proxy):
            object.__setattr__(found, "_reckoned", True)
            return found
        if value is None:
            raise TypeError(NOT_A_NUMBER)
        return getattr(operator, name)(*((other, value) if swapped else (value, other)))

    return reckon


def _comparing(name: str) -> Callable[[Any, Any], Any]:
    """Two objects of the other side are compared there; an object with a value of this side, here."""

    def compare(self: Any, other: Any) -> Any:
        if isinstance(other, Proxy):
            return self._peer.ask(name, self, other)
        value = plain_value(self)
        if value is None:
            return NotImplemented
        return getattr(operator, name)(value, other)

    return compare


for _name in "lt le gt ge eq ne".split():
    setattr(Proxy, f"__{_name}__", _comparing(_name))
for _name in "add sub mul truediv floordiv mod matmul pow lshift rshift xor and or".split():
    _own = f"{_name}_" if _name in ("and", "or") else _name
    setattr(Proxy, f"__{_name}__", _reckoning(_own))
    setattr(Proxy, f"__r{_name}__", _reckoning(_own, swapped=True))
for _name in (
    "len iter next reversed str repr bool int float abs round divmod neg pos invert getitem setitem delitem contains "
    "format dir index delattr".split()
):
    setattr(Proxy, f"__{_name}__", _asking(_name))
