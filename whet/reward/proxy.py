"""An object of the other process (whet/reward/wire.py), as the tests see it: what is done to it is done there."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whet.reward.wire import Peer

PLAIN = (bool, int, float, complex, str, bytes, list, dict, set, tuple, frozenset)
"""What an object of a class made from one of these is compared as."""


class Proxy:
    """Stands for an object of the other side: what is done to it is done there."""

    __slots__ = ("_number", "_peer")

    def __init__(self, peer: Peer, number: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._peer.ask("call", self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self._peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.ask("setattr", self, name, value)

    def __bool__(self) -> bool:
        return bool(self._peer.ask("bool", self))

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


def _asking(name: str) -> Callable[..., Any]:
    return lambda self, *others: self._peer.ask(name, self, *others)


def _reflected(name: str) -> Callable[..., Any]:
    return lambda self, other: self._peer.ask(name, other, self)


def _comparing(name: str) -> Callable[[Any, Any], Any]:
    """Two objects of the other side are compared there; an object with a value of this side, here."""

    def compare(self: Any, other: Any) -> Any:
        if isinstance(other, Proxy):
            return self._peer.ask(name, self, other)
        found = self._peer.ask("plain", self)
        value = found[1] if type(found) is tuple and len(found) == 2 and found[0] is True else None
        return getattr(operator, name)(value, other) if type(value) in PLAIN else NotImplemented

    return compare


for _name in "lt le gt ge eq ne".split():
    setattr(Proxy, f"__{_name}__", _comparing(_name))
for _name in "add sub mul truediv floordiv mod matmul pow lshift rshift xor".split():
    setattr(Proxy, f"__{_name}__", _asking(_name))
    setattr(Proxy, f"__r{_name}__", _reflected(_name))
for _name, _own in {"and": "and_", "or": "or_"}.items():
    setattr(Proxy, f"__{_name}__", _asking(_own))
    setattr(Proxy, f"__r{_name}__", _reflected(_own))
for _name in (
    "len iter next reversed str repr int float abs round divmod neg pos invert getitem setitem delitem contains "
    "format dir index delattr".split()
):
    setattr(Proxy, f"__{_name}__", _asking(_name))
