"""Group d: the name and both hashes of every recipe. One that changes is a run that is not found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.golden.places import ROOT, find

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {
        "system": "Be brief.", "max_tokens": 100, "seed": 3, "compile": True, "tf32": True, "recompute": True,
        "columns": {"roles": {"bard": "assistant"}, "group": "g"}, "dialect": "chatml", "join_labels": True,
        "goal": {"at_least": 0.9}, "forgetting": {"text": 0.1}, "split": {"train_share": 0.5}, "quantise": "nf4",
        "optimizer": {"weight_decay": 0.1}, "adapter": {"kind": "lora", "rank_pattern": {"q_proj": 2}},
        "compare": {"margin": 0.05, "shots": [1, 2]},
    },
    "two files": {"data": ["data/desk.jsonl", "data/prompts.jsonl"]},
    "folder": {"data": "data"},
    "test file": {"test": "data/teams.jsonl"},
    "hub": {"data": "somebody/some-rows"},
    "replay of a file": {"keep": {"replay": "data/general.jsonl"}},
    "suites": {"forgetting": {"suites": ["data/sums.jsonl"]}},
    "documents": {"retrieval": {"documents": "data/documents.jsonl"}},
    "own metric": {"evaluate": {"metric": "data/own.py:right"}},
    "own reward": {"method": {"kind": "grpo", "rewards": [{"kind": "function", "function": "data/own.py:right"}]}},
    "curve": {"split": {"train_share": 0.25}},
}  # fmt: skip
"""Recipes beside those in files: what is set counts, and where files stand does not."""

OF_OTHER_DATA = ("read-the-docs",)
"""It learns the guides of this repository: its data are others with every word that is changed there."""


def make(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "golden", {path.stem: named(path) for path in sorted(folder.glob("*.yaml"))}
    yield "variants", variants(folder)
    recipes = {path.stem: named(path) for path in sorted((ROOT / "recipes").glob("*.yaml"))}
    for name in OF_OTHER_DATA:
        recipes[name] |= {"name": "", "data": ""}
    yield "recipes", recipes


def named(source: Any) -> dict[str, Any]:
    """Name, hash of the recipe, hash of the data, and the recipe as it is understood."""
    import whet

    recipe = whet.load_recipe(source)
    recipe_hash, data_hash = find("identity")(recipe)
    name = find("default_name")(recipe, recipe_hash, data_hash)
    return {"name": name, "recipe": recipe_hash, "data": data_hash, "fields": sorted(type(recipe).model_fields)}


def variants(folder: Path) -> dict[str, Any]:
    """The variants, and one recipe as two paths and from two folders name it: three times the same run."""
    found = {name: named({"data": "data/desk.jsonl"} | keys) for name, keys in VARIANTS.items()}
    whole = {"data": str(folder / "data" / "desk.jsonl"), "keep": {"replay": str(folder / "data" / "general.jsonl")}}
    return found | {"whole path": named(whole)}
