"""Where the tuned model is to be served: what that cannot read is refused before anything is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from whet.recipe.strict import Strict

ServedAs = Literal["adapter", "merged", "vllm", "gguf", "ollama"]
"""Forms of `whet export --to`."""


class Release(Strict):
    """Changes nothing about the training: a run with it and one without it are the same run."""

    __annotations__ = {
        "for": Annotated[
            ServedAs | Annotated[list[ServedAs], Field(min_length=1)],
            Field(
                description="Forms of `whet export --to` that the model must be able to leave in. vllm: vLLM must read "
                "the adapter itself; merged weights it serves of any adapter."
            ),
        ]
    }


def served_as(release: Release | None) -> list[ServedAs]:
    """The forms that are asked for; none where nothing is."""
    if release is None:
        return []
    asked = getattr(release, "for")
    return asked if isinstance(asked, list) else [asked]
