"""/v1/traffic: versions that are tried beside the live ones of named models; begin, look, end, and roll back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Request

from whet.errors import InputError
from whet.server.access.audit import note
from whet.server.access.caller import Administering, Caller
from whet.server.errors import ApiError
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.service import Service, service_of
from whet.server.traffic.seen import read_seen
from whet.verbs.versions.promotion import roll_back
from whet.verbs.versions.traffic import begin, end, traffic

router = APIRouter(prefix="/v1", tags=["traffic"])


class TrialBody(WholeBody):
    """`share` of the clients, from 0 to 1; left out: 0.1 of a canary, 0.5 of an A/B test, 1 of a shadow."""

    kind: Literal["canary", "shadow", "ab"]
    version: int
    share: float | None = None


@router.get("/traffic")
def list_traffic(request: Request, caller: Administering) -> dict[str, Any]:
    """All versions that are tried."""
    listed = service_of(request).answering.catalogue.listed(caller.project)
    tried = {model.named.partition("@")[0]: asdict(model.trial) for model in listed if model.trial is not None}
    return {"object": "list", "data": [{"object": "traffic", "model": name} | facts for name, facts in tried.items()]}


@router.get("/traffic/{name}")
def retrieve_traffic(request: Request, name: str, caller: Administering) -> dict[str, Any]:
    """What is tried beside the live version: requests, clients and feedback of the project by version, and of an A/B
    test the difference and what to do."""
    service = service_of(request)
    return _state(service, _name_of(service, name, caller), caller)


@router.post("/traffic/{name}")
def begin_traffic(request: Request, name: str, body: TrialBody, caller: Administering) -> dict[str, Any]:
    """Begins to try a version, or changes the share of the one that is tried."""
    refuse_unknown(body, {})
    service = service_of(request)
    name = _name_of(service, name, caller)
    if body.kind != "canary" and service.settings.traces == "off":
        what = "This service keeps no traces, so nothing could be seen: start it without --traces off."
        raise ApiError(400, what, code="traces_off", param="kind")
    root = service.answering.catalogue.root
    with_key = caller.key or "no key"
    try:
        begin(body.kind, name, body.version, body.share, root, with_key)
    except InputError as error:
        raise _refused(error) from error
    share = {"kind": body.kind, "share": body.share}
    _audit(service, caller, "traffic.begun", f"{name}@{body.version}", **share)
    return _state(service, name, caller)


@router.delete("/traffic/{name}")
def end_traffic(request: Request, name: str, caller: Administering) -> dict[str, Any]:
    """The live version answers everybody."""
    service = service_of(request)
    name = _name_of(service, name, caller)
    try:
        ended = end(name, service.answering.catalogue.root, caller.key or "no key")["ended"]
    except InputError as error:
        raise _refused(error) from error
    _audit(service, caller, "traffic.ended", f"{name}@{ended['version']}", kind=ended["kind"])
    return {"object": "traffic", "model": name, "ended": ended}


@router.post("/traffic/{name}/roll_back")
def roll_back_model(request: Request, name: str, caller: Administering) -> dict[str, Any]:
    """The version that was live before is live again, and what was tried has ended."""
    service = service_of(request)
    name = _name_of(service, name, caller)
    try:
        done = roll_back(name, service.answering.catalogue.root, caller.key or "no key")
    except InputError as error:
        raise _refused(error) from error
    _audit(service, caller, "model.rolled_back", f"{name}@{done['current']}", was=done["was"])
    return {"object": "traffic", "model": name, "live": done["current"], "was": done["was"]}


def _name_of(service: Service, model: str, caller: Caller) -> str:
    """Of the named model, also where an alias of it is given. Raises ApiError 404, 400 for another kind of model."""
    served = service.answering.catalogue.find(model, caller.project)
    name, _, version = served.named.partition("@")
    if not name or model.endswith(f"@{version}"):
        what = f"{model!r} is no named model, and has no versions: those that have are listed by whet models."
        raise ApiError(400, what, code="model_not_named", param="model")
    return name


def _state(service: Service, name: str, caller: Caller) -> dict[str, Any]:
    root = service.answering.catalogue.root
    state = traffic(name, None, root)
    if state["trial"] is not None:
        service.tracing.flush()
        state = traffic(name, read_seen(service.database, caller.project, state["trial"]["id"]), root)
    return {"object": "traffic", "model": name} | {key: value for key, value in state.items() if key != "name"}


def _refused(error: InputError) -> ApiError:
    """Without where its files lie."""
    value = "" if error.value is None else f" (got {error.value!r})"
    return ApiError(400, f"{error.what}{value}; {error.fix}", code="invalid_value")


def _audit(service: Service, caller: Caller, act: str, what: str, **facts: Any) -> None:
    with service.database.write() as connection:
        note(connection, act, what, service.database.now(connection), project=caller.project, by=caller.key, **facts)
