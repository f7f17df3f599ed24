"""Predicted against measured peak memory, as a Markdown table: `python -m bench.plan_check`.

Each row is a process of its own that builds a random model of the shape and trains three steps on micro-batches in
which every token is supervised; measured is the most memory the system ever gave it (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.plan_shapes import COMBINATIONS, LLAMA, SHAPES
from whet.planning.machine import Calibration, read_calibration
from whet.planning.memory import Memory, Setting, predict
from whet.planning.model_shape import read_shape
from whet.planning.time import step_seconds

STEPS, RANK = 3, 16


def measure(combination: dict[str, Any]) -> dict[str, Any]:
    """Trains; returns the peak in bytes, and what lay in memory when the model was ready."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from whet.model.adapter import add_adapter
    from whet.model.architecture_proof import fuse
    from whet.model.attention.forest import FOREST
    from whet.model.memory import keep_freed_memory
    from whet.model.policy import Policy
    from whet.recipe.schema import Full, Lora, Optimizer, Schedule
    from whet.training.learners.next_token import NextTokenLearner
    from whet.training.loop import train_loop
    from whet.training.optimizers.master_weights import MasterOptimizer

    keep_freed_memory()
    process = status("VmRSS")
    method, _, light = combination["method"].partition(", ")
    base = config_of(combination)
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

        def largest(self) -> Any:
            return batch

    seconds: list[float] = []
    optimizer = MasterOptimizer(policy.trainable(), Optimizer(), 1e-3, STEPS, Schedule())
    train_loop(NextTokenLearner(policy, Same()), optimizer, STEPS, lambda step, facts: seconds.append(facts["seconds"]))
    return {"peak": status("VmHWM"), "process": process, "seconds": min(seconds), "path": refusal or "fused"}


def config_of(combination: dict[str, Any]) -> dict[str, Any]:
    return LLAMA | SHAPES[combination["shape"]]


def worst_batch(vocabulary: int, length: int, rows: int) -> Any:
    import torch

    from whet.data.batches.forest import build_batch
    from whet.types import Segment

    ids = torch.randint(vocabulary, (rows, length), generator=torch.Generator().manual_seed(0)).tolist()
    return build_batch([Segment(row, [0.0] + [1.0] * (length - 1), number) for number, row in enumerate(ids)])


def status(key: str) -> int:
    """Bytes of a line of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024


def in_a_process(combination: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.plan_check", "--one", json.dumps(combination)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{combination}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def prediction(combination: dict[str, Any], calibration: Calibration) -> tuple[Memory, float]:
    """Memory, and seconds of a step."""
    method, _, light = combination["method"].partition(", ")
    tokens = combination["length"] * combination["batch"]
    setting = Setting(
        tokens=tokens,
        longest=combination["length"],
        rank=None if method == "full" else RANK,
        bytes_a_number=4 if combination["dtype"] == "float32" else 2,
        recompute=bool(light),
        process=calibration.process,
    )
    shape = read_shape(config_of(combination))
    return predict(shape, setting), step_seconds(shape, setting, tokens, calibration)


def table(found: Sequence[dict[str, Any]], calibration: Calibration) -> str:
    """Markdown: one line a combination."""
    lines = [
        "| shape | method | dtype | row x rows | predicted | measured | error | step predicted | measured |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        memory, seconds = prediction(one, calibration)
        error = 100 * (memory.total / one["peak"] - 1)
        size = f"{memory.total / 1e6:,.0f} MB | {one['peak'] / 1e6:,.0f} MB | {error:+.1f}%"
        names = f"{one['shape']} | {one['method']} | {one['dtype']} | {one['length']} x {one['batch']}"
        lines.append(f"| {names} | {size} | {seconds:.2f} s | {one['seconds']:.2f} s |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="Measure this combination, given as JSON, and print what was measured.")
    parser.add_argument("--rows", default=":", help="Which combinations, as a slice: 0:4.")
    parser.add_argument("--measured", type=Path, help="JSON lines: measured ones are read from it and added to it.")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one))))
        return
    begin, _, end = options.rows.partition(":")
    wanted = COMBINATIONS[int(begin or 0) : int(end) if end else None]
    file: Path | None = options.measured
    known = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file and file.exists() else []
    for combination in wanted:
        if not any(combination.items() <= one.items() for one in known):
            known.append(combination | in_a_process(combination))
            if file:
                file.write_text("".join(json.dumps(one) + "\n" for one in known), "utf-8")
    calibration = read_calibration()
    if calibration is None:
        raise SystemExit("measure this machine first, with as many threads: whet plan DATA --calibrate")
    print(table([one for c in wanted for one in known if c.items() <= one.items()], calibration))


if __name__ == "__main__":
    main()
