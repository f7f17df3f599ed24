"""Where a fault is planted: a copy of a sound export, and what a consumer would be told of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from bench.releases.runs import run_of
from whet.observer import Silent
from whet.release.catalogue import form_named
from whet.release.consumers.protocol import Served
from whet.release.forms.protocol import ExportedFiles, Form
from whet.release.golden import Golden, GoldenCase
from whet.release.golden_of_run import golden_of
from whet.release.opening import tuned_of
from whet.release.tuned import Tuned

OF_A_KIND = 1
"""Golden prompts that are asked, of each kind, so that seventy proofs end within the hour."""


@dataclass(frozen=True, slots=True)
class Sound:
    """An export as the form made it."""

    model: Tuned
    form: Form
    kind: str | None
    folder: Path
    files: ExportedFiles
    golden: Golden


@dataclass(slots=True)
class Place:
    """The copy; `served` may be changed where the fault is in what the server was told."""

    sound: Sound
    folder: Path
    served: Served
    home: Path

    @property
    def model(self) -> Tuned:
        return self.sound.model

    def change_json(self, file: str, change: Callable[[dict[str, Any]], object]) -> None:
        told = json.loads((self.folder / file).read_text("utf-8"))
        change(told)
        (self.folder / file).write_text(json.dumps(told), "utf-8")

    def change_text(self, file: str, change: Callable[[str], str]) -> None:
        """Raises ValueError where nothing changes: that would be no fault."""
        before = (self.folder / file).read_text("utf-8")
        after = change(before)
        if after == before:
            raise ValueError(f"nothing was planted in {file}")
        (self.folder / file).write_text(after, "utf-8")

    def change_tensors(self, change: Callable[[dict[str, Tensor]], object], file: str | None = None) -> None:
        """Of one file, or of each."""
        for path in [self.folder / file] if file else sorted(self.folder.glob("*.safetensors")):
            tensors = load_file(path)
            change(tensors)
            save_file({name: one.contiguous() for name, one in tensors.items()}, path, {"format": "pt"})

    def other(self, run: str, form: str, kind: str | None = None) -> Path:
        """The sound export of another run."""
        return exported(run, form, kind, self.home).folder


def exported(run: str, form: str, kind: str | None, home: Path) -> Sound:
    """Made now where it is not there yet."""
    found, made = run_of(run, home), form_named(form)
    model = tuned_of(found)
    folder = home / "exports" / "-".join(part for part in (run, form, kind) if part)

    notes = folder.with_suffix(".json")
    if not notes.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files = made.export(model, kind, folder, Silent())
        notes.write_text(json.dumps([files.main, files.notes, files.facts]), "utf-8")

    main, said, facts = json.loads(notes.read_text("utf-8"))
    return Sound(model, made, kind, folder, ExportedFiles(main, said, facts), fewer(golden_of(found, Silent())))


def fewer(golden: Golden) -> Golden:
    """Of each kind of prompt those with the shortest answers that end, and no longer than they are: a fault that these
    do not show would be one that a proof may miss by luck."""
    kinds = dict.fromkeys(case.prompt.kind for case in golden.cases)
    kept = [case for kind in kinds for case in _shortest([one for one in golden.cases if one.prompt.kind == kind])]
    longest = max((len(case.answer.ids) for case in kept), default=0)
    return replace(golden, cases=kept, limit=min(golden.limit, longest + 2))


def _shortest(cases: list[GoldenCase]) -> list[GoldenCase]:
    return sorted(cases, key=lambda case: (case.answer.stop_id is None, len(case.answer.ids)))[:OF_A_KIND]


def copied(sound: Sound, consumer: str, home: Path, scratch: Path) -> Place:
    """A copy of the export to plant in."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(sound.folder, scratch)
    served = sound.form.served(sound.model, scratch, sound.files, consumer, sound.golden.dtype)
    return Place(sound, scratch, replace(served, folder=scratch), home)
