"""/v1/models: what may be asked, and taking a tuned model off the list."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request

from whet.server.access.caller import Inferring, Training
from whet.server.errors import ApiError
from whet.server.service import service_of

router = APIRouter(prefix="/v1", tags=["models"])
PATH = "/v1/models/"


@router.get("/models")
def list_models(request: Request, caller: Inferring) -> dict[str, Any]:
    """All models that this project may ask, with what each was tuned from."""
    models = service_of(request).answering.catalogue.listed(caller.project)
    return {"object": "list", "data": [model.facts() for model in models]}


@router.get("/models/{name:path}")
def retrieve_model(request: Request, name: str, caller: Inferring) -> dict[str, Any]:
    """One model."""
    return service_of(request).answering.catalogue.find(_raw_name(request, name), caller.project).facts()


@router.delete("/models/{name:path}")
def delete_model(request: Request, name: str, caller: Training) -> dict[str, Any]:
    """Takes a tuned model of the project from the list; its run stays."""
    name = _raw_name(request, name)
    service_of(request).answering.catalogue.remove(name, caller.project)
    return {"id": name, "object": "model", "deleted": True}


def _raw_name(request: Request, name: str) -> str:
    """Names of the Hub hold a slash, which clients send as %2F, and some servers decode before anybody asks."""
    raw = request.scope.get("raw_path", b"").partition(b"?")[0]
    _, prefix, rest = raw.partition(PATH.encode())
    if not prefix:
        return name
    try:
        return unquote(rest.decode("ascii"), errors="strict")
    except UnicodeDecodeError as error:
        raise ApiError(404, "No model has such a name.", code="model_not_found", param="model") from error
