"""What has no point nearer to its base is refused one before anything is trained, and is not sent after one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import whet
from whet import api
from whet.errors import InputError, RecipeError
from whet.recipe.conflicts.keep import no_nearer
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.reports.sections.first.decision import advice
from whet.store.run import Run
from whet.verbs import tune as verb
from whet.verbs.steps import main_job as job
from whet.verbs.steps import stages

OPTIONS: dict[str, dict[str, Any]] = {
    "dora": {"kind": "lora", "dora": True},
    "modules_to_save": {"kind": "lora", "modules_to_save": ["embed_tokens"]},
}
OVER: dict[str, Any] = {"broken": ["general text"], "unclear": []}


@pytest.fixture
def data(tmp_path: Path) -> str:
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    return str(tmp_path / "d.jsonl")


@pytest.mark.parametrize("option", OPTIONS)
def test_until_kept_is_refused_before_the_training(
    data: str, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "tune_once", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(RecipeError, match=option) as caught:
        whet.tune(data, tmp_path / "runs", until_kept=True, adapter=OPTIONS[option])
    assert "leave" in caught.value.fix and "until" in caught.value.fix


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"method": "classify"}, "cannot be scaled towards its base"),
        ({"method": "reward"}, "cannot be scaled towards its base"),
        ({"method": {"kind": "pretrain", "from_scratch": True}}, "half the way from them is noise"),
        ({"evaluate": {"forgetting": False}}, "nothing could ask for a second try"),
    ],
)
def test_until_kept_is_refused_where_it_could_not_help(
    data: str, tmp_path: Path, keys: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "tune_once", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(RecipeError, match=words) as caught:
        whet.tune(data, tmp_path / "runs", until_kept=True, **keys)
    assert "leave until_kept" in caught.value.fix


def test_until_kept_trains_what_can_be_brought_nearer(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Recipe] = []
    monkeypatch.setattr(job, "tune_once", lambda recipe, *_: trained.append(recipe))
    monkeypatch.setattr(verb, "nearer_until_kept", lambda result, *_: result)
    whet.tune(data, tmp_path / "runs", until_kept=True, seed=7)
    assert trained[0].seed == 7


@pytest.mark.parametrize("option", OPTIONS)
def test_the_way_is_refused_before_anything_is_loaded(data: str, tmp_path: Path, option: str) -> None:
    run = Run.create(tmp_path / "runs", load_recipe({"data": data, "adapter": OPTIONS[option]}), "r")
    for asked in (lambda: api.frontier(run), lambda: api.take(run, 0.5, tmp_path / "runs")):
        with pytest.raises(InputError, match=option):
            asked()


def test_the_ending_words_name_no_way_that_is_refused(data: str) -> None:
    plain = load_recipe({"data": data})
    refused = [load_recipe({"data": data, "adapter": OPTIONS[option]}) for option in OPTIONS]
    refused += [load_recipe({"data": data, "method": "reward"}), load_recipe({"data": data, "method": "classify"})]
    for recipe in (plain, *refused):
        facts = _head(recipe)
        told = advice(OVER, facts)
        assert ("--until-kept" in told and "whet frontier r" in told) == (recipe is plain)
        assert "lower learning_rate" in told and no_nearer(recipe) in told
        assert not advice({"broken": [], "unclear": []}, facts)


def _head(recipe: Recipe) -> dict[str, Any]:
    run = SimpleNamespace(name="r", read_json=lambda *_: {})
    source = SimpleNamespace(ledger=SimpleNamespace(summary=dict), apart=[])
    session: Any = SimpleNamespace(recipe=recipe, run=run, source=source)
    return stages.run_header(session)
