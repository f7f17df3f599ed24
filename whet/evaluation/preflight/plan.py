"""`whet plan`: what a recipe will need, from its data and the config of its base; no weights are loaded.

What `whet tune` would refuse before it trains is refused here, too, by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypedDict

from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.errors import InputError, ModelError
from whet.evaluation.measuring_method import FindMeasures
from whet.evaluation.preflight.refusals import refuse_before_training
from whet.evaluation.preflight.tally import around_of, work_of
from whet.generation.throughput import ANSWERS, seconds_of_a_step
from whet.model.accelerator import all_memory, computes_bfloat16, free_memory, is_processor
from whet.model.base import base_notes, load_config, load_tokenizer
from whet.model.machine_speed import calibrate
from whet.model.precision import device
from whet.observer import Observer
from whet.planning.beside_steps import Around, peak
from whet.planning.machine import (
    GPU_PROCESS,
    Calibration,
    Dtype,
    gpu_computes_bfloat16,
    gpu_memory,
    parse_memory,
    read_calibration,
    write_calibration,
)  # fmt: skip
from whet.planning.memory import Setting, trained_numbers
from whet.planning.model_shape import ModelShape, read_shape
from whet.planning.public_models import find_public
from whet.planning.settings import SuggestionFacts, fits, smallest, suggest
from whet.planning.time import rate
from whet.planning.tune_time import MEASURED_SPREAD, SPREAD, Pace, Time, Work, seen_so_far, tune_seconds
from whet.recipe.rules import fill_defaults
from whet.recipe.schema import Recipe
from whet.training.data_facts import data_facts
from whet.training.micro_batch import planned_micro, setting_of
from whet.training.session import with_length_limits

FASTER = 0.8
"""bfloat16 is taken where it needs less than this share of float32's time (model/precision.py)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the training is to run."""

    device: Literal["cpu", "cuda"]
    memory: int
    here: bool
    """Is it this machine, so that its speed is known?"""
    bfloat16: bool = True
    """Of a GPU: does it compute bfloat16 itself?"""


def target_of(memory: str | None, gpu: str | None) -> Target:
    """This machine unless something else is named. Raises InputError."""
    if memory and gpu:
        raise InputError("--memory and --gpu both say how much memory there is", fix="give one of them")
    if gpu:
        return Target("cuda", gpu_memory(gpu), here=False, bfloat16=gpu_computes_bfloat16(gpu))
    here = device()

    if memory:
        found = parse_memory(memory)
    else:
        found = free_memory(here)

    if is_processor(here):
        return Target("cpu", found, here=True)
    return Target("cuda", found, here=True, bfloat16=computes_bfloat16(here))


class SettingFacts(TypedDict):
    """What the steps that were planned are like."""

    device: Literal["cpu", "cuda"]
    dtype: Dtype
    longest_row: int
    """In tokens, as the next two are."""
    micro_batch_tokens: int
    batch_tokens: int
    steps: int
    rank: int | None
    quantise: Literal["nf4"] | None
    recompute: bool


class PlanFacts(TypedDict):
    """What `whet plan --json` prints."""

    base: str
    parameters: int
    trained: int
    """Numbers that are trained."""
    memory: dict[str, int]
    """Bytes by cause, and `total`."""
    moment: str
    """When so much is needed."""
    available: int
    """Bytes."""
    fits: bool
    seconds: float | None
    """None where the pace is not known: on another machine, or on a GPU."""
    time: dict[str, float] | None
    """Seconds by part, `total`, and the range from `low` to `high`."""
    measured_steps: int
    suggestion: SuggestionFacts | None
    settings: SettingFacts
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Settled:
    """A recipe whose rules are applied for a target, and what a step of it is there."""

    recipe: Recipe
    setting: Setting
    calibration: Calibration
    step_tokens: int
    """Tokens of an optimiser step."""

    def facts(self, target: Target) -> SettingFacts:
        """The entry `settings` of the plan."""
        setting, steps = self.setting, self.recipe.schedule.shortest or self.recipe.steps
        assert steps
        return {
            "device": target.device,
            "dtype": "bfloat16" if setting.bytes_a_number == 2 else "float32",
            "longest_row": setting.longest,
            "micro_batch_tokens": setting.tokens,
            "batch_tokens": self.step_tokens,
            "steps": steps,
            "rank": setting.rank,
            "quantise": "nf4" if setting.quantised else None,
            "recompute": setting.recompute,
        }


def forecast(
    recipe: Recipe,
    find: FindMeasures,
    target: Target,
    cache: Path,
    observer: Observer,
    measure_anew: bool = False,
    seen: Sequence[float] = (),
) -> PlanFacts:
    """Memory, time and settings that fit; `seen` are the seconds of steps that a run has made.

    Raises InputError for a recipe, data or base that is refused.
    """
    is_here = find_public(recipe.base) is None
    notes = base_notes(recipe.base) if is_here else []
    shape, config = _shape_of(recipe, notes)
    recipe, source, tokenizer = _source(recipe, find, config, cache, notes, observer)
    recipe = refuse_before_training(recipe, source, find, cache, recipe.asks_for_test, base=is_here)

    settled = _settle(recipe, find, source, shape, target, calibration_here(observer, measure_anew))
    recipe, setting = settled.recipe, settled.setting
    work = work_of(recipe, find(recipe), source, tokenizer)
    around = around_of(recipe, source, work, _stored(config))

    memory = peak(shape, setting, around)
    suggestion = suggest(shape, setting, target.memory, around)
    time = None
    if target.here and target.device == "cpu":
        time = _time(Pace(shape, setting, settled.calibration), work, around, seen)

    if suggestion is None:
        least = smallest(shape, setting, around).total
        notes.append(f"nothing fits: the least is {least / 1e9:.1f} GB; use a smaller base, or shorter rows")
    notes += [*_of_steps(recipe), *recipe.method.plan().notes, *_of_guesses(recipe, work, seen)]

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
        "settings": settled.facts(target),
        "notes": notes,
    }


def _settle(
    recipe: Recipe,
    find: FindMeasures,
    source: Source,
    shape: ModelShape,
    target: Target,
    calibration: Calibration,
) -> Settled:
    """As a tune applies the rules on the target."""
    dtype = _dtype(recipe, shape, target, calibration)
    longest = find(recipe).longest(recipe, source)
    micro = _micro(recipe, shape, longest, target, dtype)
    facts = data_facts(recipe, source, shape.hidden, shape.parameters, shape.context, micro)

    recipe, _ = fill_defaults(recipe, facts)
    setting = _setting(recipe, source, longest, target, calibration, dtype)
    return Settled(recipe, setting, calibration, recipe.method.step_tokens(recipe, facts))


def _of_steps(recipe: Recipe) -> list[str]:
    """Where the run may go on: how many steps were planned."""
    shortest, steps = recipe.schedule.shortest, recipe.steps
    assert steps
    if not shortest or shortest >= steps:
        return []
    goes_on = f"while validation improves the run goes on, to {steps:,} at most"
    return [f"steps and time are those of {shortest:,} steps; {goes_on}"]


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
    if "32" in str(getattr(config, "dtype", None) or "bfloat16").replace("bfloat16", ""):
        return 4
    return 2


def calibration_here(observer: Observer, anew: bool = False) -> Calibration:
    """The calibration of this machine: read, or measured now and written down."""
    known = None if anew else read_calibration()
    if known is None:
        observer.phase("measuring this machine, once")
        known = calibrate(seconds_of_a_step, ANSWERS)
        write_calibration(known)
    return known


def _shape_of(recipe: Recipe, notes: list[str]) -> tuple[ModelShape, Any]:
    """The base's shape, and a config that says how long its rows may be."""
    public = find_public(recipe.base)
    if public is not None:
        return public.shape, SimpleNamespace(max_position_embeddings=public.shape.context)
    config = load_config(recipe.base, recipe.trust_remote_code)
    return read_shape(config.to_dict(), recipe.base), config


def _source(
    recipe: Recipe, find: FindMeasures, config: Any, cache: Path, notes: list[str], observer: Observer
) -> tuple[Recipe, Source, Any]:
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

    recipe = with_length_limits(recipe, config)
    return recipe, find(recipe).gather(recipe, Renderer(tokenizer), cache, observer), tokenizer


def _micro(recipe: Recipe, shape: ModelShape, longest: int, target: Target, dtype: Dtype) -> int | None:
    """As a tune chooses it there."""
    if recipe.micro_batch_tokens is not None:
        return None
    if target.here:
        memory = all_memory(device())
    else:
        memory = target.memory
    return planned_micro(recipe, shape, longest, dtype, target.device, memory)


def _setting(
    recipe: Recipe, source: Source, longest: int, target: Target, calibration: Calibration, dtype: Dtype
) -> Setting:
    """The recipe on its worst micro-batch: full of rows as long as the longest, every token supervised."""
    assert recipe.micro_batch_tokens
    unseen = recipe.method.plan().rows_unseen or recipe.keep.replays
    if unseen:
        largest = recipe.micro_batch_tokens
    else:
        largest = source.tokens

    return replace(
        setting_of(recipe, longest, dtype, target.device),
        tokens=max(longest, min(recipe.micro_batch_tokens, largest)),
        process=calibration.process if target.device == "cpu" else GPU_PROCESS,
    )


def _dtype(recipe: Recipe, shape: ModelShape, target: Target, calibration: Calibration) -> Dtype:
    if recipe.dtype != "auto":
        return recipe.dtype
    if target.device == "cuda":
        if target.bfloat16:
            return "bfloat16"
        return "float32"

    slow, fast = (rate(calibration, dtype, shape.hidden) for dtype in ("float32", "bfloat16"))
    if slow < FASTER * fast:
        return "bfloat16"
    return "float32"
