"""Other people's clients, in the versions that are written down here: installed once, beside Whet's own environment.

They lie in Whet's cache, in a folder named after the file that pins them; nothing that Whet needs is changed by them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from whet.store.atomic import new_folder
from whet.store.home import cache_home

HERE = Path(__file__).parent
NODE = HERE / "node"
CHECKS = "checks.mjs"
LONGEST = 300
"""Seconds of an installation."""
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "DO_NOT_TRACK": "1"}


def npm_checks(arguments: Sequence[str]) -> str:
    """What checks.mjs prints, run in one process of node."""
    node = _program("node")
    folder = _installed("npm", NODE / "package-lock.json", _npm_ci)
    shutil.copy2(NODE / CHECKS, folder / CHECKS)  # modules are found from where the script lies
    return _ran([node, CHECKS, *arguments], folder, {})


def litellm_checks(arguments: Sequence[str]) -> str:
    """What litellm_checks.py prints."""
    folder = _installed("python", HERE / "requirements.txt", _pip_install)
    return _ran([sys.executable, str(HERE / "litellm_checks.py"), *arguments], HERE, {"PYTHONPATH": str(folder)})


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: the clients of npm are not tried")
    return found


def _installed(kind: str, pins: Path, install: Callable[[Path, Path], None]) -> Path:
    """The folder that `install` filled by these pins; in the session that is first to need it, now."""
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()[:16]
    folder = cache_home() / "clients" / f"{kind}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with new_folder(folder) as made:
                install(pins, made)
    return folder


def _npm_ci(pins: Path, folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy2(pins.with_name(name), folder)
    _ran([_program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, {})


def _pip_install(pins: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    _ran([*command, "--requirement", str(pins)], folder, {})


def _ran(command: Sequence[str], folder: Path, more: dict[str, str]) -> str:
    environment = {**os.environ, **OFFLINE, **more}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
