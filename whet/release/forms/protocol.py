"""What a form must say and do, so that a model can leave in it and be proved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from whet.observer import Observer
from whet.release.consumers.protocol import Served
from whet.release.tuned import Tuned


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a form may stray from what was trained. Numbers are natural logarithms of probabilities."""

    mean: float | None
    """Most that the mean absolute difference of log-probabilities may be. None: it is measured and reported only."""
    largest: float | None
    """Most that any difference may be."""
    fraction: tuple[float, float] = (0.98, 1.02)
    """Where the tune fraction must lie."""


ROUNDING = {"float32": Bound(1e-3, 1e-3), "bfloat16": Bound(0.05, 1.0), "float16": Bound(0.02, 0.2)}
"""What rounding explains, by the dtype that weights are written or computed in: in float32 the order of sums alone. The
largest gaps lie at words that the tune made far less likely: 0.61 nats in a sound bfloat16 merge of SmolLM2, at a word
that it had moved by 5.3 (docs/running/proofs.md)."""


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """What an export left in its folder."""

    main: str
    """What a consumer opens: a file in the folder, or empty for the folder itself."""
    notes: list[str] = field(default_factory=list)
    """Sentences for people: what was changed on the way, and by how much."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""
    commands: dict[str, str] = field(default_factory=dict)
    """How it is used, by the name of the consumer: text to copy, with {folder} where the folder's path belongs,
    and {base} where the base's does."""


class Form(Protocol):
    """One form. A file of whet/release/forms holds one, named FORM, and is found by the file's name."""

    name: str
    summary: str
    """What comes out: a line for --help and the docs."""
    types: tuple[str, ...]
    """Kinds of numbers that may be asked for with --type (`f16`, `q8_0`, ...); the first is taken where nothing is
    asked for. Empty where the form has no choice."""

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        """Why this model cannot leave in this form, and what to use instead; None where it can. `kind` is one of
        `types`."""
        ...

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        """Room on the disk that an export takes at most, with what it needs on the way."""
        ...

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        """Writes into `out`, an empty folder that vanishes if this raises."""
        ...

    def lossy(self, kind: str | None) -> bool:
        """The weights are no longer the trained ones, and the task is measured again."""
        ...

    def bound(self, model: Tuned, kind: str | None) -> Bound: ...

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        """Which consumers prove it, by name; all that are installed here are asked, and at least one must be."""
        ...

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        """How a consumer opens it. `compute` is the dtype of the golden answers."""
        ...
