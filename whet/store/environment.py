"""What a run was made with: versions, machine, git commit. Nothing that could be a secret: no variables, no names."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TypedDict

import whet
from whet.store.memory_and_cores import all_memory, usable_cores

PACKAGES = (
    "torch", "transformers", "peft", "tokenizers", "safetensors", "datasets", "numpy", "pydantic", "bitsandbytes",
)  # fmt: skip


class GitFacts(TypedDict):
    commit: str
    changed: bool
    """Whether files that git knows were changed since."""


class EnvironmentFacts(TypedDict, total=False):
    """environment.json. Earlier versions left keys out, and wrote the versions of some packages by themselves."""

    whet: str
    python: str
    platform: str
    packages: dict[str, str]
    cpu: str
    cores: int | None
    cores_usable: int
    memory_bytes: int
    devices: list[str]
    git: GitFacts | None


def environment() -> EnvironmentFacts:
    """What is true here and now; memory in bytes. Devices are named only when torch is already loaded."""
    return {
        "whet": whet.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version for name in PACKAGES if (version := package_version(name))},
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "memory_bytes": all_memory(),
        "devices": devices(),
        "git": git_commit(Path.cwd()),
    }


def package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def devices() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def git_commit(folder: Path) -> GitFacts | None:
    """{"commit", "changed"} of the repository around `folder`; None outside of one or without git."""
    try:
        commit = git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
