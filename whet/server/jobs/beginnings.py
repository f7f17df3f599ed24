"""What a job begins from: a base of the service, or a tuned model of the project, merged into one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Row, select

from whet.errors import nearest
from whet.model.saved_model import read_facts
from whet.server.bases import bases_of
from whet.server.database.identifiers import storable
from whet.server.database.tables import models
from whet.server.errors import ApiError, unsupported
from whet.server.settings import Settings
from whet.store.checksums import weights_digest
from whet.store.run import Run

DIGEST = 16
"""Characters of a digest that tell weights apart."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """`base` is what the recipe names. Of a tuned model that is where its merged weights will be, made from `run` by
    whoever first reads the job's files (children/merged_base.py)."""

    base: str
    run: str | None = None


def find_beginning(connection: Connection, model: str, settings: Settings, project: str) -> Beginning:
    """Raises ApiError 400 for a model that does not exist for this project, or that no job can go on from."""
    bases = bases_of(settings)
    if model in bases:
        return Beginning(bases[model])

    query = select(models).where(models.c.name == storable(model), models.c.project == project)
    row = connection.execute(query).first()
    if row is not None:
        return _of_tuned(row, settings.home)
    what = f"The model {model!r} does not exist or cannot be tuned{nearest(model, bases)}"
    raise ApiError(
        400, f"{what.rstrip('?;')}; the bases here are {', '.join(bases)}.", code="model_not_found", param="model"
    )


def _of_tuned(row: Row, home: Path) -> Beginning:
    folder = home / row.folder
    if not (folder / "run.json").is_file():
        raise unsupported("model", f"{row.name} is a checkpoint; go on from the model of its job.")
    facts = read_facts(Run(folder).model)
    if "head" in facts:
        raise unsupported("model", f"{row.name} gives scores and writes no words; name a model that does.")
    return Beginning(str(merged_folder(home, row.name, weights_digest(facts))), str(folder))


def merged_folder(home: Path, name: str, digest: str) -> Path:
    """Where the merged weights of a tuned model lie. Its last part is what reports call it."""
    return (home / "bases" / digest[:DIGEST] / re.sub(r"[^\w.-]+", "-", name)).absolute()
