"""Which encoder a name means: one at a URL, a folder, or a model of the Hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from whet.data.retrieval.encoders.encoder import OpenedEncoder
from whet.data.retrieval.encoders.pooled import PooledEncoder
from whet.data.retrieval.encoders.remote import RemoteEncoder
from whet.data.retrieval.encoders.static import StaticEncoder, is_static
from whet.errors import InputError, ModelError
from whet.model_server import ModelServer
from whet.recipe.files import ENCODER_FILES
from whet.recipe.sections.retrieval import EncoderAt, Retrieval
from whet.recipe.trust import refuse_foreign_encoder
from whet.store.atomic import sha256_file

FORM = "1"
"""Raised when the same files give other vectors than before."""


def encoder_of(settings: Retrieval) -> OpenedEncoder | None:
    """None where a recipe finds passages by words alone. Raises as `open_encoder` does."""
    if settings.encoder is None:
        return None
    return open_encoder(settings.encoder, settings.encoder_at)


def open_encoder(name: str, at: EncoderAt | None = None) -> OpenedEncoder:
    """Raises InputError for what is no encoder, RunError for a URL that stays away."""
    if at is not None:
        refuse_foreign_encoder(at.url)
        return RemoteEncoder(ModelServer(at.url, name, at.key, at.seconds, at.retries))

    folder = folder_of(name)
    if is_static(folder):
        return StaticEncoder(folder, identity_of(folder))
    if not any(folder.rglob("*.safetensors")):
        fix = "save it with safe_serialization; other forms of weights can run code"
        raise ModelError("this encoder has no weights as safetensors", where=str(folder), fix=fix)
    return PooledEncoder(folder, identity_of(folder))


def folder_of(name: str) -> Path:
    """The folder of an encoder, which a model of the Hub is downloaded to. Raises InputError."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=list(ENCODER_FILES)))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        said = str(error).strip().splitlines()
        what = f"the encoder cannot be opened: {said[0] if said else type(error).__name__}"
        raise InputError(what, value=name, fix="name a folder, or a model of the Hub, that holds one") from error


def identity_of(folder: Path) -> str:
    """sha256 over all files that say what its vectors are."""
    files = sorted({file for pattern in ENCODER_FILES for file in folder.rglob(pattern)})
    told = [f"{file.relative_to(folder).as_posix()} {sha256_file(file)}" for file in files]
    return hashlib.sha256("\n".join([FORM, *told]).encode()).hexdigest()
