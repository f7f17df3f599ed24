"""`whet plan`: what a recipe will need, from its data and the config of its base; no weights are loaded.

What `whet tune` would refuse before it trains is refused here, too, by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from whet.data.prepare import Prepared
from whet.data.template import Renderer
from whet.errors import InputError, ModelError
from whet.evaluate.refusals import refuse_before_training
from whet.evaluate.tally import around_of, work_of
from whet.generate.pace import ANSWERS, seconds_of_a_step
from whet.model.base import load_config, load_tokenizer
from whet.model.calibrate import calibrate
from whet.model.precision import device
from whet.plan.adapter import Options
from whet.plan.around import Around, peak
from whet.plan.machine import (
    GPU_PROCESS,
    Calibration,
    available_memory,
    gpu_memory,
    parse_memory,
    read_calibration,
    write_calibration,
)  # fmt: skip
from whet.plan.memory import Setting, trained_numbers
from whet.plan.public import find_public
from whet.plan.shape import Shape, read_shape
from whet.plan.suggest import fits, smallest, suggest
from whet.plan.time import rate
from whet.plan.tune import MEASURED_SPREAD, SPREAD, Pace, Time, Work, seen_so_far, tune_seconds
from whet.recipe.rollouts import OwnAnswers
from whet.recipe.rules import resolve, step_tokens
from whet.recipe.schema import Bake, Distil, Lora, Recipe
from whet.train.material import Material, block_length, gather
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
    recipe: Recipe,
    target: Target,
    cache: Path,
    observer: Observer,
    measure_anew: bool = False,
    seen: Sequence[float] = (),
) -> dict[str, Any]:
    """The dictionary that `whet plan --json` prints; `seen` are the seconds of steps that a run has made.

    Raises InputError for a recipe, data or base that is refused.
    """
    notes: list[str] = []
    shape, config = _shape_of(recipe, notes)
    recipe, material, tokenizer = _material(recipe, config, cache, notes, observer)
    recipe = refuse_before_training(recipe, material, cache, base=find_public(recipe.base) is None)
    facts = material.facts(recipe, shape.hidden, shape.parameters, shape.context)
    recipe, _ = resolve(recipe, facts)
    calibration = measured(observer, measure_anew)
    setting = _setting(recipe, shape, material, target, calibration)
    work = work_of(recipe, material, tokenizer)
    around = around_of(recipe, material, work, _stored(config))
    memory = peak(shape, setting, around)
    suggestion = suggest(shape, setting, target.memory, around)
    time = None
    if target.here and target.device == "cpu":
        time = _time(Pace(shape, setting, calibration), work, around, seen)
    if suggestion is None:
        least = smallest(shape, setting, around).total
        notes.append(f"nothing fits: the least is {least / 1e9:.1f} GB; use a smaller base, or shorter rows")
    assert recipe.steps
    if recipe.schedule.shortest and recipe.schedule.shortest < recipe.steps:
        notes.append(
            f"steps and time are those of {recipe.schedule.shortest:,} steps; while validation improves the run goes "
            f"on, to {recipe.steps:,} at most"
        )
    notes += _of_the_teacher(recipe) + _of_guesses(recipe, work, seen)
    return {
        "base": recipe.base,
        "parameters": shape.parameters,
        "trained": trained_numbers(shape, setting),
        "memory": memory.facts(),
        "moment": memory.moment,
        "available": target.memory,
        "fits": fits(memory, target.memory),
        "seconds": None if time is None else round(time.total, 1),
        "time": None if time is None else time.facts(),
        "measured_steps": len(seen),
        "suggestion": None if suggestion is None else suggestion.facts(),
        "settings": {
            "device": target.device,
            "dtype": "bfloat16" if setting.bytes_a_number == 2 else "float32",
            "longest_row": setting.longest,
            "micro_batch_tokens": setting.tokens,
            "batch_tokens": step_tokens(recipe, facts),
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


def _of_guesses(recipe: Recipe, work: Work, seen: Sequence[float]) -> list[str]:
    """What of the plan is a guess, and why."""
    notes = []
    if work.test is not None or work.rollout is not None:
        notes.append("how long the answers will be is a guess: between the references and the limit")
    if recipe.keep.replays:
        notes.append("replayed rows are taken to be no longer than the task's")
    if work.kept is not None:
        notes.append("the base's own samples are counted as if they were not yet written; they are kept for later runs")
    if not seen:
        notes.append("no step was measured yet, so the time is a range; whet plan RUN measures one that is at work")
    if recipe.evaluate.early_stop and work.validation_tokens:
        notes.append("all steps are counted; the training may stop before them")
    return notes


def _time(pace: Pace, work: Work, around: Around, seen: Sequence[float]) -> Time:
    if not seen:
        return tune_seconds(pace, work, around, SPREAD)
    factor = seen_so_far(work, pace, list(seen))
    return tune_seconds(replace(pace, seen=factor), work, around, MEASURED_SPREAD)


def _stored(config: Any) -> int:
    """Bytes of a number in the base's files."""
    return 4 if "32" in str(getattr(config, "dtype", None) or "bfloat16").replace("bfloat16", "") else 2


def measured(observer: Observer, anew: bool = False) -> Calibration:
    """The calibration of this machine: read, or measured now and written down."""
    known = None if anew else read_calibration()
    if known is None:
        observer.phase("measuring this machine, once")
        known = calibrate(seconds_of_a_step, ANSWERS)
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
) -> tuple[Recipe, Material, Any]:
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
    return recipe, gather(recipe, tokenizer, Renderer(tokenizer), cache, observer), tokenizer


def _setting(recipe: Recipe, shape: Shape, material: Material, target: Target, calibration: Calibration) -> Setting:
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
        adapter = recipe.adapter
        options = Options(tuple(adapter.rank_pattern.items()), adapter.dora, tuple(adapter.modules_to_save))
        return replace(setting, rank=adapter.rank, targets=adapter.targets, options=options)
    return setting


def _dtype(recipe: Recipe, shape: Shape, target: Target, calibration: Calibration) -> str:
    if recipe.dtype != "auto":
        return recipe.dtype
    slow, fast = (rate(calibration, dtype, shape.hidden) for dtype in ("float32", "bfloat16"))
    return "bfloat16" if target.device == "cuda" or slow < FASTER * fast else "float32"
