"""Runs that are finished without training: random adapters over the bundled base, saved as a run saves its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from whet.methods import method_of
from whet.model.adapter import add_adapter
from whet.model.base import load_base
from whet.model.policy import Policy
from whet.model.saved_model import save_model
from whet.observer import Silent
from whet.recipe.schema import Recipe
from whet.release.golden import keep_golden
from whet.release.golden_of_run import golden_of
from whet.store.run import Run
from whet.training.session import open_session
from whet.training.training_method import Setup

TRAINED = datetime(2025, 3, 4, 12)
DATE = "{{- '<|system|>Today is ' + strftime_now('%d %b %Y') + '.<|end|>' -}}"
"""The beginning of a template that writes the date, and a day on which a run was trained with it."""
KEPT = ("task", "system", "no-system")
"""Kinds of golden cases of which one is kept: each costs a consumer an answer."""


def rows(folder: Path, number: int = 40) -> Path:
    path = folder / "rows.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"prompt": f"Which shelf is box {n} on?", "completion": f"shelf {n % 7}"} for n in range(number)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def made_run(folder: Path, size: float = 0.03, **keys: Any) -> Run:
    """A run whose adapter, or weights, are stirred by numbers of `size`."""
    asked = {"data": str(rows(folder)), "dtype": "float32", "base": "nano", "keep": {"replay": "none"}, **keys}
    recipe = Recipe.model_validate(asked)
    run = Run.create(folder / "runs", recipe, "made")
    session = open_session(recipe, run, method_of, Silent())
    recipe = session.recipe
    base = load_base(recipe.base, getattr(torch, recipe.dtype), quantise=recipe.quantise)
    model = add_adapter(base.model, recipe.adapter, 0)
    stir(model, size)
    save_model(run.model, base, Policy(model), session.renderer, recipe)
    run.write_json("selfcheck.json", {"path": "forest"})
    run.set_status("done")
    return run


def made_head(folder: Path, kind: str) -> Run:
    """A run of `classify` or `reward`, whose head and adapter are stirred."""
    path = folder / "rows.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "classify":
        lines = [{"text": f"box {n} is {('red', 'blue')[n % 2]}", "label": ("red", "blue")[n % 2]} for n in range(60)]
    else:
        lines = [{"prompt": f"Where is box {n}?", "chosen": f"on shelf {n % 7}", "rejected": "gone"} for n in range(60)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    keys = {"data": str(path), "dtype": "float32", "base": "nano", "method": {"kind": kind}}
    recipe = Recipe.model_validate(keys | {"adapter": {"kind": "lora", "rank": 4}})
    run = Run.create(folder / "runs", recipe, kind)
    session = open_session(recipe, run, method_of, Silent())
    recipe, method = session.recipe, method_of(session.recipe)
    base = load_base("nano", torch.float32)
    policy = Policy(add_adapter(base.model, recipe.adapter, 0), use_forest=False)
    method.prepare_model(recipe, session.source, policy)
    stir(policy.model, 0.03)
    loader = method.loader(recipe, session.source)
    setup = Setup(recipe, run, session.source, session.renderer, base, policy, loader, "plain", Silent())
    method.save(setup)
    run.write_json("selfcheck.json", {"path": "plain"})
    run.set_status("done")
    return run


@torch.no_grad()
def stir(model: Any, size: float) -> None:
    """Small random numbers on everything that would have been trained."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.requires_grad and "lora_A" not in name:
            own = size if "lora" in name else size / 10
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter.dtype) * own)


def keep_few(run: Run) -> None:
    """Golden answers of few prompts."""
    golden = golden_of(run, Silent())
    cases = [next(case for case in golden.cases if case.prompt.kind == kind) for kind in KEPT]
    keep_golden(replace(golden, cases=cases), run)
