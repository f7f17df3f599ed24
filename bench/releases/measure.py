"""One export, with a fault or without, through its real consumer: what the proof says of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.releases.fault import Planted
from bench.releases.place import Place, copied, exported
from whet.observer import Silent
from whet.release.inspection.inspect import inspected
from whet.release.proving import Outcome, prove_through


@dataclass(frozen=True, slots=True)
class Sounding:
    """A sound export that must pass."""

    run: str
    form: str
    kind: str | None
    consumer: str

    @property
    def title(self) -> str:
        return " ".join(part for part in (self.run, self.form, self.kind) if part)


SOUND = [
    Sounding("lora", "adapter", None, "peft"),
    Sounding("lora", "merged", "float32", "transformers"),
    Sounding("lora", "merged", "bfloat16", "transformers"),
    Sounding("lora", "merged", "float16", "transformers"),
    Sounding("lora", "gguf", "f32", "llama_cpp"),
    Sounding("lora", "gguf", "f16", "llama_cpp"),
    Sounding("lora", "gguf", "bf16", "llama_cpp"),
    Sounding("lora", "gguf", "q8_0", "llama_cpp"),
    Sounding("lora", "gguf", "lora", "llama_cpp"),
    Sounding("lora", "ollama", "f16", "llama_cpp"),
    Sounding("rslora", "adapter", None, "peft"),
    Sounding("rslora", "gguf", "lora", "llama_cpp"),
    Sounding("dora", "adapter", None, "peft"),
    Sounding("dora", "merged", "float32", "transformers"),
    Sounding("saved", "merged", "float32", "transformers"),
    Sounding("full", "merged", "float32", "transformers"),
    Sounding("full", "gguf", "f16", "llama_cpp"),
    Sounding("nf4", "merged", "float32", "transformers"),
    Sounding("stretched", "merged", "float32", "transformers"),
    Sounding("stretched", "gguf", "f32", "llama_cpp"),
    Sounding("classify", "merged", "float32", "transformers"),
    Sounding("dpo", "adapter", None, "peft"),
    Sounding("dpo", "gguf", "q5_1", "llama_cpp"),
    Sounding("real", "adapter", None, "peft"),
    Sounding("real", "merged", "bfloat16", "transformers"),
    Sounding("real", "gguf", "f16", "llama_cpp"),
    Sounding("real", "gguf", "lora", "llama_cpp"),
    Sounding("real", "ollama", "q8_0", "llama_cpp"),
]


@dataclass(frozen=True, slots=True)
class Row:
    """What the table tells of one export. None is what was not measured."""

    title: str
    model: str
    form: str
    caught: bool
    named: bool
    name: str
    """What the proof calls it; all its names where none is right."""
    ids: str
    fraction: float | None
    mean: float | None
    largest: float | None
    stops: str
    seconds: float


def planted_row(planted: Planted, home: Path) -> Row:
    def named(names: list[str]) -> str:
        return next((name for name in planted.names if name in names), "")

    return _row(planted.title, planted.run, planted.form, planted.kind, planted.consumer, home, planted.plant, named)


def sound_row(sound: Sounding, home: Path) -> Row:
    return _row(sound.title, sound.run, sound.form, sound.kind, sound.consumer, home, None, lambda names: "")


def _row(
    title: str,
    run: str,
    form: str,
    kind: str | None,
    consumer: str,
    home: Path,
    plant: Callable[[Place], object] | None,
    named: Callable[[list[str]], str],
) -> Row:
    began = time.monotonic()
    place = copied(exported(run, form, kind, home), consumer, home, home / "planted")

    if plant:
        plant(place)
    outcome = proved(place, consumer)
    names = [fault.name for fault in outcome.faults]
    right = named(names)
    told = " ".join(part for part in (form, kind) if part)
    numbers = _numbers(outcome)
    seconds = round(time.monotonic() - began, 1)

    return Row(title, run, told, not outcome.passed, bool(right), right or ", ".join(names), **numbers, seconds=seconds)


def proved(place: Place, consumer: str) -> Outcome:
    """As `whet prove` does it: through the consumer, and against the same export made anew."""
    sound = place.sound
    bound = sound.form.bound(sound.model, sound.kind)
    outcome = prove_through(sound.golden, consumer, place.served, bound, Silent())
    return replace(outcome, faults=[*outcome.faults, *inspected(sound.model, place.served, sound.folder)])


def _numbers(outcome: Outcome) -> dict[str, object]:
    if outcome.proof is None:
        return {"ids": "", "fraction": None, "mean": None, "largest": None, "stops": ""}
    found = outcome.proof.measured
    return {
        "ids": f"{found.ids_equal}/{found.ids_compared}",
        "fraction": found.fraction,
        "mean": found.mean_difference,
        "largest": found.largest_difference,
        "stops": f"{found.ended}/{found.should_end}",
    }


def kept(row: Row, file: Path) -> Row:
    """Written, so that a run that is stopped goes on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(row)), "utf-8")
    return row


def read(file: Path) -> Row:
    return Row(**json.loads(file.read_text("utf-8")))
