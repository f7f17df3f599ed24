"""The candidates of a choice: bases on this machine or the Hub, and models behind a URL with a price."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from whet.errors import InputError
from whet.generation.collection.sources import refuse_secret_url
from whet.model_server import secret_of
from whet.recipe.bases import refuse_missing_base
from whet.recipe.sections.compare import RemoteModel
from whet.selection.same_bits import weights_key

URL_FORM = re.compile(r"(?P<url>https?://[^#\s]+)#(?P<model>.+?)(?:@(?P<price_in>[\d.]+)/(?P<price_out>[\d.]+))?")
AS_URL = "write URL#MODEL@IN/OUT, in dollars a million tokens: http://localhost:8000/v1#big@0.15/0.60"


@dataclass(frozen=True, slots=True)
class Candidate:
    """`name` as it was given; `remote` where it is a model behind a URL, which is only asked."""

    name: str
    remote: RemoteModel | None = None

    @property
    def slug(self) -> str:
        """For the name of a run: the last part of the name, in letters that may stand there."""
        last = re.split(r"[/\\]", self.name.rstrip("/\\"))[-1]
        return re.sub(r"[^a-z0-9.]+", "-", last.lower()).strip("-.")[:30] or "base"


def read_candidates(bases: str | Iterable[str | Mapping[str, Any]], listed: Sequence[RemoteModel]) -> list[Candidate]:
    """From what `bases` names, in its order: a text is split at commas; a model that the recipe lists under
    compare.remote may be named by its model name. Raises InputError, ModelError."""
    if isinstance(bases, str):
        bases = bases.split(",")
    by_model = {remote.model: remote for remote in listed}
    candidates = []
    for base in bases:
        if isinstance(base, Mapping):
            candidates.append(_from_keys(base))
        elif name := str(base).strip():
            candidates.append(Candidate(name, _remote(name, by_model)))

    if not candidates:
        raise InputError("no base is named", where="--bases", fix="as in: --bases nano,HuggingFaceTB/SmolLM2-135M")
    refuse_twice(candidates)
    for candidate in candidates:
        _refuse_unready(candidate)
    refuse_same_weights(candidates)
    return candidates


def _remote(name: str, listed: Mapping[str, RemoteModel]) -> RemoteModel | None:
    """None for a base. Raises InputError for a URL that is not written as one is."""
    if name in listed:
        return listed[name]
    if not name.startswith(("http://", "https://")):
        return None

    match = URL_FORM.fullmatch(name)
    if match is None:
        raise InputError("this URL does not say which model is asked", where="--bases", value=name, fix=AS_URL)
    keys = {key: value for key, value in match.groupdict().items() if value is not None}
    return _from_keys(keys).remote


def _from_keys(keys: Mapping[str, Any]) -> Candidate:
    """Raises InputError for keys that are not those of compare.remote."""
    try:
        remote = RemoteModel.model_validate(dict(keys))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"bases, {'.'.join(map(str, first['loc']))}"
        fix = "give the keys of compare.remote: model, url, price_in, price_out, key"
        raise InputError(
            f"this is no model at a URL: {first['msg']}", where=where, value=dict(keys), fix=fix
        ) from error
    return Candidate(remote.model, remote)


def _refuse_unready(candidate: Candidate) -> None:
    """Raises ModelError for a base that cannot be had, InputError for a URL without a price, or without its key."""
    remote = candidate.remote
    if remote is None:
        refuse_missing_base(candidate.name)
        return

    if remote.price_in is None or remote.price_out is None:
        what = "a model behind a URL is chosen by its price, and none is given"
        fix = f"{AS_URL}; 0/0 if it costs nothing"
        raise InputError(what, where="--bases", value=candidate.name, fix=fix)
    refuse_secret_url(remote.url, "bases")
    if remote.key:
        secret_of(remote.key)


def refuse_twice(candidates: Sequence[Candidate]) -> None:
    """Raises InputError for two candidates of one name, or the same model at the same URL."""
    seen: set[object] = set()
    for candidate in candidates:
        key: object = candidate.name
        if candidate.remote is not None:
            key = (candidate.remote.url.rstrip("/"), candidate.remote.model)
        if key in seen:
            fix = "name each base once"
            raise InputError("this base is named twice", where="--bases", value=candidate.name, fix=fix)
        seen.add(key)


def refuse_same_weights(candidates: Sequence[Candidate]) -> None:
    """Raises InputError for two names of the same weights: they would be measured as if they were two."""
    by_key: dict[str, str] = {}
    for candidate in candidates:
        if candidate.remote is not None:
            continue

        key = weights_key(candidate.name)
        if key in by_key:
            what = f"{by_key[key]} and {candidate.name} are the same base: their weights are the same"
            raise InputError(what, where="--bases", value=candidate.name, fix="name one of them")
        by_key[key] = candidate.name
