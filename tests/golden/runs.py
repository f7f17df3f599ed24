"""Group a: a run of a few steps of each method, and three that are stopped midway and taken up again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.golden.masked import masked, without_times

FIRST = "sft"
"""It teaches the run of distil."""
RESUMED = {"sft-kept": 3, "kto": 4, "ppo": 3}
"""Which recipes are stopped midway, and after which step."""
FORGETTING = "sft-opposed"
"""The one run that also measures what it cost in general ability, which takes as long as ten others."""
JSON_FILES = ("evaluation.json", "ledger.json", "choices.json", "selfcheck.json", "leaks.json", "replay.json",
              "training.json", "teacher.json", "base.json", "run.json", "status.json")  # fmt: skip
NAMES_A_FOLDER = "adapter_config.json"
LINES = ("metrics.jsonl", "answers.jsonl", "rows.jsonl")


class Stopped(BaseException):
    """As if somebody pressed Ctrl-C."""


class Listener:
    """Keeps the phases and notes of a run; stops it after a step of its training, if it is asked to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.heard: list[str] = []
        self.stop_after = stop_after

    def phase(self, name: str, total: int | None = None) -> None:
        self.heard.append(f"phase: {name}" + ("" if total is None else f", {total} steps"))

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        if self.stop_after is not None and step == self.stop_after and "learning_rate" in facts:
            raise Stopped

    def note(self, text: str) -> None:
        self.heard.append(f"note: {text}")

    def done(self) -> None: ...


def make(folder: Path, only: str = "") -> Iterator[tuple[str, Any]]:
    """(name, facts) of each run; `only` names one recipe (what it needs is made, too)."""
    names = sorted((path.stem for path in Path().glob("*.yaml")), key=lambda name: (name != FIRST, name))
    for name in names:
        if not only or name == only or (name == FIRST and only == "distil"):
            yield name, tuned(folder, name, name)
    for name, step in RESUMED.items():
        if not only or name == only:
            yield f"{name}-resumed", tuned(folder, name, f"{name}-resumed", step)


def tuned(folder: Path, recipe: str, name: str, stop_after: int | None = None) -> dict[str, Any]:
    """Everything that a run says of itself."""
    import whet

    more: dict[str, Any] = {"evaluate.forgetting": True} if recipe == FORGETTING else {}
    path, listener = f"{recipe}.yaml", Listener(stop_after)
    if stop_after is not None:
        try:
            whet.tune(path, run_root="runs", name=name, observer=listener, **more)
        except Stopped:
            listener = Listener()
        else:
            raise AssertionError(f"the run {name} was not stopped after step {stop_after}")
    whet.tune(path, run_root="runs", name=name, observer=listener, **more)
    return facts_of(Path("runs") / name, folder) | {"heard": [without_times(line, folder) for line in listener.heard]}


def facts_of(run: Path, folder: Path) -> dict[str, Any]:
    """The files of a run as the golden set keeps them."""
    found: dict[str, Any] = {"files": sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())}
    for name in JSON_FILES:
        if (run / name).exists():
            found[name] = masked(json.loads((run / name).read_text("utf-8")), folder)
    for name in LINES:
        if (run / name).exists():
            lines = (run / name).read_text("utf-8").splitlines()
            found[name] = [masked(json.loads(line), folder) for line in lines]
    for name in ("recipe.yaml", "recipe.resolved.yaml"):
        found[name] = masked(yaml.safe_load((run / name).read_text("utf-8")), folder)
    found["model"] = {path.name: of_model(path, folder) for path in sorted((run / "model").iterdir())}
    found["report.html"] = without_times((run / "report.html").read_text("utf-8"), folder)
    return found


def of_model(path: Path, folder: Path) -> Any:
    """A file of the model: its hash, and of weights that of each tensor, so that a difference has a name. The card
    tells how long the training took, and is kept as text without that; the adapter's configuration names the folder of
    the bundled base, and is kept as what it holds."""
    if path.suffix == ".md":
        return without_times(path.read_text("utf-8"), folder)
    data = path.read_bytes()
    if path.name == "SHA256SUMS":
        return [line for line in data.decode().splitlines() if not line.endswith(NAMES_A_FOLDER)]
    if path.name == NAMES_A_FOLDER:
        return {"holds": of_adapter(masked(json.loads(data), folder))}
    facts: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest()}
    if path.suffix == ".safetensors":
        facts["tensors"] = dict(tensors(data))
    elif path.suffix == ".json" and path.name != "tokenizer.json":
        facts["holds"] = json.loads(data)
    return facts


def of_adapter(holds: dict[str, Any]) -> dict[str, Any]:
    """Its modules in one order: PEFT writes a set, whose order is another in each process."""
    modules = holds.get("target_modules")
    return holds | ({"target_modules": sorted(modules)} if isinstance(modules, list) else {})


def tensors(data: bytes) -> Iterator[tuple[str, list[Any]]]:
    """Of each tensor: its name, and kind, shape and hash, read from the format itself."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    for name, entry in sorted(header.items()):
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            digest = hashlib.sha256(data[begin:end]).hexdigest()
            yield name, [entry["dtype"], entry["shape"], digest]
