"""What the run ran on, as far as it matters for a repeat, and what changes where it is another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from whet.errors import count
from whet.evaluation.facts import Evaluation
from whet.reports.section import Section
from whet.reports.sheet import Cell, Sheet
from whet.text.wording import on_gpu

if TYPE_CHECKING:
    from whet.model.saved_model import ModelFacts
    from whet.store.environment import EnvironmentFacts

SUMS = "sums are added in another order: the last digits differ, and a few answers"
PACKAGES = {
    "torch": SUMS,
    "transformers": "a layer, or the chat template, may be computed otherwise",
    "tokenizers": "text may be cut into other tokens",
    "peft": "an adapter may start from other weights",
    "bitsandbytes": "a base in 4 bits, or an optimiser in 8, may be rounded otherwise",
}
"""Versions that a repeat needs, and why; all others are in environment.json."""


def environment_view(environment: EnvironmentFacts, evaluation: Evaluation, model: ModelFacts) -> Sheet | None:
    """A row a fact, with what another value would change; None for a run that did not write down where it ran."""
    if not environment:
        return None
    rows = [[Cell(name, bold=True), Cell(value), Cell(why)] for name, value, why in facts_of(environment, model)]
    threads = evaluation.get("threads")
    if isinstance(threads, int) and not on_gpu(evaluation):
        rows.append([Cell("threads", bold=True), Cell(str(threads)), Cell(f"{SUMS}; OMP_NUM_THREADS sets it")])
    return Sheet(["what", "here", "if it is another"], rows, style="keys choices")


def facts_of(environment: EnvironmentFacts, model: ModelFacts) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning; what an earlier version did not write down is left out."""
    if whet := environment.get("whet"):
        yield "whet", str(whet), "its defaults may be others; recipe.resolved.yaml holds those of this run"
    if python := environment.get("python"):
        yield "python", str(python), "the packages below may have no such version"

    versions: Mapping[str, object] = environment.get("packages") or environment  # earlier, some stood by themselves
    for name, why in PACKAGES.items():
        if version := versions.get(name):
            yield name, str(version), why

    if dtype := model.get("dtype"):
        yield "dtype", str(dtype), "the weights are rounded otherwise"
    yield "device", device(environment), SUMS

    if git := environment.get("git"):
        if git["changed"]:
            changed = ", with uncommitted changes"
        else:
            changed = ""
        yield "git", f"{git['commit'][:12]}{changed}", "the recipe, its data or a function in it may be another"


def device(environment: EnvironmentFacts) -> str:
    """The GPUs that there were; without one the processor and how many of its cores could be used."""
    if names := environment.get("devices"):
        return ", ".join(map(str, names))
    cores = environment.get("cores_usable")
    name = str(environment.get("cpu") or "not recorded")
    if cores is None:
        return name
    return f"{name}, {count(cores, 'core')}"


SECTION = Section(
    key="environment",
    title="To repeat it",
    after="checked",
    reads=("environment.json", "evaluation.json", "model/whet.json"),
    view=environment_view,
)
