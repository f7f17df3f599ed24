"""`whet keys`: keys of the service: make, list, revoke; and the book of who did."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whet.cli.options import Json, options_first
from whet.cli.verbs.service.serve import HOME, DatabaseUrl, Home, parts_installed
from whet.errors import InputError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from whet.server.access.keys import Key, KeyRing

app = typer.Typer(invoke_without_command=True)


@app.callback()
def keys(context: typer.Context, home: Home = HOME, database: DatabaseUrl = "", json_: Json = False) -> None:
    """Make, list and revoke the keys of the service; without a verb of its own: list.

    Example: whet keys
    """
    if context.invoked_subcommand is None:
        listing(home=home, database=database, json_=json_)
    elif json_ or home != HOME or database:
        raise options_first("keys", context.invoked_subcommand)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people; as laptop, or nightly-job.")],
    project: Annotated[
        str, typer.Option(metavar="NAME", help="Whose files, jobs and models it sees; made where it is new.")
    ] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="infer|train|admin", help="What it may do; default: infer and train.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    home: Home = HOME,
    database: DatabaseUrl = "",
    json_: Json = False,
) -> None:
    """Make a key. Its secret is shown once, and kept as a hash.

    Example: whet keys create nightly --project support --scope train
    """
    ring = ring_of(home, database)
    from whet.cli.render import Screen
    from whet.server.access.caller import INFER, SCOPES, TRAIN

    wanted = scope or [INFER, TRAIN]
    odd = next((one for one in wanted if one not in SCOPES), None)
    if odd:
        what = f"there is no such scope{nearest(odd, SCOPES)}"
        raise InputError(what, where="--scope", value=odd, fix=f"give {', '.join(SCOPES)}")

    limits = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    key, secret = ring.create(name, project, wanted, **limits)
    screen = Screen(json_)
    screen.say(
        f"{key.id}: may {', '.join(key.scopes)} in project {key.project_name!r}\nsecret, shown this once: {secret}"
    )
    screen.finish(told(key) | {"secret": secret})


@app.command("list")
def listing(home: Home = HOME, database: DatabaseUrl = "", json_: Json = False) -> None:
    """List all keys, without their secrets.

    Example: whet keys list
    """
    ring = ring_of(home, database)
    from whet.cli import render

    found = ring.listed()
    screen = render.Screen(json_)
    head = ["key", "name", "project", "may", "made", "state"]
    rows = []
    for key in found:
        made = datetime.fromtimestamp(key.created_at).strftime("%Y-%m-%d")
        state = "revoked" if key.revoked_at else "in use"
        rows.append([key.id, key.name, key.project_name, ", ".join(key.scopes), made, state])
    if rows:
        screen.show(render.table(head, rows))
    else:
        screen.say("no keys yet; make one with: whet keys create NAME")
    screen.finish({"keys": [told(key) for key in found]})


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As whet keys list shows it: key_...")],
    home: Home = HOME,
    database: DatabaseUrl = "",
    json_: Json = False,
) -> None:
    """Let a key do nothing any more, at once.

    Example: whet keys revoke key_1x2y3z
    """
    ring = ring_of(home, database)
    from whet.cli.render import Screen

    ring.revoke(key)
    screen = Screen(json_)
    screen.say(f"{key} may do nothing any more")
    screen.finish({"id": key, "revoked": True})


def ring_of(home: Path, url: str) -> KeyRing:
    """The keys of the service, which need not have been started yet. Loads nothing that answers or trains."""
    with parts_installed():
        from whet.server.access.keys import KeyRing
        from whet.server.database.opening import open_database
        from whet.server.settings import Settings

    if not url:
        home.mkdir(parents=True, exist_ok=True)
    return KeyRing(open_database(Settings(home=home, database=url).database_url))


def told(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "project": key.project_name,
        "scopes": list(key.scopes),
        "requests_per_minute": key.requests_per_minute,
        "tokens_per_minute": key.tokens_per_minute,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
