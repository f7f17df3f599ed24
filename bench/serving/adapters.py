"""Adapters that share a continuous batch: what they cost beside the base alone, and what a cold one costs.

    python -m bench.serving.adapters [BASE] [--rank 8] [--registered 1000] [--json FILE]

Requests come from `slots` clients that ask again as soon as they are answered. Adapters hold random numbers, which cost
what trained ones do. `in turn` answers the same requests adapter by adapter, as a server does that can have one adapter
on at a time; `one by one` answers them one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.request import AnswerRequest
from whet.generation.serving.token_choice import TokenChoice
from whet.model.adapter import add_adapter
from whet.model.base import Base, load_base
from whet.recipe.schema import Lora

SLOTS, PROMPT, NEW, MIXED = 32, 16, 48, 8
ZIPF = 1.0
"""The k-th adapter is asked for in proportion to 1 / k."""
ROUNDS = 3
COLD = 20
"""Adapters whose first answers are timed."""


def make_adapters(base: Base, folder: Path, number: int, rank: int) -> list[Path]:
    """Folders as PEFT writes them, for all linear layers, each with random numbers of its own."""
    first = folder / "0"
    adapted = add_adapter(base.model, Lora(rank=rank, alpha=2.0 * rank), seed=0)
    adapted.save_pretrained(first)
    adapted.unload()
    shapes = {name: tensor.shape for name, tensor in load_file(first / "adapter_model.safetensors").items()}

    folders = [folder / str(one) for one in range(number)]
    for one, path in enumerate(folders):
        path.mkdir(exist_ok=True)
        if path != first:
            shutil.copy(first / "adapter_config.json", path)
        generator = torch.Generator().manual_seed(one)
        tensors = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        save_file(tensors, path / "adapter_model.safetensors", {"format": "pt"})
    return folders


def request(number: int, adapter: str | None, vocabulary: int) -> AnswerRequest:
    chosen = random.Random(number)
    prompt = [chosen.randrange(vocabulary) for _ in range(PROMPT)]
    return AnswerRequest(prompt, frozenset(), NEW, adapter=adapter, choice=TokenChoice(temperature=0))


def write(batch: OpenBatch, requests: Iterator[AnswerRequest], clients: int) -> float:
    """Tokens a second of so many clients, each of which asks again when it is answered, until all is written."""
    began, tokens, open_requests = time.perf_counter(), 0, 0
    while True:
        while open_requests < clients and (following := next(requests, None)) is not None:
            batch.enter(following)
            open_requests += 1
        if not open_requests:
            return tokens / (time.perf_counter() - began)
        for written in batch.advance():
            tokens += 1
            open_requests -= written.end is not None


def in_turn(batch: OpenBatch, names: Sequence[str | None], clients: int, vocabulary: int) -> float:
    """Tokens a second when the requests that come at a time are answered adapter by adapter."""
    began, tokens = time.perf_counter(), 0
    for burst in range(0, len(names), clients):
        waiting = list(enumerate(names[burst : burst + clients], start=burst))
        for name in sorted({str(name) for _, name in waiting}):
            own = [request(number, name, vocabulary) for number, asked in waiting if asked == name]
            write(batch, iter(own), len(own))
            tokens += NEW * len(own)
    return tokens / (time.perf_counter() - began)


def cold_seconds(batch: OpenBatch, vocabulary: int, name: str, before: Callable[[], None]) -> float:
    """From asking to the first token, with what must be done `before` it."""
    began = time.perf_counter()
    before()
    handle = batch.enter(request(0, name, vocabulary))
    while not any(written.request == handle for written in batch.advance()):
        pass
    seconds = time.perf_counter() - began
    batch.leave(handle)
    return seconds


def measure(base: Base, folder: Path, rank: int, registered: int) -> dict[str, Any]:
    vocabulary = base.model.config.get_text_config().vocab_size
    folders = make_adapters(base, folder, max(registered, MIXED, COLD + 1), rank)
    batch = OpenBatch(base, slots=SLOTS, adapter_bytes=0)  # what nobody uses leaves memory at once
    batch.load_adapter("0", folders[0])  # PEFT is imported, and the form is known
    cold: dict[str, list[float]] = {"new": [], "evicted": []}
    for one in range(1, COLD + 1):
        register = partial(batch.load_adapter, str(one), folders[one])
        cold["new"].append(cold_seconds(batch, vocabulary, str(one), register))
        cold["evicted"].append(cold_seconds(batch, vocabulary, str(one), lambda: None))

    batch = OpenBatch(base, slots=SLOTS)
    for one in range(max(registered, MIXED)):
        batch.load_adapter(str(one), folders[one])

    count = 4 * SLOTS
    weights = [1 / (1 + one) ** ZIPF for one in range(registered)]
    zipf = random.Random(1).choices([str(one) for one in range(registered)], weights, k=count)
    eight = [str(one % MIXED) for one in range(count)]
    uneven = random.Random(2).choices([str(one) for one in range(MIXED)], k=count)
    asked: dict[str, Sequence[str | None]] = {"base": [None] * count, "mixed": eight, "uneven": uneven, "zipf": zipf}

    speed: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for kind, names in asked.items():
            requests = (request(number, name, vocabulary) for number, name in enumerate(names))
            speed.setdefault(kind, []).append(write(batch, requests, SLOTS))
        speed.setdefault("in turn", []).append(in_turn(batch, eight[: 2 * SLOTS], SLOTS, vocabulary))
        alone = (request(number, name, vocabulary) for number, name in enumerate(eight[:MIXED]))
        speed.setdefault("one by one", []).append(write(batch, alone, 1))

    return {
        "tokens_per_second": {kind: round(max(found), 1) for kind, found in speed.items()},
        "cold_ms": {kind: round(1000 * statistics.median(found), 1) for kind, found in cold.items()},
        "registered": registered,
        "rank": rank,
        "load": round(os.getloadavg()[0], 2),
        "threads": torch.get_num_threads(),
    }


def table(found: dict[str, Any]) -> str:
    speed, cold = found["tokens_per_second"], found["cold_ms"]
    words = {
        "base": "the base alone",
        "mixed": f"{MIXED} adapters mixed, {SLOTS // MIXED} rows each",
        "uneven": f"{MIXED} adapters mixed by chance",
        "zipf": f"{found['registered']:,} adapters, Zipf",
        "in turn": f"{MIXED} adapters in turn",
        "one by one": "one request after the other",
    }
    lines = [f"{'':<32}{'tokens/s':>10}{'of base':>10}"]
    lines += [f"{words[kind]:<32}{value:>10,.0f}{value / speed['base']:>10.0%}" for kind, value in speed.items()]
    lines.append(f"mixed beside in turn: {speed['mixed'] / speed['in turn']:.1f}x")
    lines.append(f"mixed beside one by one: {speed['mixed'] / speed['one by one']:.1f}x")
    lines.append(f"first token of a new adapter {cold['new']} ms, of one read again {cold['evicted']} ms")
    lines.append(f"rank {found['rank']}, {found['threads']} threads, load {found['load']}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", default="nano")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--registered", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    base = load_base(given.base, torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(base, Path(folder), given.rank, given.registered)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps({"base": given.base, **found}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
