"""A local teacher: a run or a base that reads the same tokens as the model that learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whet.data.render.renderer import Renderer
from whet.errors import InputError, ModelError, RunFolderError
from whet.generation.chat_client import ChatClient
from whet.generation.collection.sources import LocalTeacher, RemoteTeacher, is_url, key_name, refuse_secret_url
from whet.model.architecture_proof import fuse, install_paths
from whet.model.base import load_base, load_config, saved_tokenizer
from whet.model.open import open_trained
from whet.model.policy import Policy
from whet.model.precision import choose_dtype, device
from whet.model.saved_model import read_facts
from whet.model.weights_identity import fingerprint
from whet.recipe.bases import is_base, refuse_missing_base
from whet.recipe.schema import Recipe
from whet.store import model_registry
from whet.store.run import Run


@dataclass(frozen=True, slots=True)
class Teacher:
    """A frozen model with its tokenizer and chat template. `identity` changes with its weights."""

    name: str
    policy: Policy
    tokenizer: Any
    renderer: Renderer
    context: int
    identity: str


def open_teacher(
    name: str, runs: Path | str, dtype: torch.dtype, trust_remote_code: bool = False, path: str = "fused"
) -> Teacher:
    """A base (nano, a folder, a Hub name), or a run or named model under `runs`. `path` is how it is read at best:
    fused, forest or plain. Raises ModelError or RunFolderError."""
    if is_base(name):
        base = load_base(name, dtype, trust_remote_code, where=device())
        model, tokenizer = base.model, base.tokenizer
        use_forest = install_paths(model, kernels=path == "fused")
    else:
        run = _run_of(name, runs)
        # Its template is another model's. Only the model that teaches is fused, below, and not its base.
        opened = open_trained(run, renderer=None, trust_remote_code=trust_remote_code, path=path, kernels=False)
        base, model, use_forest = opened.base, opened.model, opened.use_forest
        tokenizer = saved_tokenizer(run.model)
        if use_forest and path == "fused":
            fuse(model)

    model.requires_grad_(False)
    model.eval()
    policy = Policy(model, use_forest=use_forest and path != "plain")

    return Teacher(name, policy, tokenizer, Renderer(tokenizer), base.context, fingerprint(model))


def open_answerer(name: str, model: str | None, runs: Path | str) -> tuple[RemoteTeacher | LocalTeacher, str]:
    """Who is asked in a collection, and what its rows call the model: at a URL the name there, else a name that changes
    with the weights. Raises InputError for a URL without a model, ModelError."""
    if is_url(name):
        refuse_secret_url(name)
        if not model:
            raise InputError("a URL needs the name of a model there", where="--model", fix="as in: --model NAME")
        return RemoteTeacher(ChatClient(name, model, key_name())), model
    if model:
        raise InputError("--model names a model at a URL", where="--model", value=model, fix="leave it out")

    refuse_missing_teacher(name, runs)
    if is_base(name):
        dtype = choose_dtype("auto", load_config(name).hidden_size, device())[0]
    else:
        dtype = torch.float32

    teacher = open_teacher(name, runs, dtype)
    inner = LocalTeacher(teacher.policy.model, teacher.tokenizer, teacher.renderer, teacher.context)
    return inner, f"{name} {teacher.identity[:16]}"


def teacher_of_run(name: str, recipe: Recipe, run: Run, path: str) -> Teacher:
    """The teacher of a run, which must stay the one that it began with. Raises ModelError, RunFolderError."""
    teacher = open_teacher(name, run.folder.parent, getattr(torch, recipe.dtype), recipe.trust_remote_code, path)
    refuse_changed_teacher(run, teacher)
    return teacher


def refuse_missing_teacher(name: str, runs: Path | str) -> None:
    """Before the data is read. Raises ModelError, RunFolderError."""
    if is_base(name):
        refuse_missing_base(name)
    else:
        read_facts(_run_of(name, runs).model)


def _run_of(name: str, runs: Path | str) -> Run:
    try:
        return model_registry.find_run(name, runs)
    except RunFolderError as error:
        fix = "give nano, a folder of a model, a Hub name, or a run of the same --runs folder"
        raise ModelError("there is no such teacher", where="teacher", value=name, fix=fix) from error


def refuse_other_tokens(teacher: Teacher, tokenizer: Any) -> None:
    """Raises ModelError for a teacher whose token numbers mean other texts."""
    if teacher.tokenizer.get_vocab() != tokenizer.get_vocab():
        raise ModelError(
            "the teacher has another tokenizer than the base, so its probabilities are of other tokens",
            where="method.teacher",
            value=teacher.name,
            fix="use a teacher of the base's family; or let it write answers (whet collect), and learn them with sft",
        )


def refuse_shorter_sight(teacher: Teacher, max_tokens: int) -> None:
    """Raises ModelError for a teacher that cannot see whole what the student may write."""
    if teacher.context < max_tokens:
        what = f"the teacher sees {teacher.context:,} tokens, and a row with its answer may have {max_tokens:,}"
        fix = f"set max_tokens: {teacher.context}"
        raise ModelError(what, where="method.teacher", value=teacher.name, fix=fix)


def refuse_changed_teacher(run: Run, teacher: Teacher) -> None:
    """The teacher must stay the one that the run began with. Writes it down the first time. Raises RunFolderError."""
    path = run.folder / "teacher.json"
    if not path.exists():
        run.write_json("teacher.json", {"teacher": teacher.name, "identity": teacher.identity})
    elif run.read_json("teacher.json", "identity")["identity"] != teacher.identity:
        raise RunFolderError(
            "the teacher has other weights than when this run began",
            where=str(path),
            value=teacher.name,
            fix="restore that teacher, or remove the run folder to start again",
        )
