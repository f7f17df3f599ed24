"""Predicted against measured peak memory, as a Markdown table: `python -m bench.plan_check`.

Each row is a process of its own that builds a random model of the shape and trains three steps on micro-batches in
which every token is supervised; measured is the most memory the system ever gave it (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.plan_shapes import COMBINATIONS, SHAPES

STEPS, RANK = 3, 16


def measure(combination: dict[str, Any]) -> dict[str, Any]:
    """Trains; returns the peak in bytes, and what lay in memory when the model was ready."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from whet.model.adapter import add_adapter
    from whet.model.attention import FOREST
    from whet.model.fit import fuse
    from whet.model.memory import keep_freed_memory
    from whet.model.policy import Policy
    from whet.recipe.schema import Full, Lora, Optimizer, Schedule
    from whet.train.loop import train_loop
    from whet.train.methods import NextToken
    from whet.train.optim import MasterOptimizer

    keep_freed_memory()
    process = status("VmRSS")
    method, _, light = combination["method"].partition(", ")
    base = combination.get("config") or LLAMA_SHAPE(combination["shape"])
    torch.set_default_dtype(getattr(torch, combination["dtype"]))
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**base))
    torch.set_default_dtype(torch.float32)
    model.set_attn_implementation(FOREST)
    adapter = Full() if method == "full" else Lora(rank=RANK, alpha=32.0)
    policy = Policy(add_adapter(model, adapter, 0))
    policy.model.train()
    refusal = fuse(policy.model)
    if light:
        policy.recompute_layers()
    batch = worst_batch(base["vocab_size"], combination["length"], combination["batch"])

    class Same:
        def step(self, step: int) -> list[Any]:
            return [batch]

    seconds: list[float] = []
    optimizer = MasterOptimizer(policy.trainable(), Optimizer(), 1e-3, STEPS, Schedule())
    train_loop(NextToken(policy, Same()), optimizer, STEPS, lambda step, facts: seconds.append(facts["seconds"]))
    return {"peak": status("VmHWM"), "process": process, "seconds": min(seconds), "path": refusal or "fused"}


def LLAMA_SHAPE(name: str) -> dict[str, Any]:
    from bench.plan_shapes import LLAMA

    return LLAMA | SHAPES[name]


def worst_batch(vocabulary: int, length: int, rows: int) -> Any:
    import torch

    from whet.data.forest import build_batch
    from whet.types import Segment

    ids = torch.randint(vocabulary, (rows, length), generator=torch.Generator().manual_seed(0)).tolist()
    return build_batch([Segment(row, [0.0] + [1.0] * (length - 1), number) for number, row in enumerate(ids)])


def status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def in_a_process(combination: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.plan_check", "--one", json.dumps(combination)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{combination}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="Measure this combination, given as JSON, and print what was measured.")
    parser.add_argument("--rows", default=":", help="Which combinations, as a slice: 0:4.")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one))))
        return
    begin, _, end = options.rows.partition(":")
    for combination in COMBINATIONS[int(begin or 0) : int(end) if end else None]:
        print(json.dumps(combination | in_a_process(combination)), flush=True)


if __name__ == "__main__":
    main()
