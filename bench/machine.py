"""The machine and the versions that a result belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "tokenizers", "datasets")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def facts() -> dict[str, str]:
    """What RESULTS.md says above its tables (Linux)."""
    processor = Path("/proc/cpuinfo").read_text().splitlines()
    name, flags = _field(processor, "model name"), _field(processor, "flags").split()
    memory = int(_field(Path("/proc/meminfo").read_text().splitlines(), "MemTotal").split()[0]) / 1e6
    found = ", ".join(flag for flag in FLAGS if flag in flags)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "processor": f"{name}, {len(os.sched_getaffinity(0))} cores, {found}",
        "memory": f"{memory:.1f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{library} {version(library)}" for library in LIBRARIES),
    }


def commit() -> str:
    """The commit, and whether the files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def _field(lines: list[str], name: str) -> str:
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "unknown")
