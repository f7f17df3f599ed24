"""transformers, in this process: `AutoModelForCausalLM.from_pretrained(folder)`, and nothing of Whet's."""

from __future__ import annotations

from typing import Any

import torch

from whet.building import building
from whet.model.precision import device
from whet.release.consumers.in_process import Asked, AskedForScores, computing_in, opening
from whet.release.consumers.protocol import Served

NAME = "transformers"


def missing() -> str | None:
    return None


def open_consumer(served: Served) -> Asked:
    """Raises ModelError."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with opening(NAME, served), building():
        model: Any = AutoModelForCausalLM.from_pretrained(str(served.folder), **_options(served))
        tokenizer = AutoTokenizer.from_pretrained(str(served.folder), trust_remote_code=served.trust_remote_code)
    model = computing_in(model, served).to(device())
    return Asked(NAME, model, tokenizer, model.generation_config, served.clock)


def open_scorer(served: Served) -> AskedForScores:
    """Raises ModelError."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with opening(NAME, served), building():
        model: Any = AutoModelForSequenceClassification.from_pretrained(str(served.folder), **_options(served))
        tokenizer = AutoTokenizer.from_pretrained(str(served.folder))
    return AskedForScores(NAME, computing_in(model, served).to(device()), tokenizer, served.clock)


def _options(served: Served) -> dict[str, Any]:
    return {
        "dtype": getattr(torch, served.dtype),
        "trust_remote_code": served.trust_remote_code,
        "use_safetensors": True,
    }
