"""Which names Whet gave and which a person gave: what a person named is nobody's to throw away."""

from __future__ import annotations

import re
from pathlib import Path

from whet.store import identity
from whet.store.run import Run

SHARE = re.compile(r"(.+)-(0\.\d+)")
"""A run of a learning curve: the run of all rows, and the share of them (whet/verbs/studies/curve.py)."""


def stem_of(run: Run) -> str | None:
    """The name of the data in a run's name; None where a person named it. A date looks like eight hexadecimal digits,
    too: `mail-20261129` is only Whet's where these are the hash of its recipe and data. Raises WhetError for a damaged
    run."""
    facts = run.read_json("run.json")
    hashes = (str(facts.get(key)) for key in ("recipe_sha256", "data_sha256"))

    name = identity.default_name(run.requested, *hashes)
    if run.name == name:
        return run.name.rpartition("-")[0]
    return None


def given_by_whet(run: Run) -> bool:
    """Whether nobody chose the run's name: in doubt somebody did. Raises WhetError for a damaged run."""
    share = SHARE.fullmatch(run.name)
    if share and run.requested.split.train_share == float(share[2]):
        whole = run.folder.parent / share[1]
        return (whole / "run.json").is_file() and stem_of(Run(whole)) is not None
    return stem_of(run) is not None


def longer(stem: str, source: str) -> str:
    """The name of a model whose shorter one another file has: with the folder of its data before it."""
    folder = re.sub(r"[^a-z0-9]+", "-", Path(source).parent.name.lower()).strip("-")[:40]
    return f"{folder}-{stem}" if folder else stem


def could_be(model: str, stem: str, source: str) -> bool:
    """Whether a run of this data may have registered itself under this name (model_registry.name_for)."""
    with_folder = longer(stem, source)
    return model in (stem, with_folder) or re.fullmatch(rf"{re.escape(with_folder)}-\d+", model) is not None
