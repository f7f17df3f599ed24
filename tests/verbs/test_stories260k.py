"""Real pre-trained weights of somebody else, as a base from a folder: fine-tuning must lower their validation loss."""

from __future__ import annotations

from pathlib import Path

import whet
import whet.api
from tests.stories260k import convert
from whet.store.run import Run


def test_a_foreign_model_learns_and_its_validation_loss_falls(tmp_path: Path, data_dir: Path) -> None:
    base = convert(data_dir / "stories260K", tmp_path / "stories260K")
    text = (data_dir / "gsm8k" / "train.jsonl").read_text()[:60_000]  # nothing like its stories
    (tmp_path / "sums.txt").write_text(text)
    settings = {"method": "{kind: pretrain, context: 128}", "batch_tokens": 1024, "steps": 12, "base": str(base)}
    settings["keep"] = False
    result = whet.api.train(str(tmp_path / "sums.txt"), run_root=tmp_path / "runs", **settings)
    losses = [
        line["validation_loss"]
        for line in Run.open(result["run"], tmp_path / "runs").metrics()
        if "validation_loss" in line
    ]
    assert losses[-1] < losses[0] - 0.3
    assert result["method"] == "pretrain (lora)"


def test_its_own_kind_of_text_gets_likelier(tmp_path: Path, data_dir: Path) -> None:
    base = convert(data_dir / "stories260K", tmp_path / "stories260K")
    story = (data_dir / "tinystories_sample" / "tiny_stories.txt").read_text()[:60_000]
    (tmp_path / "stories.txt").write_text(story)
    settings = {"method": "{kind: pretrain, context: 256}", "batch_tokens": 2048, "steps": 8, "learning_rate": 5e-4}
    settings["keep"] = False
    result = whet.tune(str(tmp_path / "stories.txt"), run_root=tmp_path / "runs", base=str(base), **settings)
    assert result["base"]["nll_per_token"] < 3.5  # of 6.2 for a model that knows nothing: it was trained on stories
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]
