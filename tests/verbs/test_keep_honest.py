"""keep beside the other parts: what chooses a scale is neither learned nor measured again; nothing asked is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import whet
from whet import api
from whet.demo_data.support_desk import generate
from whet.errors import DataError, InputError
from whet.model.saved_model import read_facts
from whet.store.run import Run

GENERAL = [{"prompt": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(40)]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    return write(tmp_path / "desk.jsonl", generate(60, 3))


SMALL: dict[str, Any] = {
    "steps": 2, "split.test": 8, "split.validation": 4, "evaluate.forgetting": False, "evaluate.max_new_tokens": 4,
}  # fmt: skip


def test_what_chooses_a_scale_is_neither_replayed_nor_asked_in_a_suite(data: str, tmp_path: Path) -> None:
    fifth = [row["prompt"] for row in GENERAL[::5]]
    suite = write(tmp_path / "suite.jsonl", [{"prompt": asked, "completion": "2"} for asked in fifth[:2]])
    replay = write(tmp_path / "replay.jsonl", [{"prompt": r["prompt"], "completion": r["answer"]} for r in GENERAL])
    settings = SMALL | {
        "keep.scale": "auto", "keep.prompts": write(tmp_path / "g.jsonl", GENERAL), "keep.replay": replay,
        "forgetting.suites": f"[{suite}]", "split.near_duplicates": False,
    }  # fmt: skip
    api.train(data, run_root=tmp_path / "runs", name="desk", **settings)
    run = Run.open("desk", tmp_path / "runs")
    assert run.read_json("frontier.json")["general_rows"] == len(fifth) - 2
    assert run.read_json("replay.json")["dropped"] == {"measured-elsewhere": len(fifth)}


def test_a_scale_that_no_row_can_choose_is_told_before_the_training(data: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no validation rows with answers"):
        whet.tune(
            data, run_root=tmp_path / "runs", name="desk", **SMALL | {"keep.scale": "auto", "split.validation": 0}
        )
    assert not (tmp_path / "runs" / "desk" / "model").exists()


def test_an_evaluation_after_a_kill_does_not_forget_the_scale(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whet.verbs.steps import stages

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(stages, "rescale", killed)
        whet.tune(data, run_root=tmp_path / "runs", name="desk", **SMALL | {"keep.scale": 0.5})
    api.evaluate("desk", run_root=tmp_path / "runs")
    assert read_facts(tmp_path / "runs" / "desk" / "model")["scale"] == 0.5


def test_a_replay_of_general_rows_has_no_passages_and_no_instruction_of_the_task(data: str, tmp_path: Path) -> None:
    import torch

    from whet.data.render.renderer import Renderer
    from whet.model.base import load_base
    from whet.observer import Silent
    from whet.recipe.load import load_recipe
    from whet.training.retention.replay import open_replay

    documents = write(tmp_path / "docs.jsonl", [{"text": f"The code of order {n} is {n * 7}."} for n in range(30)])
    replay = write(tmp_path / "replay.jsonl", [{"prompt": r["prompt"], "completion": r["answer"]} for r in GENERAL])
    base = load_base("nano", torch.float32)
    keys: dict[str, Any] = {
        "data": data, "system": "Answer with a code.", "retrieval": {"documents": documents}, "method": "sft",
        "keep": {"replay": replay, "ratio": 0.2}, "max_tokens": 512, "batch_tokens": 4096, "micro_batch_tokens": 4096,
    }  # fmt: skip
    run = Run.create(tmp_path / "runs", recipe := load_recipe(keys))
    found = open_replay(recipe, run, base, Renderer(base.tokenizer), [], Silent())
    assert found is not None
    words = base.tokenizer.decode([token for batch in found.step(0, 1.0) for token in batch.ids_T.tolist()])
    assert "plus" in words and "The code of order" not in words and "Answer with a code" not in words


def test_a_point_of_the_way_lies_on_it(data: str, tmp_path: Path) -> None:
    api.train(data, run_root=tmp_path / "runs", name="desk", **SMALL)
    with pytest.raises(InputError, match="no such point between base and tuned"):
        api.take("desk", 0.0, run_root=tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").glob("*/run.json")] == ["run.json"]


def test_a_comparison_takes_a_run_that_replays_a_file(data: str, tmp_path: Path) -> None:
    replay = write(tmp_path / "replay.jsonl", [{"prompt": r["prompt"], "completion": r["answer"]} for r in GENERAL])
    settings = SMALL | {"keep.replay": replay, "split.near_duplicates": False}
    api.train(data, run_root=tmp_path / "runs", name="desk", **settings)
    found = api.compare(data, run="desk", run_root=tmp_path / "runs", **{"compare.arms": "[zero-shot, tuned]"})
    assert [arm["name"] for arm in found["arms"]] == ["zero-shot", "tuned"]


def test_a_prompt_without_room_for_an_answer_moves_no_other_one_from_the_choice_to_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from whet.data.render.renderer import Renderer
    from whet.generation import self_generated as module
    from whet.model.base import load_base
    from whet.observer import Silent
    from whet.types import Completion

    base = load_base("nano", torch.float32)
    renderer = Renderer(base.tokenizer)
    path = Path(write(tmp_path / "g.jsonl", [{"prompt": "far " * base.context}, *GENERAL, GENERAL[4]]))
    monkeypatch.setattr(
        module, "_answers", lambda base, renderer, asked, done: [Completion("x", True, [1])] * len(asked)
    )
    samples = module.own_samples(base, renderer, path, tmp_path, Silent())
    learned = {asked.words for asked, _ in samples}
    held = {asked.words for asked in module.held_back(module.read_asked(path, renderer, base.tokenizer))}
    assert len(learned) > 30 and len(held) > 5 and not learned & held
