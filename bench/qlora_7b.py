"""A 7B model trained on a machine whose memory does not hold its gradients in 16 bits: QLoRA, measured.

Writes a model of Llama 2 7B's shape with random weights, shard by shard (13.5 GB of disk, removed at the end unless
kept), loads it in 4 bits in a process of its own, and takes real optimiser steps through Whet's own parts.

    python bench/qlora_7b.py --folder /tmp/random-7b --keep

Prints the peak of the process's memory (VmHWM) by phase, what lay in memory by cause, and seconds a step.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from whet.data.batches.forest import build_batch
from whet.losses.next_token import sft_loss
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.base import NANO, load_base
from whet.model.policy import Policy
from whet.model.quantised.nf4 import quantised_linears
from whet.recipe.schema import Lora, Optimizer, Schedule
from whet.training.optimizers.master_weights import MasterOptimizer
from whet.types import Batch, Segment

LLAMA_7B = {
    "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
    "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096, "tie_word_embeddings": False,
}  # fmt: skip
GB = 1e9
Made = TypeVar("Made")


def write_random_model(folder: Path, shape: dict[str, Any]) -> int:
    """One shard a layer, one for the rest; returns the bytes written. A tensor at a time is in memory."""
    config = LlamaConfig(**shape, architectures=["LlamaForCausalLM"], dtype="bfloat16")
    config.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(NANO / name, folder / name)
    with torch.device("meta"):
        wanted = LlamaForCausalLM(config).state_dict()
    shards: dict[str, list[str]] = {}
    for name in wanted:
        parts = name.split(".")
        shards.setdefault(f"layer-{int(parts[2]):02d}" if parts[1] == "layers" else "rest", []).append(name)
    torch.manual_seed(0)
    places, written = {}, 0
    for shard, names in shards.items():
        tensors = {name: random_tensor(wanted[name]) for name in names}
        save_file(tensors, folder / f"{shard}.safetensors", metadata={"format": "pt"})
        places |= dict.fromkeys(names, f"{shard}.safetensors")
        written += sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": written}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return written


def random_tensor(like: Tensor) -> Tensor:
    """Matrices as Llama begins with them, norms of one."""
    if like.ndim < 2:
        return torch.ones(like.shape, dtype=torch.bfloat16)
    return torch.empty(like.shape, dtype=torch.bfloat16).normal_(0, 0.02)


class Peaks:
    """The process's memory, phase by phase, as the kernel counts it."""

    def __init__(self) -> None:
        self.highest = 0
        self.say("imports", status("VmRSS"), 0.0)

    def during(self, phase: str, work: Callable[[], Made]) -> Made:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        began = time.perf_counter()
        result = work()
        self.say(phase, status("VmHWM"), time.perf_counter() - began)
        return result

    def say(self, phase: str, peak: int, seconds: float) -> None:
        self.highest = max(self.highest, peak)
        now = status("VmRSS")
        print(f"{phase:<28} peak {peak / GB:6.2f} GB, then {now / GB:6.2f} GB, {seconds:6.1f} s", flush=True)


def status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def one_row(vocabulary: int, length: int) -> Batch:
    ids = torch.randint(vocabulary, (length,), generator=torch.Generator().manual_seed(1)).tolist()
    return build_batch([Segment(ids, [0.0] + [1.0] * (length - 1), 0)])


def measure(folder: Path, tokens: int, steps: int, rank: int) -> None:
    peaks = Peaks()
    base = peaks.during("loading in 4 bits", lambda: load_base(str(folder), torch.bfloat16, quantise="nf4"))
    peaks.during("proof of the forest", lambda: install_forest(base.model))
    model = add_adapter(base.model, Lora(rank=rank, alpha=32.0), seed=0)
    model.train()
    policy = Policy(model)
    adapter = policy.trainable()
    optimizer = MasterOptimizer(adapter, Optimizer(), 2e-4, steps, Schedule(kind="constant", warmup=0.0))
    batch = one_row(LLAMA_7B["vocab_size"], tokens)
    for step in range(steps):
        before = status("VmRSS")
        out = peaks.during(f"step {step}: forward", lambda: sft_loss(policy.logprobs(batch), batch.weight_N))
        print(f"{'':<28} loss {out.total.item() / batch.weight:.4f}; kept for backward {gigabytes_since(before)}")
        peaks.during(f"step {step}: backward", (out.total / batch.weight).backward)
        norm, _ = peaks.during(f"step {step}: optimiser", lambda step=step: optimizer.step(step))
        print(f"{'':<28} gradient norm {norm:.4f}")
    for cause, size in causes(base.model, adapter, optimizer).items():
        print(f"{cause:<44} {size / GB:6.2f} GB")
    print(f"{'highest peak of the process (VmHWM)':<44} {peaks.highest / GB:6.2f} GB")


def gigabytes_since(before: int) -> str:
    return f"{(status('VmRSS') - before) / GB:.2f} GB"


def causes(model: Any, adapter: dict[str, Any], optimizer: MasterOptimizer) -> dict[str, int]:
    """Bytes that lie in memory from one step to the next, counted from the tensors."""
    layers = quantised_linears(model).values()
    states = [layer.weight.quant_state for layer in layers]
    codes = sum(layer.weight.nbytes for layer in layers)
    ours = {id(layer.weight) for layer in layers} | {id(parameter) for parameter in adapter.values()}
    state = [tensor for name, tensor in optimizer.state().items() if name.startswith("state/")]
    return {
        "weights in 4 bits": codes,
        "their scales": sum(state.absmax.nbytes + state.state2.absmax.nbytes for state in states),
        "embedding, output layer, norms (16 bits)": sum(p.nbytes for p in model.parameters() if id(p) not in ours),
        "adapter": sum(p.nbytes for p in adapter.values()),
        "adapter's gradient, while a step lasts": 3 * sum(p.nbytes for p in adapter.values()),  # bf16, then float32
        "optimiser's float32 originals": sum(master.nbytes for master in optimizer.masters.values()),
        "optimiser's two moments": sum(tensor.nbytes for tensor in state),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the random weights go; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the weights there for another run")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--layers", type=int, default=LLAMA_7B["num_hidden_layers"], help="fewer, for a trial")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return measure(given.folder, given.tokens, given.steps, given.rank)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="random-7b-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if not (folder / "config.json").exists():
            began = time.perf_counter()
            written = write_random_model(folder, LLAMA_7B | {"num_hidden_layers": given.layers})
            print(f"wrote {written / GB:.2f} GB in {time.perf_counter() - began:.0f} s", flush=True)
        options = [f"--{name}={getattr(given, name)}" for name in ("tokens", "steps", "rank")]
        subprocess.run([sys.executable, __file__, "--measure", "--folder", str(folder), *options], check=True)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
