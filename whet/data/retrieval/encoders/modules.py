"""What a folder says of its encoder: sentence-transformers' list of modules. Their code is never loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from whet.errors import ModelError


def read_json(path: Path) -> Any:
    """What a file of the encoder holds; {} where there is none. Raises ModelError for what is no JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        fix = "save the encoder again, as sentence-transformers does"
        raise ModelError(f"this file of an encoder cannot be read: {error}", where=str(path), fix=fix) from error


def module_paths(folder: Path) -> dict[str, str]:
    """{class: its folder within}, in the order in which a text goes through them; empty where there is no list. Raises
    ModelError."""
    listed = read_json(folder / "modules.json") or []
    try:
        return {str(each["type"]).rpartition(".")[2]: str(each["path"]) for each in listed}
    except (KeyError, TypeError) as error:
        fix = "save the encoder again, as sentence-transformers does"
        raise ModelError("this is no list of modules", where=str(folder / "modules.json"), fix=fix) from error
