"""The arms of a comparison: who answers, with what in the prompt, and what it takes to set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whet.errors import RecipeError
from whet.recipe.sections.compare import ArmName, Compare, Framing, RemoteModel


@dataclass(frozen=True, slots=True)
class Arm:
    """`framing` is what stands beside the question; `remote` who answers instead of a model on this machine."""

    name: str
    label: str
    framing: Framing | Literal["constant", "prompted"]
    trained: bool
    effort: int
    """Rank of what it takes to set up."""
    do: str
    """What to do when it wins."""
    remote: RemoteModel | None = None


KNOWN: dict[ArmName, Arm] = {
    arm.name: arm  # type: ignore[misc]
    for arm in (
        Arm("constant", "a constant answer", "constant", False, 0, "give a fixed answer: nothing needs a model yet"),
        Arm("zero-shot", "zero-shot", "zero-shot", False, 0, "use the base as it is"),
        Arm("prompted", "a prompt of ours", "prompted", False, 1, "use the base with a prompt, and do not tune"),
        Arm("system", "the system prompt", "system", False, 1, "use the system prompt, and do not tune"),
        Arm("few-shot", "few-shot", "few-shot", False, 2, "put the examples into the prompt, and do not tune"),
        Arm(
            "few-shot-nearest",
            "few-shot (nearest)",
            "few-shot-nearest",
            False,
            3,
            "put the nearest training rows into the prompt, and do not tune",
        ),
        Arm("retrieval", "retrieval", "retrieval", False, 4, "look the answers up in the documents, and do not tune"),
        Arm("tuned", "the tuned model", "zero-shot", True, 5, "fine-tune"),
        Arm("tuned-retrieval", "tuned + retrieval", "retrieval", True, 6, "fine-tune, and use retrieval"),
    )
}
REMOTE_EFFORT = 1
"""A model at a URL needs no training, but somebody's server."""


def arms_of(settings: Compare) -> list[Arm]:
    """What is compared, in the order of the table. Raises RecipeError for an arm without what it needs."""
    if settings.arms == "auto":
        names: Sequence[ArmName] = [name for name in KNOWN if missing(KNOWN[name].framing, settings) is None]
    else:
        names = list(dict.fromkeys(settings.arms))

    arms = [KNOWN[name] for name in names]
    arms += [remote_arm(remote, number, settings.remote) for number, remote in enumerate(settings.remote)]

    for arm in arms:
        if key := missing(arm.framing, settings):
            what = f"the arm {arm.name} needs {key}, which is not given"
            raise RecipeError(what, where="compare", value=arm.name, fix=f"set {key}, or leave the arm out")

    return arms


def missing(framing: str, settings: Compare) -> str | None:
    """The key that must be set for such prompts, and is not."""
    if framing == "system" and settings.system is None:
        return "compare.system"
    if framing == "retrieval" and settings.documents is None:
        return "compare.documents"
    return None


def remote_arm(remote: RemoteModel, number: int, among: Sequence[RemoteModel]) -> Arm:
    """Named by its model; by its place too where a model is asked more than once."""
    alone = sum(other.model == remote.model for other in among) == 1
    if alone:
        name = remote.model
    else:
        name = f"{remote.model} ({number + 1})"

    if remote.prompt == "zero-shot":
        beside = ""
    else:
        beside = f" ({remote.prompt})"

    effort = REMOTE_EFFORT + KNOWN[remote.prompt].effort
    return Arm(name, f"the model {name}{beside}", remote.prompt, False, effort, f"use {name}{beside}", remote)
