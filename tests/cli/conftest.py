"""A stand-in for whet.api, so that the command line is tested without a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import whet
from whet.evaluation import decision
from whet.recipe.schema import Recipe
from whet.store.run import Run

RESULT: dict[str, Any] = {
    "model": "nano",
    "method": "sft",
    "ledger": {
        "rows_in": 100,
        "trained": 79,
        "held_out": {"validation": 10, "test": 10},
        "dropped": {"too-long": 1},
        "supervised_tokens": 2345,
    },
    "metric": {"name": "json", "reason": "every answer is an object"},
    "base": {"score": 0.0, "low": 0.0, "high": 0.28},
    "tuned": {"score": 0.8, "low": 0.49, "high": 0.94},
    "difference": {"estimate": 0.8, "low": 0.5, "high": 1.0, "p": 0.008, "discordant": 8, "test": "McNemar's mid-p"},
    "verdict": {"word": "better", "sentence": "The tune is better by 80 points.", "rows_needed": None},
    "forgetting": {"word": "kept", "broken": [], "unclear": [], "statement": "No harm was found.", "measures": []},
    "seconds": 12.3,
    "tokens_per_second": 4567.0,
    "peak_memory_bytes": 10**9,
}


class Session:
    def __init__(self) -> None:
        self.asked: list[list[dict[str, Any]]] = []
        self.drawn: list[Any] = []

    def reply(self, messages: list[dict[str, Any]], sampling: Any) -> Iterator[str]:
        self.drawn.append(sampling)
        self.asked.append([dict(message) for message in messages])
        yield "fine, "
        yield "thanks"


class FakeApi(ModuleType):
    """Keeps what it was called with; `fault` is raised by every verb; `word` is the verdict."""

    def __init__(self) -> None:
        super().__init__("whet.api")
        self.word, self.recipes, self.session = "better", [], Session()
        self.broken: list[str] = []
        self.until_kept: list[bool] = []
        self.measures: list[dict[str, Any]] = []
        self.fault: BaseException | None = None

    def tune(
        self,
        recipe: Recipe,
        run_root: Path,
        name: str | None,
        observer: Any,
        until_kept: bool = False,
        accept_changed: bool = False,
    ) -> dict[str, Any]:
        self.recipes.append(recipe)
        self.until_kept.append(until_kept)
        run = Run.create(run_root, recipe, name)
        observer.phase("training", 20)
        for step in range(1, 21):
            observer.step(step, 20, {"loss": 1 / step, "tokens_per_second": 1000.0})
        observer.note("a [note] with brackets")
        observer.done()
        if self.fault:
            raise self.fault
        run.write_json("choices.json", [{"key": "epochs", "value": 3, "reason": "The usual number of passes."}])
        answers = [{"prompt": "Where is it?", "reference": "{}", "base": "no", "tuned": "{}"}]
        (run.folder / "answers.jsonl").write_text("".join(f"{a}\n".replace("'", '"') for a in answers))
        run.set_status("done")
        return {**self.result(run), "report": str(run.folder / "report.html")}

    def result(self, run: Run) -> dict[str, Any]:
        """The result with the verdict and the budgets that are set."""
        forgetting = {**RESULT["forgetting"], "word": "lost" if self.broken else "kept", "broken": self.broken}
        forgetting["measures"] = self.measures
        facts = {
            **RESULT,
            "run": run.name,
            "verdict": {**RESULT["verdict"], "word": self.word},
            "forgetting": forgetting,
        }
        facts["verdict"]["sentence"] += decision.cost_sentence(facts)
        return facts | {"ship": decision.decide(facts)}

    def train(
        self, recipe: Recipe, run_root: Path, name: str | None, observer: Any, accept_changed: bool = False
    ) -> dict[str, Any]:
        result = self.tune(recipe, run_root, name, observer)
        return {key: result[key] for key in ("run", "model", "method", "ledger", "seconds")}

    def evaluate(self, run: Run, observer: Any, accept_changed: bool = False, anew: bool = False) -> dict[str, Any]:
        return self.result(run)

    def prepare_view(self, recipe: Recipe, rows: int) -> dict[str, Any]:
        row = {"where": "a.jsonl:1", "pieces": [["user: [hi]\n", False], ["hello", True]], "tokens": 9, "supervised": 3}
        return {"kind": "chat", "model": "nano", "ledger": RESULT["ledger"], "rows": [row] * rows, "notes": []}

    def chat(self, model: str, run_root: Path) -> Session:
        return self.session


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tickets.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 20)
    return tmp_path


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    fake = FakeApi()
    monkeypatch.setitem(sys.modules, "whet.api", fake)
    monkeypatch.setattr(whet, "api", fake, raising=False)
    return fake
