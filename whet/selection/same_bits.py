"""Whether two names mean the same weights: read from the files, tensor by tensor, without a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from safetensors import safe_open

from whet.model.base import loadable, locate
from whet.model.weights_identity import add_tensor


def folder_on_disk(name: str) -> Path | None:
    """The folder of a base, which a GGUF file is unpacked to; None for one of the Hub that was not fetched yet. Raises
    ModelError for a folder or file that is no base."""
    path = Path(locate(name))
    if path.is_dir():
        return path
    config = try_to_load_from_cache(name, "config.json")
    if isinstance(config, str):
        return Path(config).parent
    return None


def weights_key(name: str) -> str:
    """Equal where all tensors are: over name, shape, type and a sample of each, however they lie in files. A name of
    the Hub that was not fetched stands for itself. Raises ModelError."""
    folder = folder_on_disk(name)
    files = sorted(folder.glob("*.safetensors")) if folder else []
    if not files:
        return name

    tensors = {}
    for file in files:
        with loadable(name), safe_open(file, "pt") as opened:
            for key in opened.keys():
                digest = hashlib.sha256()
                add_tensor(digest, key, opened.get_tensor(key))
                tensors[key] = digest.hexdigest()
    return hashlib.sha256("".join(tensors[key] for key in sorted(tensors)).encode()).hexdigest()
