"""An evaluation is taken from the run's record while the run is what was measured, and not otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.notes import Notes
from whet.data.read import hub
from whet.data.render.renderer import Renderer
from whet.errors import ProofError, RunFolderError
from whet.evaluation import record as recorded
from whet.evaluation.record import MADE_OF, made_of
from whet.model.base import load_tokenizer
from whet.observer import Silent
from whet.recipe.load import dump_recipe, load_recipe
from whet.store.atomic import sha256_text
from whet.store.run import Run
from whet.verbs import evaluate as job
from whet.verbs.steps import stages

FACTS = {
    "base": "nano", "adapter": {}, "dtype": "float32", "seed": 0, "from_scratch": False, "clock": "2026-01-31T00:00:00",
    "golden_prompt": [], "golden_ids": [], "weights_sha256": {"adapter_model.safetensors": sha256_text("weights")},
}  # fmt: skip
RESULT = {
    "metric": {"name": "accuracy"}, "base": {"score": 0.25}, "tuned": {"score": 0.75},
    "verdict": {"word": "worse", "sentence": "s", "rows_needed": None}, "forgetting": {}, "ship": {"answer": "no"},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    found = Run.create(tmp_path / "runs", load_recipe(tmp_path / "d.jsonl", ["method=sft"]), "one")
    found.write_text("recipe.resolved.yaml", dump_recipe(found.requested))
    found.model.mkdir()
    (found.model / "adapter_model.safetensors").write_text("weights")
    (found.model / "whet.json").write_text(json.dumps(FACTS))
    return found


@pytest.fixture
def measured(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the run was measured; only the measuring itself is replaced."""
    times: list[int] = []

    def evaluated(*_: Any) -> dict[str, Any]:
        times.append(1)
        run.write_json("evaluation.json", RESULT | {MADE_OF: made_of(run)})
        return run.read_json("evaluation.json")

    for name in ("open_session", "refuse_unmeasurable", "rescale_if_asked", "training_cost", "try_write_golden"):
        monkeypatch.setattr(job, name, lambda *_: None)
    monkeypatch.setattr(job, "evaluate_run", evaluated)
    job.evaluate(run)
    return times


def test_the_same_run_is_not_measured_twice(run: Run, measured: list[int]) -> None:
    watch = Notes()
    assert job.evaluate(run, observer=watch)["verdict"] == RESULT["verdict"]
    assert len(measured) == 1 and "(anew=True measures it again)" in watch.notes[0] and run.status == "done"
    job.evaluate(run, anew=True)
    assert len(measured) == 2


def reworded(run: Run) -> None:
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={"system": "Be brief."})))


def rescaled(run: Run) -> None:
    (run.model / "whet.json").write_text(json.dumps(FACTS | {"scale": 0.5}))


def retrained(run: Run) -> None:
    (run.model / "adapter_model.safetensors").write_text("others")
    sums = {"weights_sha256": {"adapter_model.safetensors": sha256_text("others")}}
    (run.model / "whet.json").write_text(json.dumps(FACTS | sums))


def of_an_older_whet(run: Run) -> None:
    run.write_json("evaluation.json", RESULT)


@pytest.mark.parametrize("change", [reworded, rescaled, retrained, of_an_older_whet])
def test_what_changed_is_measured(change: Callable[[Run], None], run: Run, measured: list[int]) -> None:
    change(run)
    job.evaluate(run)
    assert len(measured) == 2


def test_a_model_that_is_not_the_trained_one_and_other_rows_are_refused(run: Run, measured: list[int]) -> None:
    weights = run.model / "adapter_model.safetensors"
    weights.write_text("damaged")
    with pytest.raises(RunFolderError, match="not the one that the training left"):
        job.evaluate(run)
    weights.write_text("weights")
    Path(str(run.recipe.data)).write_text('{"prompt": "a", "completion": "c"}\n')
    with pytest.raises(RunFolderError, match="not the data that this run was trained on"):
        job.evaluate(run)
    assert len(measured) == 1


def test_a_base_in_a_folder_counts(run: Run, measured: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={"base": str(folder)})))
    job.evaluate(run)
    job.evaluate(run)
    assert len(measured) == 2
    for times, (name, text) in enumerate({"config.json": '{"a": 1}', "merges.txt": "a b", "own.py": "1"}.items(), 3):
        (folder / name).write_text(text)
        job.evaluate(run)
        assert len(measured) == times, name


def test_the_state_of_a_base_on_the_hub_counts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    state = tmp_path / "models--owner--base" / "refs" / "main"
    state.parent.mkdir(parents=True)
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={"base": "owner/base"})))
    found = set()
    for commit in ("a1", "b2", "a1"):
        state.write_text(commit)
        found.add(made_of(run))
    assert len(found) == 2


@pytest.mark.parametrize("key", ["data", "test"])
def test_a_set_on_the_hub_counts_by_what_is_in_it(key: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={key: "owner/set"})))
    found = set()
    for content in ("a1", "b2", "a1"):
        monkeypatch.setattr(hub, "fingerprint", lambda name, content=content: f"{name}@{content}")
        found.add(made_of(run))
    assert len(found) == 2


@pytest.mark.parametrize("by", ["source_key", "package_version"])
def test_what_measures_counts(by: str, run: Run, measured: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, by, lambda *_, **__: "another")
    job.evaluate(run)
    assert len(measured) == 2


def test_rivals_count(run: Run, measured: list[int]) -> None:
    compare = run.recipe.compare.model_copy(update={"system": "Be brief."})
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={"compare": compare})))
    job.evaluate(run)
    assert len(measured) == 2


def test_a_base_that_reads_otherwise_than_in_training_is_not_believed(run: Run, measured: list[int]) -> None:
    golden = [{"role": "user", "content": "Hello"}]
    for ids, right in ((Renderer(load_tokenizer("nano")).prompt_ids(golden, None), True), ([1, 2], False)):
        (run.model / "whet.json").write_text(json.dumps(FACTS | {"golden_prompt": golden, "golden_ids": ids}))
        run.write_json("evaluation.json", RESULT | {MADE_OF: made_of(run)})
        with nullcontext() if right else pytest.raises(ProofError, match="not the one that was trained with"):
            job.evaluate(run)
    assert len(measured) == 1


@pytest.mark.parametrize("meanwhile", ["{}", '{"a": 1}'])
def test_what_changes_while_it_is_measured_is_measured_again(
    meanwhile: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the seal is replaced."""
    config = tmp_path / "base" / "config.json"
    config.parent.mkdir()
    config.write_text("{}")
    run.write_text("recipe.resolved.yaml", dump_recipe(run.recipe.model_copy(update={"base": str(config.parent)})))

    def measuring(*_: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if meanwhile != config.read_text():
            config.write_text(meanwhile)
        return dict(RESULT), []

    for name, made in {"run_header": {}, "write_report": None, "write_card": None}.items():
        monkeypatch.setattr(stages, name, lambda *_, made=made: made)
    monkeypatch.setattr(stages, "method_of", lambda recipe: SimpleNamespace(measure=measuring))
    session: Any = SimpleNamespace(run=run, recipe=run.recipe, source=SimpleNamespace(plain_text=True))
    found = stages.evaluate_run(session, {}, Silent())
    assert (MADE_OF in found) == (meanwhile == "{}")
    assert (recorded.recorded(run) is not None) == (meanwhile == "{}")
