"""lm-eval's three questions against transformers' own forward, and its runner where the package is installed."""

from __future__ import annotations

import builtins
import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.evaluation.made_up_contest import made_up_contest
from whet import api
from whet.data.render.renderer import Renderer
from whet.errors import InputError
from whet.evaluation.forgetting import (
    lm_eval as harness,
)
from whet.evaluation.forgetting import (
    lm_eval_tasks as harness_tasks,
)
from whet.evaluation.forgetting import (
    measure_forgetting as cost,
)
from whet.evaluation.forgetting import (
    measure_kinds as forgetting,
)
from whet.evaluation.models import EvaluatedModel
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, load_base
from whet.model.policy import Policy
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import Forgetting
from whet.reports.sections.evidence.cost import measure_row
from whet.stats.paired import paired_difference

TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
doc_to_choice: "{{choices}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


@pytest.fixture(scope="module")
def nano() -> tuple[EvaluatedModel, Base, Renderer]:
    base = load_base("nano", torch.float32)
    install_forest(base.model)
    return EvaluatedModel("base", Policy(base.model)), base, Renderer(base.tokenizer)


def test_a_continuation_is_as_likely_as_transformers_says(nano: tuple[EvaluatedModel, Base, Renderer]) -> None:
    side, base, _ = nano
    pairs = [("The king was", " old and very"), ("In the morning", " the"), ("", "Once upon a"), ("It was ", "late")]
    found = harness.likelihoods(side, [harness.pair_ids(base, *pair) for pair in pairs])
    for (context, continuation), (logprob, greedy) in zip(pairs, found, strict=True):
        head, rest = harness.pair_ids(base, context, continuation)
        with torch.no_grad():
            logits = base.model(input_ids=torch.tensor([head + rest])).logits[0, len(head) - 1 : -1].log_softmax(-1)
        target = torch.tensor(rest)
        assert logprob == pytest.approx(logits.gather(1, target[:, None]).sum().item(), rel=1e-4)
        assert greedy == bool((logits.argmax(-1) == target).all())
        assert base.tokenizer.decode(rest).strip() == continuation.strip()


def test_what_the_model_would_write_is_greedy(nano: tuple[EvaluatedModel, Base, Renderer]) -> None:
    side, base, renderer = nano
    text = harness.generate_until(side, base, renderer, "In the morning", {"until": ["\n"], "max_gen_toks": 3})
    ((_, greedy),) = harness.likelihoods(side, [harness.pair_ids(base, "In the morning", text)])
    assert text and greedy


def test_a_context_that_is_too_long_loses_its_beginning(nano: tuple[EvaluatedModel, Base, Renderer]) -> None:
    _, base, _ = nano
    context, rest = harness.pair_ids(base, "word " * 3000, "end")
    assert len(context) + len(rest) == base.context and base.tokenizer.decode(rest).strip() == "end"


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def perplexity(logprobs: list[float]) -> float:
    return math.exp(-mean(logprobs))


class Task:
    """What Whet reads of a task of lm-eval."""

    def __init__(self, **metrics: tuple[Any, bool | None]) -> None:
        self.metrics = metrics

    def aggregation(self) -> dict[str, Any]:
        return {name: how for name, (how, _) in self.metrics.items()}

    def higher_is_better(self) -> dict[str, bool | None]:
        return {name: higher for name, (_, higher) in self.metrics.items()}


class Manager:
    """The index of a package that knows three tasks, a group of two of them, and one that cannot be opened."""

    tasks: dict[str, Task | None] = {
        "sums": Task(acc=(mean, True)),
        "typos": Task(perplexity=(perplexity, False), wrong=(mean, False)),
        "texts": Task(perplexity=(perplexity, False)),
        "offline": None,
    }
    all_subtasks = list(tasks)
    all_tasks = [*tasks, "both"]

    def __init__(self, include_path: list[str] | None) -> None:
        assert include_path is None

    def load(self, names: list[str]) -> dict[str, Any]:
        if self.tasks[names[0]] is None:
            raise ConnectionError("the Hub cannot be reached")
        return {"tasks": {name: self.tasks[name] for name in names}}


@pytest.fixture()
def package(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(
        tasks=SimpleNamespace(TaskManager=Manager),
        api=SimpleNamespace(metrics=SimpleNamespace(mean=mean)),
    )
    for place in (harness, harness_tasks):
        monkeypatch.setattr(place, "harness", lambda: made)
    return made


def samples(filter_: str = "none", **metrics: list[Any]) -> list[dict[str, Any]]:
    rows = zip(*metrics.values(), strict=True)
    return [{"doc_id": n, "filter": filter_} | dict(zip(metrics, row, strict=True)) for n, row in enumerate(rows)]


def test_documents_are_paired_by_their_id_under_the_first_metric_that_each_of_them_has() -> None:
    found = harness_tasks.scores_of("t", samples(bleu=[("a", "b")] * 3, acc=[0, 1, 0]), {"bleu": True, "acc": True})
    assert found == harness_tasks.TaskScores("acc", True, {"0": 0.0, "1": 1.0, "2": 0.0})
    read = ({"0": 0.0, "1": 1.0}, {"1": 0.5, "0": 0.25})
    base, tuned = ({"t": harness_tasks.TaskScores("acc", True, one)} for one in read)
    (one,) = harness_tasks.paired(base, tuned)
    assert (one.task, one.base, one.tuned) == ("t", [0.0, 1.0], [0.25, 0.5])
    with pytest.raises(InputError, match="no single documents"):
        harness_tasks.scores_of("group", [], {"acc": True})


def test_of_several_readings_of_one_answer_the_first_counts() -> None:
    read = samples("strict", exact=[0.0, 0.0]) + samples("flexible", exact=[1.0, 1.0])
    assert harness_tasks.scores_of("t", read, {"exact": True}).by_document == {"0": 0.0, "1": 0.0}


def test_a_metric_of_all_documents_at_once_is_none_of_single_ones(package: SimpleNamespace) -> None:
    assert harness_tasks.metrics_of(Manager.tasks["typos"]) == {"wrong": False}
    assert harness_tasks.metrics_of(Task(odd=(mean, None))) == {}


@pytest.mark.parametrize(("after", "word"), [(1.0, "lost"), (0.0, "kept")])
def test_where_lower_is_better_a_rise_is_the_loss(
    monkeypatch: pytest.MonkeyPatch, package: SimpleNamespace, after: float, word: str
) -> None:
    found = {"base": [0.0] * 150 + [1.0] * 50, "tuned": [after] * 200}
    package.simple_evaluate = lambda model, **_: {"samples": {"typos": samples(wrong=found[model])}}
    monkeypatch.setattr(harness, "lm_of", lambda side, origin, renderer: side.name)
    recipe = Recipe(data="x", forgetting=Forgetting(lm_eval=["typos"]))
    (measure,) = cost._harness(made_up_contest(recipe, [], None))
    assert measure.loss == after - 0.25 and measure.low <= measure.loss <= measure.high and measure.word == word
    assert ("score +75.0 points" in measure.statement) == (word == "lost")
    row = measure_row(asdict(measure))
    assert row["loss"] == f"score {100 * measure.loss:+.1f} points" and row["budget"][0] == "+"


def test_scores_that_are_no_shares_meet_no_budget_in_points() -> None:
    difference = paired_difference([30.0, 40.0, 50.0, 35.0] * 5, [20.0, 40.0, 30.0, 35.0] * 5)
    found = forgetting.score_measure("t", "The task", (38.75, 31.25), difference, 0.02)
    assert (found.word, found.budget, found.loss) == ("not judged", None, 7.5)
    assert "score -7.500 (95% interval -" in found.statement and "within 0..1" in found.statement


@pytest.mark.parametrize(
    ("task", "said"),
    [("sum", "no such task; did you mean 'sums'?"), ("both", "group"), ("texts", "no single"), ("offline", "the Hub")],
)
def test_a_task_that_cannot_be_compared_is_refused_before_anything_is_trained(
    package: SimpleNamespace, tmp_path: Path, task: str, said: str
) -> None:
    rows = [{"prompt": f"Say {n}.", "completion": f"{n}"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        api.tune(tmp_path / "rows.jsonl", run_root=tmp_path / "runs", forgetting=f"{{lm_eval: [sums, {task}]}}")
    assert caught.value.exit_code == 2 and repr(task) in str(caught.value)
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob("metrics.jsonl"))


def test_without_the_package_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    own = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "lm_eval":
            raise ImportError(name)
        return own(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match="need the package lm-eval"):
        harness_tasks.harness()


def test_its_runner_asks_our_model(
    nano: tuple[EvaluatedModel, Base, Renderer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": "The sun is", "choices": [" hot", " qzx"], "answer": 0}] * 4
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "sums.yaml").write_text(TASK.replace("FILE", str(tmp_path / "rows.jsonl")))
    found = harness.run_tasks(*nano, [str(tmp_path / "sums.yaml")], None)
    sums = found["sums"]
    assert (sums.metric, sums.higher_is_better) == ("acc", True)
    assert len(sums.by_document) == 4 and set(sums.by_document.values()) == {1.0}
    with pytest.raises(InputError, match="no such task"):
        harness.run_tasks(*nano, ["a-task-nobody-wrote"], None)
