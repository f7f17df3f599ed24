"""What a job's model is called: `ft:{base}:{project}:{suffix}:{id}`, and its checkpoints `...:ckpt-step-{n}`."""

from __future__ import annotations

import re

TUNED = "ft:"
ID = 8
"""Characters of the job's own name that its model's ends with."""


def model_name(base: str, project: str, suffix: str | None, job: str) -> str:
    """Of a model that goes on from a tuned one, `base` is the name of that: the base below it is told."""
    if base.startswith(TUNED):
        base = base.removeprefix(TUNED).partition(":")[0]
    return f"{TUNED}{base}:{_part(project)}:{_part(suffix or '')}:{job[-ID:]}"


def checkpoint_name(model: str, step: int) -> str:
    return f"{model}:ckpt-step-{step}"


def _part(text: str) -> str:
    """A colon would set parts apart; what else is no word becomes a hyphen."""
    return re.sub(r"[^\w.-]+", "-", text.strip(), flags=re.ASCII).strip("-").lower()
