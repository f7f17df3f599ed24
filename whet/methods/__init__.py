"""The training methods, one file each: how it trains, and how it is measured. The rest of Whet asks them through the
protocols of `training` and `evaluation` and names none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from whet.recipe.schema import Recipe

if TYPE_CHECKING:
    from whet.methods.base import Method


def method_of(recipe: Recipe) -> Method[Any]:
    """The method of a recipe: whet/methods/<kind>.py holds its class, named METHOD."""
    return import_module(f"whet.methods.{recipe.method.kind}").METHOD(recipe.method)
