"""What this machine has: memory that is free, and its speed as measured once (whet/model/machine_speed.py measures)."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from whet.errors import InputError, nearest
from whet.store.atomic import write_text
from whet.store.container import memory_left
from whet.store.environment import cpu_name, package_version
from whet.store.home import cache_home
from whet.store.memory_and_cores import free_memory, usable_cores

Dtype = Literal["float32", "bfloat16"]
UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
GPUS = {
    "t4": 16, "v100-16gb": 16, "v100-32gb": 32, "rtx-3090": 24, "rtx-4090": 24, "rtx-5090": 32, "l4": 24, "a10": 24,
    "a40": 48, "rtx-a6000": 48, "l40s": 48, "a100-40gb": 40, "a100-80gb": 80, "h100": 80, "h200": 141,
}  # fmt: skip
"""Memory in GB (10^9 bytes), from the makers' data sheets; what is usable is about that in the decimal unit."""
WITHOUT_BFLOAT16 = {"t4", "v100-16gb", "v100-32gb"}
"""Of the generations before Ampere (compute capability below 8.0), which has the first units for it."""
GPU_PROCESS = 600 * 10**6
"""CUDA context and library workspaces; a usual figure, not measured by us."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured on this machine, with these versions."""

    machine: dict[str, Any]
    process: int
    """Bytes of the program with everything imported, before any model."""
    products: dict[Dtype, dict[int, float]]
    """Matrix products of (1024, size) x (size, size), in 10^9 operations a second, by size."""
    bandwidth: dict[Dtype, float]
    """Bytes a second that an element-wise operation reads and writes."""
    training: dict[Dtype, dict[int, float]]
    """By hidden size: how many times longer a layer takes to learn than products and bytes alone would."""
    writing: dict[Dtype, tuple[float, float]]
    """Of a step that writes a token of each answer: seconds a layer whatever its size, and operations a second."""
    start: float
    """Seconds until the program has everything imported."""
    disk: float
    """Bytes a second at which weights are written and read."""


def machine_facts() -> dict[str, Any]:
    """What a measurement depends on: processor, cores this process may use, threads, versions."""
    versions = {name: package_version(name) for name in ("torch", "transformers", "peft")}
    return {"cpu": cpu_name(), "cores": usable_cores(), "threads": os.environ.get("OMP_NUM_THREADS"), **versions}


def cache_file() -> Path:
    """In Whet's folder of this user's cache."""
    return cache_home() / "calibration.json"


def read_calibration(file: Path | None = None) -> Calibration | None:
    """What was measured on this machine, or None where nothing was, or something that another machine measured."""
    try:
        stored = json.loads((file or cache_file()).read_text("utf-8"))
        writing = {dtype: (float(layer), float(speed)) for dtype, (layer, speed) in stored["writing"].items()}
        known = Calibration(
            stored["machine"], int(stored["process"]), _by_size(stored["products"]), dict(stored["bandwidth"]),
            _by_size(stored["training"]), writing, float(stored["start"]), float(stored["disk"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None

    if known.machine == machine_facts():
        return known
    return None


def _by_size(stored: dict[Dtype, dict[str, float]]) -> dict[Dtype, dict[int, float]]:
    """JSON has texts for keys, where these are hidden sizes."""
    return {dtype: {int(size): value for size, value in sizes.items()} for dtype, sizes in stored.items()}


def write_calibration(calibration: Calibration, file: Path | None = None) -> None:
    file = file or cache_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(asdict(calibration), indent=1) + "\n")


def available_memory() -> int:
    """Bytes that a new process may take now: what the system calls available, within a container's limit."""
    within = memory_left()
    if within is None:
        return free_memory()
    return min(free_memory(), within)


def parse_memory(text: str) -> int:
    """Bytes of `24GB`, `80 GiB` or `512MB`. Raises InputError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*", text.lower())
    if not match or float(match[1]) <= 0:
        raise InputError("this is no amount of memory", where="--memory", value=text, fix="as in: --memory 24GB")
    return int(float(match[1]) * UNITS[match[2]])


def gpu_memory(name: str) -> int:
    """Bytes of a GPU by name. Raises InputError for one that is not known."""
    key = _key_of(name)
    if key not in GPUS:
        what = f"this GPU is not known here{nearest(key, GPUS)}"
        raise InputError(what, where="--gpu", value=name, fix=f"one of {', '.join(GPUS)}; or --memory 24GB")
    return GPUS[key] * 10**9


def gpu_computes_bfloat16(name: str) -> bool:
    """Whether a GPU that `gpu_memory` knows has units for bfloat16."""
    return _key_of(name) not in WITHOUT_BFLOAT16


def _key_of(name: str) -> str:
    return name.lower().replace(" ", "-")
