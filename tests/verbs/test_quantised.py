"""The main job over a 4-bit base: it learns, and what it left behind evaluates as it did at the end of training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import whet
from whet.demo_data.support_desk import generate
from whet.errors import ModelError
from whet.methods import method_of
from whet.model.open import open_model
from whet.model.policy import Policy
from whet.model.quantised.nf4 import quantised_linears
from whet.model.saved_model import read_facts
from whet.observer import Silent
from whet.store.run import Run
from whet.training.hooks import mean_loss
from whet.training.learners.next_token import NextTokenLearner
from whet.training.session import open_session

pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed (the extra quant)")


def write_rows(path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in generate(160, 3)))
    return path


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("quantised")
    options: dict[str, Any] = {"steps": 12, "evaluate.forgetting": False, "evaluate.max_new_tokens": 8, "keep": False}
    options["evaluate.against"] = ["base"]
    result = whet.tune(str(write_rows(folder / "tickets.jsonl")), run_root=folder / "runs", quantise="nf4", **options)
    return folder / "runs" / result["run"], result


def test_it_learns(tuned: tuple[Path, dict[str, Any]]) -> None:
    run, result = tuned
    losses = validation_losses(run)
    assert losses[-1] < 0.8 * losses[0]
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]
    assert json.loads((run / "selfcheck.json").read_text())["path"] == "fused"


def validation_losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["validation_loss"] for line in lines if "validation_loss" in line]


def test_only_the_adapter_is_saved_and_the_quantisation_remembered(tuned: tuple[Path, dict[str, Any]]) -> None:
    run, _ = tuned
    assert read_facts(run / "model")["quantise"] == "nf4"
    assert [file.name for file in (run / "model").glob("*.safetensors")] == ["adapter_model.safetensors"]


def test_what_is_opened_has_the_loss_of_the_end_of_training(tuned: tuple[Path, dict[str, Any]]) -> None:
    """The same rows, over the same quantised base."""
    folder, _ = tuned
    run = Run.open(folder)
    opened = open_model(run.model, read_facts(run.model), False)
    assert quantised_linears(opened.model)
    session = open_session(run.recipe, run, method_of, Silent())
    policy = Policy(opened.model, opened.use_forest)
    with torch.no_grad():
        method = NextTokenLearner(policy, session.method.loader(run.recipe, session.source))
        loss = mean_loss(policy, method.loss, session.method.validation(run.recipe, session.source))
    assert loss == pytest.approx(min(validation_losses(folder)), rel=1e-6)


def test_without_bitsandbytes_nothing_is_begun(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r'pip install "whet\[quant\]"'):
        whet.tune(str(write_rows(tmp_path / "rows.jsonl")), run_root=tmp_path / "runs", quantise="nf4")
