"""One bit of any file of a run, stopped or finished: it is refused, or nothing of the result depends on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.training.test_checkpoint import flip
from tests.verbs.test_on_a_gpu import Stops, recipe_of, weights
from tests.verbs.test_on_a_gpu import folder as folder  # a fixture
from whet.errors import WhetError
from whet.observer import Silent

BESIDE = {
    "run.lock": "holds nothing",
    "metrics.jsonl": "lines after the last checkpoint are written again",
    "best": "is copied anew from the last checkpoint",
    "older": "is read where the last one is gone",
    "README.md": "a model card, for people",
    "report.html": "drawn from the other files, for people",
    "asked.jsonl": "each line has a checksum of its own",
}
"""What is not refused at the next tune, and why nothing comes of it."""
REFUSED = ("damaged", "is not what was written", "not the one that the training left")


@pytest.fixture(scope="module")
def tuned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(stopped, finished): folders of runs."""
    stopped, finished = (tmp_path_factory.mktemp(name) for name in ("stopped", "finished"))
    tune(folder, finished)
    with pytest.raises(KeyboardInterrupt):
        tune(folder, stopped, Stops())
    return stopped, finished


def tune(folder: Path, root: Path, observer: Silent | None = None) -> dict[str, Any]:
    recipe = recipe_of(folder, "sft", steps=3, checkpoint_every=1)
    return dict(whet.tune(recipe, run_root=root, name="r", observer=observer))


@pytest.mark.slow
def test_a_flipped_bit_is_refused_or_changes_nothing(folder: Path, tuned: tuple[Path, Path], tmp_path: Path) -> None:
    right = weights(tuned[1] / "r")
    for made in tuned:
        for file in sorted(path for path in (made / "r").rglob("*") if path.is_file()):
            tried = tmp_path / "tried"
            shutil.copytree(made, tried)
            flip(tried / file.relative_to(made))
            try:
                tune(folder, tried)
            except WhetError as refusal:
                assert any(words in str(refusal) for words in REFUSED), f"{file}: {refusal}"
            else:
                unread = made == tuned[1] and "checkpoints" in file.parts  # what is finished goes on from nothing
                assert unread or {file.name, file.parent.name} & BESIDE.keys(), file
                assert all(tensor.equal(right[name]) for name, tensor in weights(tried / "r").items()), file
            shutil.rmtree(tried)
