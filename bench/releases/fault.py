"""What a planted fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.releases.place import Place


@dataclass(frozen=True, slots=True)
class Planted:
    """`names` are those by which the fault is rightly called; another one does not count."""

    title: str
    run: str
    form: str
    kind: str | None
    consumer: str
    names: tuple[str, ...]
    plant: Callable[[Place], object]
