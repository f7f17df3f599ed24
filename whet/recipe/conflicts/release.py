"""What the recipe trains beside what is to serve it: known without looking at the base."""

from __future__ import annotations

from whet.recipe.schema import Full, Recipe
from whet.recipe.sections.release import served_as
from whet.recipe.strict import Conflict, refuse_first
from whet.recipe.vllm_limits import refusal_of_adapter

WRITES_NOTHING = ("vllm", "gguf", "ollama")
"""Forms of models that write words."""


def refuse_unserved(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for a model that could not be served where `release` says."""
    forms, adapter = served_as(recipe.release), recipe.adapter
    headed = [form for form in forms if form in WRITES_NOTHING and recipe.method.has_head]
    wrong: list[Conflict] = [
        (
            bool(headed),
            f"a model with a head writes nothing, and {', '.join(headed)} serves what writes",
            f"method: {recipe.method.kind}",
            "set release.for: merged, which transformers reads, or leave release out",
        ),
        (
            "adapter" in forms and isinstance(adapter, Full),
            "every weight is trained, so that there is no adapter to release",
            "adapter: full",
            "set release.for: merged, or adapter: lora",
        ),
        (
            "adapter" in forms and recipe.method.has_head,
            "the adapter of a model with a head is merged when it is saved, so that there is none to release",
            f"method: {recipe.method.kind}",
            "set release.for: merged, or leave release out",
        ),
    ]
    if "vllm" in forms and not isinstance(adapter, Full) and (refused := refusal_of_adapter(adapter)):
        value = f"adapter.{refused.option}: {getattr(adapter, refused.option)}"
        fix = f"{refused.fix}; or set release.for: merged: vLLM serves merged weights of any adapter"
        wrong.append((True, f"vLLM could not serve it: {refused.what}", value, fix))
    refuse_first(wrong, where)
