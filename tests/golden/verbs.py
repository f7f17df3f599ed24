"""Group b: `whet check` on planted defects, `whet show`, and `whet plan` on the bases that are at hand."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.golden.masked import masked
from tests.golden.places import find

ROWS = 80
BASES = ("nano", "gpt2", "Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1")
"""The public ones are known by their shapes; what is not known here is refused, and the refusal is kept."""


def make(folder: Path) -> Iterator[tuple[str, Any]]:
    yield "check", {name: said(folder, "check", f"{name}.jsonl") for name in planted()}
    yield "check-recipes", {path.stem: said(folder, "check", path.name) for path in sorted(folder.glob("*.yaml"))}
    yield "show", {path.stem: said(folder, "show", path.name) for path in sorted(folder.glob("*.yaml"))}
    yield "plan", {f"{base}, {memory}": said(folder, "plan", "sft.yaml", "--set", f"base={base}", "--memory", memory)
                   for base in BASES for memory in ("8GB", "80GB")}  # fmt: skip
    yield "plan-methods", {path.stem: said(folder, "plan", path.name, "--memory", "16GB")
                           for path in sorted(folder.glob("*.yaml"))}  # fmt: skip


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
