"""Whether a run was measured already as it is now: then the recorded evaluation is its evaluation.

A second measurement of the same model on the same rows tells nothing new, takes minutes, and would let a gate be tried
until it opens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import whet
from whet.data.read import hub
from whet.data.render.renderer import Renderer
from whet.evaluation.facts import Evaluation
from whet.model.base import load_tokenizer
from whet.model.saved_model import prove_template, prove_weights, read_facts
from whet.recipe.bases import NANO, hub_commit, in_hub_cache
from whet.recipe.schema import Recipe
from whet.store import identity
from whet.store.atomic import sha256_text
from whet.store.environment import package_version
from whet.store.named_files import named_files
from whet.store.reading import optional_json
from whet.store.run import Run
from whet.store.source_key import source_key

MADE_OF = "measured_of"
"""Key of evaluation.json."""
OF_BASE = ("*.safetensors", "*.gguf", "*.json", "*.jinja", "*.model", "*.txt", "*.py")
"""Files of a base that decide what it answers."""
MEASURING = "whet.verbs.steps.stages"
"""The module that measures."""
WITHIN = (
    MEASURING, "whet.verbs.steps.findings", "whet.methods", "whet.evaluation", "whet.reports", "whet.generation",
    "whet.model", "whet.losses", "whet.stats", "whet.text", "whet.data", "whet.doctor", "whet.rewards",
    "whet.training", "whet.observer", "whet.types",
)  # fmt: skip
"""Not whet.recipe, whet.store and whet.errors: what they decide counts by its value."""
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "numpy", "jinja2", "lm_eval", "bitsandbytes")


def made_of(run: Run) -> str:
    """sha256 over everything that an evaluation depends on: the model, the data with its test rows, the settings, files
    that they name, rivals, the base, Whet's own code and what it computes with. The model counts by whet.json, which
    holds the checksums of its weights. Raises RunFolderError for a damaged one, DataError for a set on the Hub that
    cannot be had."""
    facts, recipe = read_facts(run.model), run.recipe
    settings, data = identity.identity(recipe)
    others = [_beside(run, name) for name in ("base.json", "teacher.json")]

    teacher = getattr(recipe.method, "teacher", None)
    if teacher:
        others.append(_base(str(run.folder.parent / teacher / "model")) or _base(teacher))

    rivals: list[Any] = [recipe.compare.model_dump(mode="json")]
    if recipe.compare.documents:
        rivals.append(identity.data_digest(recipe.compare.documents))

    parts = [facts, settings, data, _of_hub(recipe), named_files(recipe), _base(recipe.base), others, rivals]
    measuring = source_key(MEASURING, f"whet.methods.{recipe.method.kind}", within=WITHIN)
    code = [whet.__version__, measuring, *map(package_version, PACKAGES)]
    return sha256_text(json.dumps([*parts, code], sort_keys=True))


def recorded(run: Run) -> Evaluation | None:
    """The evaluation that the run holds, where it is of what the run is now; else None. Raises RunFolderError,
    ProofError for a base that reads a prompt otherwise than in training."""
    if not (run.folder / "evaluation.json").exists():
        return None
    evaluation = run.read_json("evaluation.json")
    if MADE_OF not in evaluation:
        return None
    prove_weights(read_facts(run.model), run.model)
    _prove_reading(run)  # first: with a network, it is what finds out that the base on the Hub is another one

    if evaluation[MADE_OF] == made_of(run):
        return evaluation
    return None


def _prove_reading(run: Run) -> None:
    """As before a measurement (whet/verbs/steps/stages.py). The training may have switched off thinking in the
    template."""
    facts, recipe = read_facts(run.model), run.recipe
    if not facts["golden_ids"]:
        return
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    renderer = Renderer(tokenizer, clock=datetime.fromisoformat(facts["clock"]))

    quiet = renderer.without_thinking()
    if quiet is None or quiet.prompt_ids(facts["golden_prompt"], None) != facts["golden_ids"]:
        prove_template(facts, renderer)


def _of_hub(recipe: Recipe) -> list[str]:
    """The state of each set on the Hub that the recipe names: a name alone does not tell it."""
    return [hub.fingerprint(name) for name in _sources(recipe) if hub.is_name(name)]


def _sources(recipe: Recipe) -> Iterator[str]:
    if isinstance(recipe.data, str):
        yield recipe.data
    else:
        yield from recipe.data

    beside = [recipe.test, recipe.keep.replay, recipe.keep.prompts, *recipe.forgetting.suites]
    if recipe.retrieval:
        beside.insert(1, recipe.retrieval.documents)
    yield from filter(None, beside)


def _beside(run: Run, name: str) -> Any:
    return optional_json(run.folder / name, None)


def _base(name: str) -> list[Any]:
    """Name, bytes and time of each file of a base in a folder: another one has others, and nothing large is read. Of
    one on the Hub the state that was fetched."""
    if name == NANO:
        return []

    folder = in_hub_cache(name) or Path(name).expanduser()
    if not folder.exists():
        if hub.is_name(name):
            return [hub_commit("models", name)]
        return []

    if folder.is_file():
        files = [folder]
    else:
        files = []
        for pattern in OF_BASE:
            files += folder.glob(pattern)
        files.sort()

    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
