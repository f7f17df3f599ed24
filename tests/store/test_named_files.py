"""A file that the recipe names is part of the run by its content: rewards, schemas, metrics, tasks of lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from whet.errors import RunFolderError
from whet.recipe.load import load_recipe
from whet.recipe.schema import Recipe
from whet.store.named_files import changed, named_files
from whet.store.run import Run
from whet.store.unchanged import accepted_changes, refuse_changed_files

FUNCTION = "def score(prompts, answers, rows):\n    return [1.0 for _ in answers]\n"
TASK = "task: sums\ninclude: shared.yaml\ndataset_path: json\ndataset_kwargs: {data_files: {test: 'rows.jsonl'}}\n"
FILES = {
    "score.py": "import words\n\n" + FUNCTION,
    "words.py": "GOOD = ['please']\n",
    "other.py": "",
    "schema.json": '{"type": "object"}',
    "win.py": FUNCTION,
    "metric.py": FUNCTION,
    "sums.yaml": TASK,
    "shared.yaml": "doc_to_text: !function prompts.ask\n",
    "prompts.py": "def ask(doc):\n    return doc['q']\n",
    "rows.jsonl": '{"q": "1 + 1", "a": "2"}\n',
    "d.jsonl": '{"prompt": "a", "completion": "b"}\n',
    "reward-model/model/whet.json": '{"weights_sha256": {}}',
}
KEYS: dict[str, Any] = {
    "data": "d.jsonl",
    "method": {
        "kind": "grpo",
        "rewards": [
            {"kind": "function", "function": "score.py:score"},
            {"kind": "json", "schema_file": "schema.json"},
            {"kind": "model", "model": "reward-model"},
        ],
    },
    "evaluate": {"wins": {"kind": "function", "function": "win.py:score"}},
    "forgetting": {"lm_eval": ["sums.yaml", "arc_easy"]},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def recipe() -> Recipe:
    return load_recipe(KEYS)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("score.py", "method.rewards.0.function"),
        ("words.py", "method.rewards.0.function"),
        ("schema.json", "method.rewards.1.schema_file"),
        ("reward-model/model/whet.json", "method.rewards.2.model"),
        ("win.py", "evaluate.wins.0.function"),
        ("sums.yaml", "forgetting.lm_eval sums.yaml"),
        ("shared.yaml", "forgetting.lm_eval sums.yaml"),
        ("prompts.py", "forgetting.lm_eval sums.yaml"),
        ("rows.jsonl", "forgetting.lm_eval sums.yaml"),
        ("other.py", None),
    ],
)
def test_each_file_that_is_read_counts_by_its_content(name: str, key: str | None) -> None:
    before = named_files(recipe())
    with Path(name).open("a") as file:
        file.write("\n")
    assert changed(before, named_files(recipe())) == ([key] if key else [])
    Path(name).unlink()
    assert changed(before, named_files(recipe())) == ([key] if key else [])


def test_a_metric_of_ones_own_counts_with_what_it_imports() -> None:
    asked = load_recipe({"data": "d.jsonl", "evaluate": {"metric": "score.py:score"}})
    before = named_files(asked)
    Path("words.py").write_text("GOOD = []\n")
    assert changed(before, named_files(asked)) == ["evaluate.metric"]


def learned(run: Run, step: int) -> None:
    (run.checkpoint("last")).mkdir(parents=True)
    (run.checkpoint("last") / "progress.json").write_text(f'{{"step": {step}}}')


def test_a_run_that_has_learned_is_not_resumed_with_another_reward_unless_it_is_accepted() -> None:
    run = Run.create("runs", recipe())
    Path("score.py").write_text(FUNCTION)
    assert Run.create("runs", recipe()).folder == run.folder, "nothing was learned yet"
    learned(run, 12)
    before = run.read_json("run.json")["files"]
    Path("score.py").write_text(FUNCTION.replace("1.0", "0.5"))
    for _ in range(2):
        with pytest.raises(RunFolderError, match="not what it was when this run began") as caught:
            Run.create("runs", recipe())
        assert "--accept-changed" in caught.value.fix and "method.rewards.0.function" in str(caught.value)
    assert accepted_changes(run) == {}
    Run.create("runs", recipe(), accept_changed=True)
    (noted,) = accepted_changes(run)["accepted_changes"]
    assert noted["file"] == "method.rewards.0.function" and noted["step"] == 12
    assert noted["before"] == before["method.rewards.0.function"] != noted["after"]
    assert Run.create("runs", recipe()).folder == run.folder, "from here on it is the run's own"


def test_a_finished_run_takes_no_change_but_may_be_measured_anew() -> None:
    run = Run.create("runs", recipe())
    learned(run, 12)
    run.write_json("evaluation.json", {})
    Path("win.py").write_text(FUNCTION.replace("1.0", "0.5"))
    with pytest.raises(RunFolderError, match="when this run ended") as caught:
        Run.create("runs", recipe(), accept_changed=True)
    assert "--accept-changed" not in caught.value.fix
    refuse_changed_files(run, recipe(), accept=True, measured_anew=True)
    assert accepted_changes(run)["accepted_changes"][0]["file"] == "evaluate.wins.0.function"
