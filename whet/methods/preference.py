"""What dpo and kto share: each answer is held against what the base says of it, read once before the training."""

from __future__ import annotations

from pathlib import Path

from whet.data.batches.loader import Loader
from whet.training.reference_logprobs import key_of
from whet.training.training_method import Setup

READING_REFERENCES = "reading what the base says of the answers"
FOLDER = "reference"


def loader_of(setup: Setup) -> Loader:
    """The loader of rows, with more to ask of it than the loop does."""
    assert isinstance(setup.loader, Loader)
    return setup.loader


def folder_and_key(setup: Setup) -> tuple[Path, str]:
    """Where the references of this run are, and what they must have been made of."""
    template, rows = setup.renderer.fingerprint, setup.source.ledger.rows_jsonl()
    key = key_of(setup.recipe, setup.base.fingerprint, template, rows, setup.path, str(setup.policy.device))
    return setup.run.folder / FOLDER, key
