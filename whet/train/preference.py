"""Preference optimisation: the loss over pairs, and what the base says of each answer, read once before the training.

Legend: P pairs of a batch, R pairs of the run. In `x_2P` row 0 is the chosen answer and row 1 the rejected one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from whet.data.loader import Loader
from whet.loss.preference import answer_sums, answers_of, preference_loss
from whet.model.adapter import is_adapted, without_adapter
from whet.model.policy import Policy, evaluating
from whet.recipe.schema import Dpo, Recipe
from whet.store.atomic import new_folder, recover_folder
from whet.types import Batch, LossOut

FILE = "logprobs.safetensors"
BATCHING = {"batch_tokens", "micro_batch_tokens", "seed", "steps", "dtype", "quantise", "attention", "compile"}
"""Keys of the recipe that change which rows are read together, or how."""


@dataclass(slots=True)
class References:
    """The base's log-probabilities of both answers of each pair, by input row."""

    logprobs_2R: Tensor
    place: dict[int, int]

    def of(self, batch: Batch) -> Tensor:
        """Those of a batch's pairs, shape (2, P), on the CPU. Raises KeyError for a row that was not read."""
        places = [self.place[row] for row in rows_of(batch)]
        return self.logprobs_2R[:, torch.tensor(places, dtype=torch.long)]


@dataclass(slots=True)
class Preference:
    """dpo: the policy against what the base said before the training."""

    policy: Policy
    source: Loader
    settings: Dpo
    references: References

    def batches(self, step: int) -> list[Batch]:
        return self.source.step(step)

    def loss(self, batch: Batch) -> LossOut:
        policy_2P = answer_sums(self.policy.logprobs(batch), batch)
        tokens_2P = answer_sums(torch.ones_like(batch.weight_N), batch)
        return preference_loss(policy_2P, self.references.of(batch), tokens_2P, self.settings)


def rows_of(batch: Batch) -> list[int]:
    """The input row of each pair of a batch."""
    return [batch.rows[number] for number in answers_of(batch)[0].tolist()]


def first_reading(source: Loader, validation: Iterable[Batch], steps: int) -> Iterator[Batch]:
    """Every pair of the run once, in the very batches of the first epoch and of each validation: rounding depends on
    what is read together, and so the margins of the first step are exactly 0."""
    for step in range(min(steps, source.steps_per_epoch)):
        yield from source.step(step)
    yield from validation


def references(folder: Path, key: str, policy: Policy, batches: Iterable[Batch]) -> References:
    """Those in `folder` where they were made with this key, else read from the base and stored there.

    The policy must not have been trained yet: without an adapter its own weights are the base's.
    """
    recover_folder(folder)
    stored = _stored(folder / FILE, key)
    if stored is not None:
        return stored
    found = read_references(policy, batches)
    rows_R = torch.tensor(list(found.place), dtype=torch.long)
    with new_folder(folder) as temporary:
        tensors = {"rows": rows_R, "logprobs": found.logprobs_2R.contiguous()}
        save_file(tensors, str(temporary / FILE), {"key": key})
    return found


@torch.no_grad()
def read_references(policy: Policy, batches: Iterable[Batch]) -> References:
    """What the base says of the answers in `batches`."""
    rows: list[int] = []
    sums: list[Tensor] = []
    base = without_adapter(policy.model) if is_adapted(policy.model) else nullcontext()
    with base, evaluating(policy.model):
        for batch in batches:
            sums.append(answer_sums(policy.logprobs(batch), batch))
            rows += rows_of(batch)
    return References(torch.cat(sums, dim=1), {row: place for place, row in enumerate(rows)})


def _stored(path: Path, key: str) -> References | None:
    """None where there are none, or others, or the file is damaged: reading them again gives the same."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            rows = file.get_tensor("rows").tolist()
            logprobs_2R = file.get_tensor("logprobs").clone()  # not the mapped file, which may be replaced
            return References(logprobs_2R, {row: place for place, row in enumerate(rows)})
    except SafetensorError:
        return None


def key_of(recipe: Recipe, base: str, template: str, rows: Iterable[object], path: str, device: str) -> str:
    """Changes with anything that changes the numbers: base, rendering, rows, batching and the way of reading."""
    parts = [base, template, path, device, torch.__version__, recipe.model_dump_json(include=BATCHING)]
    digest = hashlib.sha256("\0".join(parts).encode())
    for row in rows:
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
