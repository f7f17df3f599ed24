"""Code that a run from elsewhere brings is not run before somebody has agreed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.encoders import embeddings_server
from whet.cli import main
from whet.data.retrieval.encoders.opening import encoder_of
from whet.errors import InputError
from whet.evaluation.forgetting.lm_eval_tasks import open_tasks
from whet.generation.chat_client import ChatClient
from whet.model.base import load_config, load_tokenizer
from whet.recipe import trust
from whet.recipe.load import load_recipe
from whet.rewards.combine import build_rewards
from whet.rewards.user_function import load_metric
from whet.store.run import Run

METRIC = "open({mark!r}, 'w').close()\ndef metric(answer, reference, row): return 1.0\n"
REWARD = "def score(prompts, answers, rows): return [1.0] * len(rows)\n"


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A new process, with the settings of a user of this name."""

    def process(user: str) -> None:
        monkeypatch.setattr(trust, "_state", trust._State())
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings" / user))

    process("me")
    return process


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose recipe names a metric, a reward, a server and a base with code."""
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (tmp_path / "own.py").write_text(METRIC.format(mark=str(tmp_path / "ran")))
    (tmp_path / "score.py").write_text(REWARD)
    (tmp_path / "task.yaml").write_text("task: task\ndoc_to_text: !function own.metric\n")
    recipe = load_recipe(
        {
            "data": str(tmp_path / "a.jsonl"),
            "base": "some/base",
            "forgetting": {"lm_eval": [f"{tmp_path}/task.yaml"]},
            "trust_remote_code": True,
            "method": {"kind": "grpo", "rewards": {"kind": "function", "function": f"{tmp_path}/score.py:score"}},
            "evaluate": {
                "metric": f"{tmp_path}/own.py:metric",
                "judge": {"url": "http://127.0.0.1:9/v1", "model": "m", "rubric": "r", "key": "SOME_SECRET"},
            },
        }
    )
    return Run.create(tmp_path / "runs", recipe, "one")


def test_what_the_user_names_himself_runs_now_and_in_his_runs_later(
    run: Run, tmp_path: Path, fresh: Callable[[str], None]
) -> None:
    load_metric(run.recipe.evaluate.metric)
    build_rewards(run.recipe.method.rewards)  # type: ignore[union-attr]
    fresh("me")
    load_metric(Run.open("one", tmp_path / "runs").recipe.evaluate.metric)
    assert (tmp_path / "ran").exists()


def test_what_another_has_named_is_refused_unread(run: Run, tmp_path: Path, fresh: Callable[[str], None]) -> None:
    fresh("somebody else")
    recipe = run.recipe
    for load in (
        lambda: load_metric(recipe.evaluate.metric),
        lambda: build_rewards(recipe.method.rewards),  # type: ignore[union-attr]
        lambda: load_config(recipe.base, recipe.trust_remote_code),
        lambda: open_tasks(recipe.forgetting.lm_eval),
        lambda: load_tokenizer("another/base", recipe.trust_remote_code),
        lambda: ChatClient("http://127.0.0.1:9/v1", "m", "SOME_SECRET").chat([], 1),
    ):
        with pytest.raises(InputError, match=r"not used on this machine before\n.*--trust"):
            load()
    assert not (tmp_path / "ran").exists()


def test_documents_are_not_sent_where_a_foreign_run_says(tmp_path: Path, fresh: Callable[[str], None]) -> None:
    """With a key or without: the texts are the user's own."""
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    server = embeddings_server()
    retrieval = {"documents": "d", "by": "dense", "encoder": "e", "encoder_at": {"url": server.url}}
    asked = load_recipe({"data": str(tmp_path / "a.jsonl"), "retrieval": retrieval})
    Run.create(tmp_path / "runs", asked, "two")

    def found() -> None:
        settings = Run.open("two", tmp_path / "runs").recipe.retrieval
        assert settings is not None
        encoder_of(settings)

    fresh("somebody else")
    with pytest.raises(InputError, match=r"sends your documents.*\n.*--trust"):
        found()
    assert server.asked == []
    fresh("me")
    load_recipe({"data": str(tmp_path / "a.jsonl"), "retrieval": retrieval})
    found()
    fresh("me")
    found()
    assert len(server.asked) == 2


def test_a_file_that_was_exchanged_is_refused(run: Run, tmp_path: Path, fresh: Callable[[str], None]) -> None:
    load_metric(run.recipe.evaluate.metric)
    (tmp_path / "own.py").write_text("def metric(answer, reference, row): return 0.0\n")
    fresh("me")
    with pytest.raises(InputError, match="--trust"):
        load_metric(run.recipe.evaluate.metric)


def test_the_user_is_asked_and_asked_once(run: Run, fresh: Callable[[str], None]) -> None:
    asked: list[str] = []
    fresh("somebody else")
    trust.ask_with(lambda question: bool(asked.append(question)))
    with pytest.raises(InputError):
        load_metric(run.recipe.evaluate.metric)
    trust.ask_with(lambda question: asked.append(question) is None)
    load_metric(run.recipe.evaluate.metric)
    fresh("somebody else")
    load_metric(run.recipe.evaluate.metric)
    assert len(asked) == 2 and "own.py" in asked[0]


def test_with_trust_nothing_is_asked(
    run: Run, tmp_path: Path, fresh: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh("somebody else")
    monkeypatch.chdir(tmp_path)
    for verb in (["eval"], ["chat"], ["failures"], ["frontier"], ["plan"]):
        trust._state.agreed = False
        assert main.run([*verb, "no such run", "--trust"]) == 2
        assert trust._state.agreed, verb
    load_metric(run.recipe.evaluate.metric)
    assert (tmp_path / "ran").exists()


def test_settings_that_cannot_be_written_ask_again(
    run: Run, tmp_path: Path, fresh: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for _ in range(2):  # two processes
        monkeypatch.setattr(trust, "_state", trust._State())
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
        asked: list[str] = []
        trust.ask_with(lambda question, asked=asked: asked.append(question) is None)
        load_metric(run.recipe.evaluate.metric)
        assert len(asked) == 1 and "own.py" in asked[0]
