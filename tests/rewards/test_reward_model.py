"""A reward model as a reward gives what plain transformers says of the same text; other folders are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from whet.data.render.renderer import Renderer
from whet.errors import RecipeError, RunFolderError
from whet.model.base import saved_tokenizer
from whet.recipe.schema import LearnedReward
from whet.rewards.reward_model import ModelReward
from whet.types import Row

ASKED = ["Where is my parcel?", "How do I cancel?", "Is it late?"]
ANSWERS = ["Gladly: it is on its way.", "", "No."]


@pytest.fixture(scope="module")
def run(copy_of_run: Callable[[str], Path]) -> Path:
    return copy_of_run("reward")


@pytest.mark.parametrize("inner", ["", "model"])
def test_the_reward_is_the_models_own_score_of_the_text(run: Path, inner: str) -> None:
    from transformers import AutoModelForSequenceClassification

    prompts = [[{"role": "user", "content": text}] for text in ASKED]
    rows = [Row(n, f"a:{n}", prompt) for n, prompt in enumerate(prompts)]
    found = ModelReward(LearnedReward(model=str(run / inner)))(prompts, ANSWERS, rows)
    plain = AutoModelForSequenceClassification.from_pretrained(run / "model").eval()
    renderer = Renderer(saved_tokenizer(run / "model"))
    expected = []
    for prompt, answer in zip(prompts, ANSWERS, strict=True):
        whole = renderer.render(Row(0, "a", [*prompt, {"role": "assistant", "content": answer}]))
        with torch.no_grad():
            expected.append(float(plain(torch.tensor([whole.ids])).logits[0, 0]))
    assert found == pytest.approx(expected, abs=1e-4)
    assert len(set(found)) == 3


def test_a_folder_without_a_reward_model_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no trained reward model"):
        ModelReward(LearnedReward(model=str(tmp_path)))
    (tmp_path / "whet.json").write_text(json.dumps({"dtype": "float32", "method": "sft"}))
    with pytest.raises(RunFolderError, match="no head"):
        ModelReward(LearnedReward(model=str(tmp_path)))([], [], [])
