"""Whether a base, or a set on the Hub, can be had at all: known before anything heavy is imported. Torch-free."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from whet.errors import ModelError, nearest

NANO = "nano"
GGUF, GGUF_MAGIC = ".gguf", b"GGUF"
HUB_PART, FILE_PART = re.compile(r"[A-Za-z0-9][\w.-]*"), re.compile(r"\w[\w. -]*\.gguf", re.IGNORECASE)
"""Names on the Hub, and of a file there: nothing that leads out of its folder."""
REACHED_WITHIN = 3.0
"""Seconds in which the Hub must take a connection; its own library would try again for half a minute."""
ON = ("1", "ON", "YES", "TRUE")
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
UNREACHED = "it is neither on this disk nor could the Hugging Face Hub be reached"
FIX = "use 'nano' (bundled), a local folder with safetensors weights, a .gguf file, or a Hub name with the network up"


def refuse_missing_base(name: str) -> None:
    """Raises ModelError, within seconds, for a folder that is no base, or a name on a Hub that cannot be reached."""
    if folder_of(name) is not None or cached("models", name) or hub_reached():
        return
    if "/" in name:
        what = UNREACHED
    else:
        what = f"there is no base of this name{nearest(name, [NANO])}"
    raise ModelError(what, where="base", value=name, fix=FIX)


def is_base(name: str) -> bool:
    """nano, a folder that save_pretrained wrote, a GGUF file, or a name with a slash that is no folder here."""
    folder = Path(name)
    here = (folder / "config.json").is_file() or gguf_of(folder) is not None
    return name == NANO or here or ("/" in name and not folder.exists())


def folder_of(name: str) -> Path | None:
    """The folder of a base on this disk, or its GGUF file (see `gguf_of`), `nano` for the bundled one; None for what
    may be a name on the Hub. Raises ModelError for a folder without a model."""
    path = in_hub_cache(name) or Path(name).expanduser()
    if name == NANO:
        return path

    try:
        there = path.exists()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelError(f"no base can have this name: {reason}", where="base", value=name, fix=FIX) from error

    if not there:
        if name.count("/") > 1 or name.startswith((".", "/", "~")) or path.suffix.lower() == GGUF:
            what = f"there is no such base folder{nearest(path.name, _beside(path))}"
            fix = "check the path"

            if path.suffix.lower() == GGUF:
                what = what.replace("base folder", "GGUF file")
                fix += ", or fetch it from the Hub first: hf download OWNER/MODEL FILE.gguf"
            raise ModelError(what, where="base", value=name, fix=fix)

        return None
    if gguf_of(path):
        return path
    if not (path / "config.json").is_file():
        if path.is_dir():
            inside = ", ".join(sorted(p.name for p in path.iterdir())[:8])
        else:
            inside = "a file"
        raise ModelError(
            f"this is not a model folder: config.json is missing (it holds {inside or 'nothing'})",
            where="base",
            value=name,
            fix="give the folder that save_pretrained wrote, with config.json and *.safetensors",
        )

    return path


def gguf_base(name: str) -> Path | None:
    """The GGUF file that this base is, or None. Raises ModelError as `folder_of` does."""
    path = None if name == NANO else folder_of(name)
    return gguf_of(path) if path else None


def gguf_of(path: Path) -> Path | None:
    """The GGUF file that a path means: itself, or the only one in a folder without a config.json. Raises ModelError for
    a folder with several, and a file of that name that is none."""
    if path.is_dir():
        files = sorted(path.glob(f"*{GGUF}"))
        if not files or (path / "config.json").is_file():
            return None
        if len(files) > 1:
            inside = ", ".join(file.name for file in files[:8])
            what = f"there are {len(files):,} GGUF files in this folder, and one of them is a base"
            raise ModelError(what, where="base", value=str(path), fix=f"name one of them: {inside}")

        path = files[0]

    if not path.is_file():
        return None

    with suppress(OSError), path.open("rb") as file:
        if file.read(len(GGUF_MAGIC)) == GGUF_MAGIC:
            return path

    if path.suffix.lower() == GGUF:
        what = "this is no GGUF file: it does not begin with 'GGUF', or cannot be read"
        raise ModelError(what, where="base", value=str(path), fix="copy or download the file again")

    return None


def in_hub_cache(name: str) -> Path | None:
    """A GGUF file, or the folder with the only one, of a model that the Hub's library has fetched: `owner/model`, or
    `owner/model/file.gguf`."""
    owner, _, rest = name.partition("/")
    model, _, file = rest.partition("/")
    if not HUB_PART.fullmatch(owner) or not HUB_PART.fullmatch(model) or Path(name).expanduser().exists():
        return None

    commit = hub_commit("models", f"{owner}/{model}")
    if commit is None or not HUB_PART.fullmatch(commit):
        return None

    snapshot = _hub_folder("models", f"{owner}/{model}") / "snapshots" / commit
    found = snapshot / (file if FILE_PART.fullmatch(file) else "")
    if file and found.name != file:
        return None

    with suppress(ModelError):
        return found if gguf_of(found) else None
    return found


def _beside(path: Path) -> list[str]:
    if path.parent.is_dir():
        return [one.name for one in path.parent.iterdir()]
    return []


def hub_home() -> Path:
    """Where the Hub's libraries keep what they have fetched."""
    return Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())


def cached(kind: str, name: str) -> bool:
    """Whether the Hub's library has fetched this before; `kind` is models or datasets."""
    return any(_hub_folder(kind, name).glob("snapshots/*/*"))


def _hub_folder(kind: str, name: str) -> Path:
    return Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub") / f"{kind}--{name.replace('/', '--')}"


def hub_commit(kind: str, name: str) -> str | None:
    """Which state of a model or set (`owner/name`) the Hub's library fetched last; None for what it never fetched."""
    try:
        return (_hub_folder(kind, name) / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None


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
