"""What a run leaves behind: a model folder that plain transformers and PEFT load, with the template frozen into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

from whet.data.render.renderer import Renderer
from whet.errors import ProofError, RunFolderError
from whet.model.base import Base
from whet.model.policy import Policy
from whet.recipe.bases import gguf_base, hub_commit
from whet.recipe.schema import Quantise, Recipe
from whet.store.atomic import new_folder, sha256_file, write_json
from whet.store.checksums import refuse_other_weights, seal
from whet.store.reading import read_json_file
from whet.store.run import ELSEWHERE, Run
from whet.types import Message

GOLDEN = [{"role": "user", "content": 'Hello, 123: what is "a b"?'}]


class ModelFacts(TypedDict):
    """whet.json of a model folder: how its weights are opened, and what proves that they are the trained ones. Keys
    that this version does not know stay when it is rewritten."""

    base: str
    base_fingerprint: str
    base_revision: NotRequired[str]
    """Of a base that came from the Hub: its commit there."""
    quantise: NotRequired[Quantise | None]
    adapter: Literal["lora", "full"]
    method: str
    seed: int
    from_scratch: bool
    dtype: str
    clock: str
    """ISO date that the templates wrote in training."""
    golden_prompt: list[Message]
    golden_ids: list[int]
    """The tokens of `golden_prompt` in training; none of a model that learned plain text."""
    stop_ids: list[int]
    weights_sha256: dict[str, str]
    """By name of file."""
    scale: NotRequired[float]
    """How far it is on the way from base to tuned, where not all of it."""
    head: NotRequired[dict[str, Any]]
    """Of a model with a head: what its scores mean, and golden rows with their scores."""


def save_model(final: Path, base: Base, policy: Policy, renderer: Renderer, recipe: Recipe) -> None:
    """Adapter or full weights, tokenizer, and whet.json, in one atomic folder."""
    with new_folder(final) as folder:
        save_weights(policy.model, folder)
        base.tokenizer.chat_template = renderer.chat_template  # as trained: it may not be the base's own
        base.tokenizer.save_pretrained(folder)
        write_facts(folder, base, str(next(policy.model.parameters()).dtype), renderer, recipe)


def save_weights(model: Any, folder: Path) -> None:
    """Adapter or full weights with their config.

    PEFT keeps the names of modules in sets, and writes them in another order in each process. Sorted they make the
    files, and so SHA256SUMS, of the same run the same.
    """
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's is a form; whet/reports/model_card.py writes one

    path = folder / "adapter_config.json"
    if not path.exists():
        return

    config = json.loads(path.read_text("utf-8"))
    for key in ("target_modules", "exclude_modules"):
        if isinstance(config[key], list):
            config[key].sort()

    path.write_text(json.dumps(config, indent=2, sort_keys=True), "utf-8")  # as PEFT writes it


def write_facts(folder: Path, base: Base, dtype: str, renderer: Renderer, recipe: Recipe, **more: Any) -> None:
    """whet.json of a model folder that has its weights already."""
    sums = sums_of_weights(folder)
    facts: ModelFacts = {
        "base": _lasting_name(recipe.base, base.path),
        "base_fingerprint": base.fingerprint,
        "quantise": recipe.quantise,
        "adapter": recipe.adapter.kind,
        "method": recipe.method.kind,
        "seed": recipe.seed,
        "from_scratch": recipe.method.random_start,
        "dtype": dtype.removeprefix("torch."),
        "clock": renderer.clock.isoformat(),
        "golden_prompt": GOLDEN,
        "golden_ids": [] if recipe.method.rows.as_text else renderer.prompt_ids(GOLDEN, None),
        "stop_ids": sorted(renderer.stop_ids),
        "weights_sha256": sums,
    }
    if commit := hub_commit("models", facts["base"]):
        facts["base_revision"] = commit
    write_json(folder / "whet.json", {**facts, **more})
    seal(folder, sums)


def sums_of_weights(folder: Path) -> dict[str, str]:
    """sha256 of each file of weights in a model folder, by name."""
    return {file.name: sha256_file(file) for file in sorted(folder.glob("*.safetensors"))}


def _lasting_name(name: str, path: str) -> str:
    """A base's name that also works from another working folder."""
    if file := gguf_base(name):
        return str(file.absolute())
    is_local_folder = name != "nano" and Path(path).exists()
    if is_local_folder:
        return str(Path(path).resolve())
    return name


def read_facts(folder: Path) -> ModelFacts:
    """whet.json of a model folder. Raises RunFolderError when it is no folder of ours."""
    path = folder / "whet.json"
    if not path.is_file():
        if (folder.parent / ELSEWHERE).is_file():
            Run(folder.parent).refuse_elsewhere()
        fix = "train to the end: the same command again resumes"
        raise RunFolderError("there is no trained model here: whet.json is missing", where=str(folder), fix=fix)
    facts = read_json_file(
        path, "base", "adapter", "dtype", "seed", "from_scratch", "clock", "golden_prompt", "golden_ids"
    )
    return cast(ModelFacts, facts)


def prove_weights(facts: ModelFacts, folder: Path) -> None:
    """The files of weights, and of how they are read, must be byte for byte those that the training left. Raises
    RunFolderError."""
    refuse_other_weights(facts.get("weights_sha256", {}), folder)


def prove_template(facts: ModelFacts, renderer: Renderer) -> None:
    """The template must still give the ids it gave in training. Raises ProofError with both."""
    if not facts["golden_ids"]:
        return
    ids = renderer.prompt_ids(facts["golden_prompt"], None)
    if ids != facts["golden_ids"]:
        raise ProofError(
            "the chat template or the tokenizer is not the one that was trained with: "
            f"trained {json.dumps(facts['golden_ids'][:12])}..., now {json.dumps(ids[:12])}...",
            fix="restore tokenizer files of the run's model folder",
        )
