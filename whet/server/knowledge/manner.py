"""How documents are cut and looked into: as the keys of `retrieval:` in a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from whet.errors import InputError
from whet.recipe.sections.retrieval import By, EncoderAt, Retrieval
from whet.server.knowledge.cuts import Cut
from whet.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index is of: pieces, and the encoder whose vectors it has beside their words."""

    cut: Cut = Cut()
    encoder: str | None = None
    at: EncoderAt | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    contents: Contents
    by: By


def manner_of_recipe(settings: Retrieval) -> Manner:
    cut = Cut(settings.words, settings.column)
    return Manner(Contents(cut, settings.encoder, settings.encoder_at), settings.by)


def manner_of_service(settings: Settings) -> Manner:
    """For models that were tuned without passages, and for searches without a model. Raises InputError for options
    that contradict each other."""
    encoder, url = settings.documents_encoder or None, settings.documents_encoder_url
    by = settings.documents_by or ("dense" if encoder else "bm25")
    if by != "bm25" and encoder is None:
        fix = "name one with --documents-encoder"
        raise InputError("finding passages by vectors needs an encoder", where="--documents-by", value=by, fix=fix)
    if by == "bm25" and encoder is not None:
        fix = "leave one of them out"
        raise InputError("passages are found by words alone", where="--documents-encoder", value=encoder, fix=fix)
    if url and encoder is None:
        fix = "name the model there with --documents-encoder"
        raise InputError("which encoder is meant there?", where="--documents-encoder-url", value=url, fix=fix)
    if settings.documents_encoder_key and not url:
        fix = "give the URL with --documents-encoder-url"
        value = settings.documents_encoder_key
        raise InputError("there is no server to give a key to", where="--documents-encoder-key", value=value, fix=fix)

    at = EncoderAt(url=url, key=settings.documents_encoder_key or None) if url else None
    return Manner(Contents(encoder=encoder, at=at), by)
