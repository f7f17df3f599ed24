"""Files of a release name no folder of this disk: FOLDER stands for the release itself, BASE for a base that has no
name on the Hub. On this disk both are found again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from whet.errors import ModelError, WhetError
from whet.model.base import locate
from whet.model.base_identity import PLACEHOLDER, BaseFacts
from whet.recipe.bases import NANO
from whet.release.consumers.protocol import Served
from whet.release.tuned import Tuned
from whet.reports.proof_facts import ServedFacts
from whet.store.reading import read_json_file

FOLDER = "FOLDER"
KEPT = ("main", "dtype", "compute", "quantised", "trust_remote_code", "more")
"""What release.json holds of how a consumer opens it."""
PATH = re.compile(r"(?<![\w/:.~<])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"`,;:()<>]+[/\\])+([^\s/\\'\"`,;:()<>]*)")
"""A whole path of some folders, and its last name."""


def with_places(commands: Mapping[str, str], folder: str, base: str) -> dict[str, str]:
    """Text to copy, with a folder and a base in it."""
    return {name: text.replace("{folder}", folder).replace("{base}", base) for name, text in commands.items()}


def without_places(value: Any) -> Any:
    """Texts for people with the last name of each path alone."""
    if isinstance(value, str):
        return PATH.sub(lambda found: found[1], value)
    if isinstance(value, dict):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    return value


def stored(place: Served, model: Tuned) -> ServedFacts:
    """How a consumer opened it, for release.json; `opened` is the way back."""
    base = model.identity.reference if place.base == model.base else place.base
    return cast(ServedFacts, {key: getattr(place, key) for key in KEPT} | {"folder": None, "base": base})


def opened(kept: ServedFacts, folder: Path, facts: BaseFacts, root: Path | str, base: str | None) -> Served:
    """How a consumer opens a release that lies in `folder` now. `facts` is release.json, `base` a base that the user
    gives. Raises ModelError where an adapter's base is not at hand."""
    told: dict[str, Any] = {**kept, "folder": folder}
    served = Served(**told)
    if not served.base or (folder / served.base).exists():
        return served

    if base is not None:
        place = locate(base)
    elif served.base == PLACEHOLDER:
        place = base_at_hand(folder, facts, root)
    else:
        place = served.base
    return replace(served, base=place)


def base_at_hand(folder: Path, facts: BaseFacts, root: Path | str) -> str:
    """The bundled base by its name; others by their weights, over which a run of this disk was trained. Raises
    ModelError where there is none."""
    if facts["base"] == NANO:
        return locate(NANO)

    roots, run = [Path(root)], folder.absolute().parent.parent
    if (run / "run.json").is_file():  # it lies in release/ of its run
        roots.append(run.parent)

    wanted = facts.get("base_fingerprint")
    for file in [file for one in roots for file in sorted(one.glob("*/model/whet.json"))]:
        with suppress(WhetError, OSError):
            known = read_json_file(file, "base", "base_fingerprint")
            if wanted and known["base_fingerprint"] == wanted and Path(place := locate(known["base"])).exists():
                return place

    what = f"the base that this adapter lies over is not at hand: {facts['base']}, weights {str(wanted)[:16]}"
    raise ModelError(what, where=str(folder), fix="say where it is: --base FOLDER")
