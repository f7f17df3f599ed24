"""A released model brought nearer to its base: `keep.scale` of the way, written down in its whet.json."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from whet.errors import RunFolderError
from whet.model.base import load_base
from whet.model.interpolate import refuse_no_line, set_scale
from whet.model.open import refuse_other_weights
from whet.model.saved_model import ModelFacts, read_facts, sums_of_weights
from whet.store.atomic import new_folder, write_json
from whet.store.checksums import seal
from whet.store.reading import read_json_file
from whet.store.run import METRICS, Run

COPIED = (
    "choices.json", "environment.json", "ledger.json", "rows.jsonl", "replay.json", "selfcheck.json", METRICS,
    "training.json", "frontier.json",
)  # fmt: skip
"""What a run at another scale has in common with the run that was trained."""


def rescale(folder: Path, scale: float, trust_remote_code: bool) -> None:
    """Rewrites a run's model folder, whole or not at all. A model that has a scale already is left as it is.

    An adapter gets another alpha, which is exact; full weights are mixed in float32 and rounded once.
    Raises ModelError for full weights that the base does not have, for a base that has changed, and for an adapter that
    is no plain difference from its base.
    """
    facts = read_facts(folder)
    if "scale" in facts:
        return

    if facts["adapter"] == "lora" and scale != 1:
        refuse_no_line(read_json_file(folder / "adapter_config.json", "lora_alpha"))

    with new_folder(folder) as temporary:
        shutil.copytree(folder, temporary, dirs_exist_ok=True)
        if facts["adapter"] == "lora":
            config = read_json_file(temporary / "adapter_config.json", "lora_alpha")
            others = {name: alpha * scale for name, alpha in (config.get("alpha_pattern") or {}).items()}
            scaled = {"lora_alpha": config["lora_alpha"] * scale, "alpha_pattern": others}
            write_json(temporary / "adapter_config.json", config | scaled)
        else:
            _mix(folder, temporary, facts, scale, trust_remote_code)

        sums = sums_of_weights(temporary)
        write_json(temporary / "whet.json", {**facts, "scale": scale, "weights_sha256": sums})
        seal(temporary, sums)


def _mix(folder: Path, temporary: Path, facts: ModelFacts, scale: float, trust_remote_code: bool) -> None:
    """By the loaded models, because a file may hold its weights under other names than a model does."""
    dtype = getattr(torch, facts["dtype"])
    base = load_base(facts["base"], dtype, trust_remote_code)
    refuse_other_weights(base, facts, folder)
    tuned = load_base(str(folder), dtype, trust_remote_code).model
    set_scale(tuned, base.model, scale)
    tuned.save_pretrained(temporary, safe_serialization=True)


def copy_at_scale(trained: Run, made: Run, scale: float) -> None:
    """Fills the new run `made` with what `trained` learned, at a scale. Raises RunFolderError for a model that is not
    whole any more, and for a run that holds a model already."""
    facts = read_facts(trained.model)
    if "scale" in facts:
        what, fix = "this model has been scaled already", "take the run that it was made from"
        raise RunFolderError(what, where=str(trained.model), value=facts["scale"], fix=fix)
    if made.model.exists():
        return

    for name in COPIED:
        path = trained.folder / name
        if path.exists() and name == METRICS:
            shutil.copy2(path, made.folder / name)
        elif path.exists():
            made.write_text(name, path.read_text("utf-8"))

    resolved = trained.recipe.model_copy(deep=True)
    resolved.keep.scale = scale
    made.write_recipe(resolved)
    made.write_json("scaled_from.json", {"run": trained.name, "scale": scale})
    made.write_json("run.json", made.read_json("run.json") | {"clock": facts["clock"]})

    with new_folder(made.model) as temporary:
        shutil.copytree(trained.model, temporary, dirs_exist_ok=True)
        (temporary / "README.md").unlink(missing_ok=True)  # it has the verdict of the other
