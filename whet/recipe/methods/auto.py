"""The method that is not named: the form of the rows says which one it is."""

from __future__ import annotations

from typing import ClassVar, Literal

from whet.recipe.methods.base import ANSWERED, MARKED, PAIRED, TEXT, MethodKeys, RowNeeds
from whet.recipe.methods.features import Feature


class Auto(MethodKeys):
    """What the rows ask for: dpo for preference pairs, kto for answers marked good or bad, sft for everything else."""

    summary: ClassVar[str] = "the one of `sft`, `dpo` and `kto` that the form of the rows asks for"
    guide: ClassVar[str] = "methods/README.md"
    rows: ClassVar[RowNeeds] = RowNeeds(forms=ANSWERED | TEXT | PAIRED | MARKED)
    replays: ClassVar[bool] = True
    cannot: ClassVar[frozenset[Feature]] = frozenset({"failures"})

    kind: Literal["auto"] = "auto"
