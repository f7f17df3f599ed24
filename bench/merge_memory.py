"""How much memory a merge takes: an adapter added to a base of Llama 2 7B's widths, at several depths.

    python -m bench.merge_memory --layers 2 4 8        # peaks of each; the whole model has 32
    python -m bench.merge_memory --layers 32           # 13.5 GB of disk for what is written

The base is made of holes: files of zeros that take no room on the disk, in shards. Each merge is a process of its own
that does what `whet export --to merged` does before the proof: it checks the base's weights, and writes the sum.
The last line is one JSON object: the peak (VmHWM) and the seconds of each depth.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig

from bench.qlora_7b import GB, LLAMA_7B, status
from whet.model.base import NANO
from whet.observer import Silent
from whet.release.adapter_weights import PREFIX, WEIGHTS
from whet.release.forms.merged import FORM
from whet.release.opening import files_fingerprint
from whet.release.tensor_files import Shaped, TensorWriter, write_index, writing
from whet.release.tuned import Tuned

WIDE, MLP, WORDS = LLAMA_7B["hidden_size"], LLAMA_7B["intermediate_size"], LLAMA_7B["vocab_size"]
LINEAR = {f"self_attn.{name}_proj": (WIDE, WIDE) for name in "qkvo"}
LINEAR |= {"mlp.gate_proj": (MLP, WIDE), "mlp.up_proj": (MLP, WIDE), "mlp.down_proj": (WIDE, MLP)}
NORMS = ("input_layernorm", "post_attention_layernorm")
RANK = 16
LAYERS_A_SHARD = 4
KIND = torch.bfloat16


def shards(layers: int) -> Iterator[dict[str, Shaped]]:
    """What each file of the base holds."""
    for first in range(0, layers, LAYERS_A_SHARD):
        plan = {}
        for layer in range(first, min(first + LAYERS_A_SHARD, layers)):
            plan |= {f"model.layers.{layer}.{name}.weight": Shaped(KIND, shape) for name, shape in LINEAR.items()}
            plan |= {f"model.layers.{layer}.{name}.weight": Shaped(KIND, (WIDE,)) for name in NORMS}
        yield plan
    words = Shaped(KIND, (WORDS, WIDE))
    yield {"model.embed_tokens.weight": words, "model.norm.weight": Shaped(KIND, (WIDE,)), "lm_head.weight": words}


def write_base(folder: Path, layers: int) -> None:
    """The header of each file, and a hole where the numbers would be."""
    folder.mkdir()
    shape: dict[str, Any] = LLAMA_7B | {"num_hidden_layers": layers}
    LlamaConfig(**shape, architectures=["LlamaForCausalLM"], dtype="bfloat16").save_pretrained(folder)
    plans = {f"model-{number}.safetensors": plan for number, plan in enumerate(shards(layers))}
    for name, plan in plans.items():
        with (folder / name).open("wb") as file:
            TensorWriter(file, plan)
            file.truncate(file.tell() + sum(tensor.bytes for tensor in plan.values()))
    write_index(folder, plans)


def write_model(folder: Path, layers: int) -> None:
    """A run's model folder: an adapter on all linear layers, with the bundled base's tokenizer."""
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(NANO / name, folder / name)

    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 32, "target_modules": [n.split(".")[1] for n in LINEAR]}
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    plan = {}
    for layer in range(layers):
        for name, (outer, inner) in LINEAR.items():
            stem = f"{PREFIX}model.layers.{layer}.{name}.lora_"
            plan |= {f"{stem}A.weight": Shaped(KIND, (RANK, inner)), f"{stem}B.weight": Shaped(KIND, (outer, RANK))}

    torch.manual_seed(0)
    with writing(folder / WEIGHTS, plan) as writer:
        for name, tensor in plan.items():
            writer.write(name, torch.randn(tensor.shape))


def merge(folder: Path) -> None:
    """Within a process of its own; prints its peak."""
    facts: Any = {"dtype": "bfloat16", "stop_ids": [1], "golden_ids": [1]}
    model = Tuned("made", folder / "model", facts, str(folder / "base"))
    began = time.perf_counter()
    files_fingerprint(model)
    (folder / "out").mkdir()
    files = FORM.export(model, "bfloat16", folder / "out", Silent())
    assert files.facts["in_memory"] is None, "it was streamed"
    print(json.dumps({"peak": status("VmHWM"), "seconds": round(time.perf_counter() - began, 1)}))


def measured(layers: int, where: Path | None) -> dict[str, Any]:
    """The peak in bytes, and the seconds, of a merge at this depth; leaves nothing on the disk."""
    folder = Path(tempfile.mkdtemp(prefix="merge-", dir=where))
    try:
        write_base(folder / "base", layers)
        write_model(folder / "model", layers)
        asked = [sys.executable, "-m", "bench.merge_memory", "--merge", str(folder)]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        bytes_ = sum(math.prod(one.shape) * KIND.itemsize for plan in shards(layers) for one in plan.values())
        return {"layers": layers, "weights": bytes_, **json.loads(said.splitlines()[-1])}
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--where", type=Path, help="a folder on the disk that is to be used; default: a temporary one")
    parser.add_argument("--merge", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.merge:
        return merge(given.merge)

    found = []
    for layers in given.layers:
        one = measured(layers, given.where)
        found.append(one)
        told = f"{one['weights'] / GB:6.2f} GB of weights, peak {one['peak'] / GB:5.2f} GB, {one['seconds']:6.1f} s"
        print(f"{layers:3} layers  {told}", flush=True)
    print(json.dumps({"merges": found}))


if __name__ == "__main__":
    main()
