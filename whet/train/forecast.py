"""`whet plan`: what a recipe will need, from its data and the config of its base; no weights are loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from whet.data.prepare import Prepared
from whet.data.template import Renderer
from whet.errors import InputError, ModelError
from whet.model.base import load_config, load_tokenizer
from whet.model.calibrate import calibrate
from whet.model.precision import device
from whet.plan.machine import (
    GPU_PROCESS,
    Calibration,
    available_memory,
    gpu_memory,
    parse_memory,
    read_calibration,
    write_calibration,
)  # fmt: skip
from whet.plan.memory import Setting, predict, trained_numbers
from whet.plan.public import find_public
from whet.plan.shape import Shape, read_shape
from whet.plan.suggest import fits, smallest, suggest
from whet.plan.time import rate, step_seconds
from whet.recipe.keep import BASE
from whet.recipe.rollouts import OwnAnswers
from whet.recipe.rules import resolve, step_tokens
from whet.recipe.schema import Bake, Distil, Lora, Recipe
from whet.train.material import Material, block_length, gather, settle_method
from whet.train.observer import Observer
from whet.train.session import with_context

FASTER = 0.8
"""bfloat16 is taken where it needs less than this share of float32's time (model/precision.py)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the training is to run."""

    device: Literal["cpu", "cuda"]
    memory: int
    here: bool
    """Is it this machine, so that its speed is known?"""


def target_of(memory: str | None, gpu: str | None) -> Target:
    """This machine unless something else is named. Raises InputError."""
    if memory and gpu:
        raise InputError("--memory and --gpu both say how much memory there is", fix="give one of them")
    if gpu:
        return Target("cuda", gpu_memory(gpu), here=False)
    if memory:
        return Target("cuda" if device().type == "cuda" else "cpu", parse_memory(memory), here=True)
    if device().type == "cuda":
        import torch

        return Target("cuda", torch.cuda.mem_get_info()[0], here=True)
    found = available_memory()
    if found is None:
        raise InputError("this system does not say how much memory is free", fix="name it: --memory 16GB")
    return Target("cpu", found, here=True)


def forecast(
    recipe: Recipe, target: Target, cache: Path, observer: Observer, measure_anew: bool = False
) -> dict[str, Any]:
    """The dictionary that `whet plan --json` prints. Raises InputError for a recipe, data or base that is refused."""
    notes: list[str] = []
    shape, config = _shape_of(recipe, notes)
    recipe, material = _material(recipe, config, cache, notes, observer)
    recipe, _ = settle_method(recipe, material)
    facts = material.facts(recipe, shape.hidden, shape.parameters, shape.context)
    recipe, _ = resolve(recipe, facts)
    calibration = measured(observer, measure_anew)
    setting = _setting(recipe, shape, material, target, calibration)
    memory = predict(shape, setting)
    suggestion = suggest(shape, setting, target.memory)
    assert recipe.steps
    seconds = None
    batch_tokens = step_tokens(recipe, facts)
    if isinstance(recipe.method, OwnAnswers):
        notes.append("the time is not known beforehand: the model writes the answers that it learns from")
    elif target.here and target.device == "cpu":
        usual = recipe.schedule.shortest or recipe.steps
        seconds = usual * step_seconds(shape, setting, round(batch_tokens * (1 + replayed(recipe))), calibration)
    if suggestion is None:
        least = smallest(shape, setting).total
        notes.append(f"nothing fits: the least is {least / 1e9:.1f} GB; use a smaller base, or shorter rows")
    if recipe.schedule.shortest and recipe.schedule.shortest < recipe.steps:
        notes.append(
            f"steps and time are those of {recipe.schedule.shortest:,} steps; while validation improves the run goes "
            f"on, to {recipe.steps:,} at most"
        )
    notes += _of_the_teacher(recipe) + _of_keeping(recipe)
    return {
        "base": recipe.base,
        "parameters": shape.parameters,
        "trained": trained_numbers(shape, setting),
        "memory": memory.facts(),
        "moment": memory.moment,
        "available": target.memory,
        "fits": fits(memory, target.memory),
        "seconds": seconds,
        "suggestion": None if suggestion is None else suggestion.facts(),
        "settings": {
            "device": target.device,
            "dtype": "bfloat16" if setting.bytes_a_number == 2 else "float32",
            "longest_row": setting.longest,
            "micro_batch_tokens": setting.tokens,
            "batch_tokens": batch_tokens,
            "steps": recipe.schedule.shortest or recipe.steps,
            "rank": setting.rank,
            "quantise": "nf4" if setting.quantised else None,
            "recompute": setting.recompute,
        },
        "notes": notes,
    }


def _of_the_teacher(recipe: Recipe) -> list[str]:
    """What a method that reads a teacher needs beside what is counted."""
    if isinstance(recipe.method, Distil):
        return [f"the weights of the teacher {recipe.method.teacher!r} are in memory, too, and are not counted here"]
    if isinstance(recipe.method, Bake):
        return ["the base reads every batch once more, with the prompt and no gradient: that time is not counted"]
    return []


def replayed(recipe: Recipe) -> float:
    """Replayed tokens for each token of the task, over all steps."""
    ratio = recipe.keep.ratio if recipe.keep.replays and recipe.keep.ratio else 0.0
    return ratio / (1 - ratio) / (recipe.keep.every or 1)


def _of_keeping(recipe: Recipe) -> list[str]:
    """What staying near the base needs beside what is counted."""
    notes = []
    if recipe.keep.replays:
        notes.append("replayed rows are taken to be no longer than the task's")
    if recipe.keep.replay == BASE:
        notes.append("the base answers its general prompts before the first step, once: that time is not counted")
    if recipe.keep.kl:
        notes.append("keep.kl has the base read what the KL is taken on, without a gradient: that time is not counted")
    return notes


def measured(observer: Observer, anew: bool = False) -> Calibration:
    """The calibration of this machine: read, or measured now and written down."""
    known = None if anew else read_calibration()
    if known is None:
        observer.phase("measuring this machine, once")
        known = calibrate()
        write_calibration(known)
    return known


def _shape_of(recipe: Recipe, notes: list[str]) -> tuple[Shape, Any]:
    """The base's shape, and a config that says how long its rows may be."""
    public = find_public(recipe.base)
    if public is not None:
        return public.shape, SimpleNamespace(max_position_embeddings=public.shape.context)
    config = load_config(recipe.base, recipe.trust_remote_code)
    return read_shape(config.to_dict(), recipe.base), config


def _material(
    recipe: Recipe, config: Any, cache: Path, notes: list[str], observer: Observer
) -> tuple[Recipe, Material]:
    """The data, in the base's tokens where its tokenizer is here, and in the bundled base's otherwise."""
    observer.phase("reading the data")
    try:
        tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    except ModelError:
        if find_public(recipe.base) is None:
            raise
        tokenizer = load_tokenizer("nano")
        notes.append(
            f"the tokenizer of {recipe.base} is not here: rows are counted in the tokens of nano, whose vocabulary is "
            "smaller, so that they come out longer than they are"
        )
    recipe = with_context(recipe, config)
    return recipe, gather(recipe, tokenizer, Renderer(tokenizer), cache, observer)


def _setting(
    recipe: Recipe, shape: Shape, material: Material, target: Target, calibration: Calibration
) -> Setting:
    """The recipe on its worst micro-batch: full of rows as long as the longest, every token supervised."""
    source = material.source
    if isinstance(source, Prepared):
        longest = source.longest + (recipe.method.max_new_tokens if isinstance(recipe.method, OwnAnswers) else 0)
    else:
        longest = block_length(recipe, source.train)
    assert recipe.micro_batch_tokens
    unseen = isinstance(recipe.method, OwnAnswers) or recipe.keep.replays
    largest = recipe.micro_batch_tokens if unseen else material.tokens
    setting = Setting(
        tokens=max(longest, min(recipe.micro_batch_tokens, largest)),
        longest=longest,
        bytes_a_number=2 if _dtype(recipe, shape, target, calibration) == "bfloat16" else 4,
        quantised=recipe.quantise is not None,
        recompute=recipe.recompute,
        optimizer=recipe.optimizer.kind,
        lean=recipe.optimizer.state == "bfloat16",
        device=target.device,
        process=calibration.process if target.device == "cpu" else GPU_PROCESS,
    )
    if isinstance(recipe.adapter, Lora):
        return replace(setting, rank=recipe.adapter.rank, targets=recipe.adapter.targets)
    return setting


def _dtype(recipe: Recipe, shape: Shape, target: Target, calibration: Calibration) -> str:
    if recipe.dtype != "auto":
        return recipe.dtype
    slow, fast = (rate(calibration, dtype, shape.hidden) for dtype in ("float32", "bfloat16"))
    return "bfloat16" if target.device == "cuda" or slow < FASTER * fast else "float32"
