"""PEFT, in this process: `PeftModel.from_pretrained(base, folder)`, and nothing of Whet's.

Where it stops is read from generation_config.json beside the adapter: the base's own may name another token than the
one that was trained, and PEFT reads no other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from whet.building import building
from whet.model.precision import device
from whet.release.consumers.in_process import Asked, computing_in, opening
from whet.release.consumers.protocol import Served

NAME = "peft"


def missing() -> str | None:
    return None


def open_consumer(served: Served) -> Asked:
    """Raises ModelError."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    assert served.folder is not None
    with opening(NAME, served), building():
        base: Any = AutoModelForCausalLM.from_pretrained(served.base, **_options(served))
        model = PeftModel.from_pretrained(base, str(served.folder), autocast_adapter_dtype=False)
        tokenizer = AutoTokenizer.from_pretrained(str(served.folder), trust_remote_code=served.trust_remote_code)
        generation = base.generation_config

        if (Path(served.folder) / "generation_config.json").is_file():
            generation = GenerationConfig.from_pretrained(served.folder)

    if not served.quantised:  # a 4-bit base lies where it was made
        model = computing_in(model, served).to(device())
    return Asked(NAME, model, tokenizer, generation, served.clock)


def _options(served: Served) -> dict[str, Any]:
    dtype = getattr(torch, served.dtype)
    options: dict[str, Any] = {
        "dtype": dtype,
        "trust_remote_code": served.trust_remote_code,
        "use_safetensors": True,
    }

    if served.quantised:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=served.quantised,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )

    return options
