"""What the base says, read once before the training and kept in the run's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from whet.model.adapter import is_adapted, without_adapter
from whet.model.policy import Policy, evaluating
from whet.recipe.schema import Recipe
from whet.store.atomic import new_folder, recover_folder

FILE = "logprobs.safetensors"
BATCHING = {"batch_tokens", "micro_batch_tokens", "seed", "steps", "dtype", "quantise", "attention", "compile"}
"""Keys of the recipe that change which rows are read together, or how."""


def cached_tensors(folder: Path, key: str, read: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors in `folder` where they were made with this key, else those that `read` gives, stored there."""
    recover_folder(folder)
    stored = _stored(folder / FILE, key)
    if stored is not None:
        return stored

    tensors = {name: tensor.contiguous() for name, tensor in read().items()}
    with new_folder(folder) as temporary:
        save_file(tensors, str(temporary / FILE), {"key": key, "sha256": _digest(tensors)})
    return tensors


@contextmanager
def as_reference(policy: Policy) -> Iterator[None]:
    """Within this block the policy is its base, without dropout and without gradients. Without an adapter its own
    weights are the base's, so then it must not have been trained yet."""
    if is_adapted(policy.model):
        base = without_adapter(policy.model)
    else:
        base = nullcontext()
    with torch.no_grad(), base, evaluating(policy.model):
        yield


def _stored(path: Path, key: str) -> dict[str, Tensor] | None:
    """None where there are none, or others, or the file is damaged: reading them again gives the same."""
    if not path.is_file():
        return None

    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # the mapped file may be replaced
            if (file.metadata() or {}).get("sha256") == _digest(tensors):
                return tensors
            return None
    except SafetensorError:
        return None


def _digest(tensors: dict[str, Tensor]) -> str:
    """sha256 over names and bytes: one flipped bit would be another reference without a word."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + b"\0" + tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def key_of(recipe: Recipe, base: str, template: str, rows: Iterable[object], path: str, device: str) -> str:
    """Changes with anything that changes the numbers: base, rendering, rows, batching and the way of reading."""
    parts = [base, template, path, device, torch.__version__, recipe.model_dump_json(include=BATCHING)]
    digest = hashlib.sha256("\0".join(parts).encode())
    for row in rows:
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
