"""Where a run is trained: a service that speaks OpenAI's fine-tuning API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from whet.errors import InputError
from whet.generation.chat_client import ChatClient
from whet.generation.collection.sources import is_url, refuse_secret_url
from whet.model_server import secret_of
from whet.recipe.schema import Recipe
from whet.store import identity

LONGEST_NAME = 99


@dataclass(frozen=True, slots=True)
class Place:
    """`url` reaches as far as /v1. `key` names the environment variable with the API key. `model` is what the service
    calls the base."""

    url: str
    model: str
    key: str | None = None

    def client(self, retries: int = 4) -> ChatClient:
        return ChatClient(self.url, self.model, self.key, retries=retries)


def place_of(recipe: Recipe, url: str, key: str | None = None, model: str | None = None) -> Place:
    """Raises InputError for what is no address, a key that is not set, and a base that no service can know."""
    if not is_url(url):
        raise InputError(
            "this is no address of a service", where="--at", value=url, fix="as in --at http://HOST:PORT/v1"
        )
    refuse_secret_url(url, "--at")
    if key:
        secret_of(key)

    if model is None and recipe.base.startswith((".", "/", "~")):
        what = "the base is a folder of this machine, and the service has a name of its own for it"
        raise InputError(what, where="base", value=recipe.base, fix="add --at-model NAME, as GET /v1/models lists it")

    url = url.rstrip("/")
    return Place(url if urlsplit(url).path else f"{url}/v1", model or recipe.base, key)


def name_at(recipe: Recipe, place: Place) -> str:
    """The name of the run: that of the local one, and where it is trained."""
    host = re.sub(r"[^a-z0-9]+", "-", urlsplit(place.url).netloc.lower()).strip("-")
    return f"{identity.default_name(recipe, *identity.identity(recipe))}-at-{host}"[:LONGEST_NAME].rstrip("-")
