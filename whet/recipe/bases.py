"""Whether a base, or a set on the Hub, can be had at all: known before anything heavy is imported. Torch-free."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from whet.errors import ModelError, nearest

NANO = "nano"
REACHED_WITHIN = 3.0
"""Seconds in which the Hub must take a connection; its own library would try again for half a minute."""
ON = ("1", "ON", "YES", "TRUE")
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
UNREACHED = "it is neither on this disk nor could the Hugging Face Hub be reached"
FIX = "use 'nano' (bundled), a local folder with safetensors weights, or a Hub name with the network up"


def refuse_missing_base(name: str) -> None:
    """Raises ModelError, within seconds, for a folder that is no base, or a name on a Hub that cannot be reached."""
    if folder_of(name) is not None or cached("models", name) or hub_reached():
        return
    what = UNREACHED if "/" in name else f"there is no base of this name{nearest(name, [NANO])}"
    raise ModelError(what, where="base", value=name, fix=FIX)


def is_base(name: str) -> bool:
    """nano, a folder that save_pretrained wrote, or a name with a slash that is no folder here."""
    folder = Path(name)
    return name == NANO or (folder / "config.json").is_file() or ("/" in name and not folder.exists())


def folder_of(name: str) -> Path | None:
    """The folder of a base on this disk, `nano` for the bundled one; None for what may be a name on the Hub. Raises
    ModelError for a folder without a model."""
    path = Path(name).expanduser()
    if name == NANO:
        return path
    try:
        there = path.exists()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelError(f"no base can have this name: {reason}", where="base", value=name, fix=FIX) from error
    if not there:
        if name.count("/") > 1 or name.startswith((".", "/", "~")):
            what = f"there is no such base folder{nearest(path.name, _beside(path))}"
            raise ModelError(what, where="base", value=name, fix="check the path")
        return None
    if not (path / "config.json").is_file():
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8]) if path.is_dir() else "a file"
        raise ModelError(
            f"this is not a model folder: config.json is missing (it holds {inside or 'nothing'})",
            where="base",
            value=name,
            fix="give the folder that save_pretrained wrote, with config.json and *.safetensors",
        )
    return path


def _beside(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []


def hub_home() -> Path:
    """Where the Hub's libraries keep what they have fetched."""
    return Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())


def cached(kind: str, name: str) -> bool:
    """Whether the Hub's library has fetched this before; `kind` is models or datasets."""
    folder = Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub") / f"{kind}--{name.replace('/', '--')}"
    return any(folder.glob("snapshots/*/*"))


def hub_reached() -> bool:
    """Whether the Hub takes connections now. Behind a proxy that is not tried; where the library is told to stay
    offline, it does not."""
    if any(os.environ.get(name, "").upper() in ON for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        return False
    if any(os.environ.get(name) for name in PROXIES):
        return True
    place = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    return _connects(place.hostname or "", place.port or (80 if place.scheme == "http" else 443))


def _connects(host: str, port: int) -> bool:
    """In a thread of its own: looking up a name knows no bound of time."""
    reached: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=REACHED_WITHIN).close()
        except OSError:
            return
        reached.append(True)

    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(REACHED_WITHIN)
    return bool(reached)
