"""A key that nothing would read is refused, with the key that makes it matter."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whet.errors import RecipeError
from whet.evaluation.forgetting.suites import measured_prompts
from whet.evaluation.studies.curve_runs import recipe_for_share
from whet.model.base import NANO
from whet.recipe.load import dump_recipe, load_recipe

QUIET = {"evaluate": {"forgetting": False}}
TEXT: Any = SimpleNamespace(plain_text=True)
"""A source without rows."""
NUMBERS = {"kind": "classify", "task": "regression"}
IDLE: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"compare": {"encoder": "e"}}, "compare.encoder: e", {"compare": {"encoder": "e", "documents": "d"}}),
    ({"compare": {"words": 90}}, "compare.words: 90", {"compare": {"words": 90, "documents": "d"}}),
    ({"compare": {"passages": 5}}, "compare.passages: 5", {"compare": {"passages": 5, "documents": "d"}}),
    (
        {"compare": {"template": "{passages} {question}"}},
        "compare.template",
        {"compare": {"template": "{passages} {question}", "documents": "d"}},
    ),
    ({**QUIET, "forgetting": {"suites": ["s"]}}, "forgetting.suites", {"forgetting": {"suites": ["s"]}}),
    ({**QUIET, "forgetting": {"lm_eval": ["t"]}}, "forgetting.lm_eval", {"forgetting": {"lm_eval": ["t"]}}),
    ({**QUIET, "forgetting": {"text": 0.1}}, "forgetting.text", {"forgetting": {"text": 0.1}}),
    ({**QUIET, "forgetting": {"kl": 0.1}}, "forgetting.kl", {"forgetting": {"kl": 0.1}}),
    ({**QUIET, "forgetting": {"score": 0.1}}, "forgetting.score", {"forgetting": {"score": 0.1}}),
    (
        {"forgetting": {"lm_eval_limit": 5}},
        "forgetting.lm_eval_limit: 5",
        {"forgetting": {"lm_eval_limit": 5, "lm_eval": ["t"]}},
    ),
    (
        {"columns": {"passage": "p"}},
        "columns.passage: p",
        {"columns": {"passage": "p"}, "retrieval": {"documents": "d"}},
    ),
    (
        {"retrieval": {"documents": "d", "encoder": "e"}},
        "retrieval.encoder: e",
        {"retrieval": {"documents": "d", "encoder": "e", "by": "both"}},
    ),
    (
        {"retrieval": {"documents": "d", "by": "dense"}},
        "retrieval.by: dense",
        {"retrieval": {"documents": "d", "encoder": "e", "by": "dense"}},
    ),
    (
        {"retrieval": {"documents": "d", "encoder_at": {"url": "http://h/v1"}}},
        "retrieval.encoder_at: http://h/v1",
        {"retrieval": {"documents": "d", "encoder": "e", "by": "dense", "encoder_at": {"url": "http://h/v1"}}},
    ),
    (
        {"evaluate": {"wins": {"kind": "exact"}}, "method": "classify"},
        "evaluate.wins",
        {"evaluate": {"wins": {"kind": "exact"}}, "method": "dpo"},
    ),
    ({"evaluate": {"patience": 5, "early_stop": False}}, "evaluate.patience: 5", {"evaluate": {"patience": 5}}),
    (
        {"schedule": {"kind": "constant", "floor": 0.1}},
        "schedule.floor: 0.1",
        {"schedule": {"kind": "linear", "floor": 0.1}},
    ),
    ({"system": "Be brief.", "method": "pretrain"}, "system: Be brief.", {"system": "Be brief.", "method": "sft"}),
    ({"method": NUMBERS | {"class_weights": "balanced"}}, "method.class_weights", {"method": NUMBERS}),
    ({"method": NUMBERS | {"thresholds": "half"}}, "method.thresholds", {"method": {"kind": "classify"}}),
]


@pytest.mark.parametrize(("keys", "said", "right"), IDLE, ids=[said for _, said, _ in IDLE])
def test_a_key_without_effect_is_refused_and_beside_what_it_needs_it_is_not(
    keys: dict[str, Any], said: str, right: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe({"data": "d.jsonl", **keys})
    assert said in str(caught.value) and "fix:" in str(caught.value) and caught.value.exit_code == 2
    (tmp_path / "r.yaml").write_text(dump_recipe(load_recipe({"data": "d.jsonl", **right})))
    assert load_recipe(tmp_path / "r.yaml").data == "d.jsonl", "what a run keeps of its recipe can be read again"


@pytest.mark.parametrize("keep", [{"replay": "base"}, {"scale": "auto"}])
def test_suites_that_are_kept_out_of_a_replay_have_an_effect_unmeasured(keep: dict[str, Any], tmp_path: Path) -> None:
    suite = tmp_path / "s.jsonl"
    suite.write_text('{"prompt": "Which suite asks this?", "completion": "none"}\n')
    budgets = {"suites": [str(suite)]} | ({"score": 0.1} if "scale" in keep else {})
    keys = {"data": "d", "forgetting": budgets, "keep": keep}
    assert "Which suite asks this?" in measured_prompts(load_recipe(keys | QUIET), TEXT, str(NANO))
    with pytest.raises(RecipeError, match=r"forgetting\.suites"):
        load_recipe({**keys, **QUIET, "keep": {}})


@pytest.mark.parametrize("keep", [{}, {"replay": "base"}, {"scale": "auto"}])
def test_the_shares_of_a_learning_curve_can_be_read_again(keep: dict[str, Any], tmp_path: Path) -> None:
    budgets = {"suites": ["s"], "lm_eval": ["t"], "lm_eval_limit": 3, "text": 0.1, "kl": 1.0, "score": 0.1}
    part = recipe_for_share(load_recipe({"data": "d", "forgetting": budgets, "keep": keep}), 0.25)
    (tmp_path / "r.yaml").write_text(dump_recipe(part))
    found = load_recipe(tmp_path / "r.yaml")
    assert found == part and found.forgetting.suites == (["s"] if keep else [])
