"""Group b: `whet check` on planted defects, `whet show`, and `whet plan` on the bases that are at hand."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.golden.masked import masked
from tests.golden.places import find

ROWS = 80
BASES = ("nano", "gpt2", "llama-2-7b", "llama-3-8b", "somebody/some-model", "mistralai/Mixtral-8x7B-v0.1")
"""The public ones are known by their shapes; what is not known here is refused, and the refusal is kept."""

SPEED: dict[str, Any] = {
    "process": 600_000_000,
    "products": {"float32": {"192": 86.0, "384": 89.0, "768": 86.0, "1536": 87.0},
                 "bfloat16": {"192": 2.2, "384": 2.4, "768": 0.7, "1536": 0.8}},
    "bandwidth": {"float32": 8.5e9, "bfloat16": 3.4e9},
    "training": {"float32": {"192": 0.86, "576": 0.51}, "bfloat16": {"192": 0.27, "576": 0.16}},
    "writing": {"float32": [0.0008, 5.6e10], "bfloat16": [0.0016, 9.7e9]},
    "start": 12.0,
    "disk": 1.3e9,
}  # fmt: skip
"""As if this machine had been measured, so that plans are the same everywhere and nothing is measured anew."""


def make(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "check", {name: said(folder, "check", f"{name}.jsonl") for name in planted()}
    yield "check-recipes", {path.stem: said(folder, "check", path.name) for path in sorted(folder.glob("*.yaml"))}
    yield "show", {path.stem: said(folder, "show", path.name) for path in sorted(folder.glob("*.yaml"))}
    measured_as(folder / "whet")
    yield "plan", {f"{base}, {memory}": said(folder, "plan", "sft.yaml", "--set", f"base={base}", "--memory", memory)
                   for base in BASES for memory in ("8GB", "80GB")}  # fmt: skip
    yield "plan-methods", {path.stem: said(folder, "plan", path.name, "--memory", "16GB")
                           for path in sorted(folder.glob("*.yaml"))}  # fmt: skip


def measured_as(cache: Path) -> None:
    """From here on whet believes to have measured this machine, and found SPEED."""
    cache.mkdir()
    (cache / "calibration.json").write_text(json.dumps({"machine": find("machine_facts")()} | SPEED), "utf-8")
    os.environ["WHET_CACHE"] = str(cache)


def planted() -> list[str]:
    """Writes a file of rows for each kind of defect, and gives their names."""
    from bench.planted.clean import clean_rows
    from bench.planted.plants import all_plants

    plants = dict(sorted(all_plants().items()))
    for code, plant in plants.items():
        rows, _ = plant(Random(f"{code} golden"), clean_rows(Random("golden"), ROWS))
        Path(f"{code}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return list(plants)


def said(folder: Path, *words: str) -> Any:
    """What a command prints with --json, and its exit code."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = find("command line")([*words, "--json"])
    return masked({"code": code, "said": json.loads(out.getvalue())}, folder)
