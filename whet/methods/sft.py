"""sft: learn the answers of given rows. The defaults, and right answers count."""

from __future__ import annotations

from whet.methods.base import Method
from whet.recipe.schema import Sft


class SftMethod(Method[Sft]):
    # ---- how it trains

    by_accuracy = True

    # ---- how it is measured

    scored_by_metric = True


METHOD = SftMethod
