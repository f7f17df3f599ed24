"""llama.cpp's own server over a GGUF file, in a process of its own: a damaged file may end it, and not Whet.

Run as a file, it imports nothing of Whet: it serves what the JSON of its only argument tells, says its address in one
line, and ends when its input does.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main(told: dict[str, Any]) -> None:
    xllamacpp: Any = import_module("xllamacpp")
    server = xllamacpp.Server(settings(xllamacpp, told))
    print(server.listening_address, flush=True)
    sys.stdin.read()


def settings(package: Any, told: dict[str, Any]) -> Any:
    """What llama-server would be told on its command line."""
    given = package.CommonParams()
    given.model.path = told["model"]
    given.n_ctx, given.n_gpu_layers, given.n_parallel = told["context"], 0, 1
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = told["threads"]
    given.verbosity, given.warmup, given.ui, given.fit_params = 2, False, False, False

    if told["lora"]:
        given.lora_adapters = [package.CommonAdapterLoraInfo(told["lora"], 1.0)]

    if told["float32"]:  # else keys and values are kept in float16, which costs 2e-3 in log-probability
        given.cache_type_k = given.cache_type_v = package.ggml_type.GGML_TYPE_F32
        given.flash_attn_type = package.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED

    return given


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
