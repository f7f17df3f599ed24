"""Whether a run was measured already as it is now: then the recorded evaluation is its evaluation.

A second measurement of the same model on the same rows tells nothing new, takes minutes, and would let a gate be tried
until it opens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import whet
from whet.recipe.bases import NANO
from whet.store import identity
from whet.store.atomic import sha256_text
from whet.store.named_files import named_files
from whet.store.run import Run
from whet.train.release import prove_weights, read_facts

MADE_OF = "measured_of"
"""Key of evaluation.json."""
OF_BASE = ("*.safetensors", "*.gguf", "*.json", "*.jinja", "*.model")
"""Files of a base that decide what it answers."""


def made_of(run: Run) -> str:
    """sha256 over all that an evaluation is made of: the model, the data with its test rows, the settings, files that
    they name, the base, and Whet. Raises RunFolderError for a model that is not what the training left."""
    facts, recipe = read_facts(run.model), run.recipe
    prove_weights(facts, run.model)
    settings, data = identity.identity(recipe)
    others = [_beside(run, name) for name in ("base.json", "teacher.json")]
    teacher = getattr(recipe.method, "teacher", None)
    if teacher:
        others.append(_base(str(run.folder.parent / teacher / "model")) or _base(teacher))
    parts = [facts, settings, data, named_files(recipe), _base(recipe.base), others, whet.__version__]
    return sha256_text(json.dumps(parts, sort_keys=True))


def recorded(run: Run) -> dict[str, Any] | None:
    """The evaluation that the run holds, where it is of what the run is now; else None. Raises RunFolderError."""
    if not (run.folder / "evaluation.json").exists():
        return None
    found = run.read_json("evaluation.json")
    return found if found.get(MADE_OF) == made_of(run) else None


def _beside(run: Run, name: str) -> Any:
    return run.read_json(name) if (run.folder / name).exists() else None


def _base(name: str) -> list[tuple[str, int, int]]:
    """Name, bytes and time of each file of a base in a folder: another one has others, and nothing large is read."""
    folder = Path(name).expanduser()
    if name == NANO or not folder.exists():
        return []
    files = [folder] if folder.is_file() else sorted(file for form in OF_BASE for file in folder.glob(form))
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
