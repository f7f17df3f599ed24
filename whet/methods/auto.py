"""auto: before the rows are read nobody knows the method. It reads them, and gives way to the one that they ask for."""

from __future__ import annotations

from whet.methods.base import Method
from whet.recipe.schema import Auto


class AutoMethod(Method[Auto]):
    """What is asked of a method before `settle_method` has named it: the defaults."""


METHOD = AutoMethod
