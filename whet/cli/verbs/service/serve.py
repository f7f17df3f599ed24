"""`whet serve`: the API that OpenAI's clients speak, over models that were tuned here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import Json
from whet.errors import InputError

if TYPE_CHECKING:
    from whet.server.settings import Settings

HOME = Path("service")
Home = Annotated[
    Path, typer.Option("--home", metavar="FOLDER", help="Where files, runs and the database of the service are kept.")
]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="WHET_DATABASE",
        help="Postgres, where several machines share it; default: SQLite.",
    ),
]


class TraceChoice(StrEnum):
    content = "content"
    counts = "counts"
    off = "off"


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Bases, runs and named models to serve; default: nano."),
    ] = None,
    home: Home = HOME,
    database: DatabaseUrl = "",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0 takes a free one.")] = 8000,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no keys; on this machine alone.")] = False,
    alias: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL", help="Another name of a model; may be repeated.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option("--runs", metavar="FOLDER", help="Serve the named models of these runs, too.")
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option(
            "--documents", metavar="FOLDER", help="Answer from the texts in it, as they are at each question."
        ),
    ] = None,
    documents_encoder: Annotated[
        str,
        typer.Option(
            "--documents-encoder", metavar="MODEL", help="Find passages by this encoder's vectors; default: by words."
        ),
    ] = "",
    documents_by: Annotated[
        Literal["bm25", "dense", "both"] | None,
        typer.Option("--documents-by", help="Find passages by words, by vectors (dense) or by both."),
    ] = None,
    documents_encoder_url: Annotated[
        str, typer.Option("--documents-encoder-url", metavar="URL", help="Where the encoder answers, as far as /v1.")
    ] = "",
    documents_encoder_key: Annotated[
        str, typer.Option("--documents-encoder-key", metavar="NAME", help="Environment variable with the key for it.")
    ] = "",
    workers: Annotated[
        str, typer.Option(metavar="N/URL", help="Jobs that train at once; or a Ray cluster that trains them.")
    ] = "1",
    slots: Annotated[int, typer.Option(min=1, metavar="N", help="Answers that a base writes at once.")] = 32,
    code_graders: Annotated[
        bool, typer.Option("--code-graders", help="Let graders of jobs be Python code; it runs in the sandbox.")
    ] = False,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of a key that has no limit of its own.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of a key that has no limit of its own.")
    ] = None,
    traces: Annotated[
        TraceChoice, typer.Option("--traces", help="Keep of each answer its numbers, these with texts, or nothing.")
    ] = TraceChoice.counts,
    traces_days: Annotated[float, typer.Option(min=0.01, metavar="N", help="How long traces are kept.")] = 30.0,
    most_traces: Annotated[
        int, typer.Option(min=1, metavar="N", help="Traces of a project; the oldest make room.")
    ] = 1_000_000,
    json_: Json = False,
) -> None:
    """Serve models, files and fine-tuning jobs to OpenAI's clients. Ctrl-C lets answers end, and stops.

    Example: whet serve nano --alias gpt-4o-mini=nano
    """
    server = server_room()
    from whet.server.jobs.cluster.address import parse_workers
    from whet.server.settings import Settings

    count, ray = parse_workers(workers)
    settings = Settings(
        home=home,
        database=database,
        host=host,
        port=port,
        auth=not no_auth,
        models=tuple(models or ["nano"]),
        aliases=aliases_of(alias or []),
        runs=runs,
        documents=documents,
        documents_encoder=documents_encoder,
        documents_encoder_url=documents_encoder_url,
        documents_encoder_key=documents_encoder_key,
        documents_by=documents_by,
        workers=count,
        ray=ray,
        slots=slots,
        code_graders=code_graders,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        traces=traces.value,
        traces_days=traces_days,
        most_traces=most_traces,
    )
    shown = json_ or sys.stdout.isatty()  # a first key must not end in somebody's log
    server.serve(settings, lambda url, key: announce(settings, url, key, json_), give_key=shown)
    print("stopped", file=sys.stderr)


def server_room() -> ModuleType:
    """What runs the service. Raises InputError where its parts are not installed."""
    with parts_installed(), without_garbage_collection():
        from whet.server import running
    return running


@contextmanager
def parts_installed() -> Iterator[None]:
    """Within this block the service's parts are imported. Raises InputError where one is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        what = f"the service needs {error.name}, which is not installed"
        raise InputError(what, fix="pip install 'whet[server]'") from error


def aliases_of(given: list[str]) -> dict[str, str]:
    """{name: model}. Raises InputError for what is no pair."""
    pairs = {}
    for pair in given:
        name, sign, model = pair.partition("=")
        if not (name and sign and model):
            raise InputError("this is no alias", where="--alias", value=pair, fix="write NAME=MODEL")
        pairs[name] = model
    return pairs


def announce(settings: Settings, url: str, key: str | None, json_: bool) -> None:
    """Says where the service is, and the first key, which is shown this once."""
    from whet.cli.render import Screen

    screen = Screen(json_)
    screen.say(f"serving {', '.join(settings.models)} at {url}")
    if key:
        screen.say(f"first key, shown this once: {key}")
        screen.say("it may do everything; make others with: whet keys create NAME")
    if not settings.auth:
        screen.say("no keys are asked for: whoever uses this machine may do everything")
    screen.say(f"try: curl {url}/models" + (' -H "Authorization: Bearer $KEY"' if settings.auth else ""))
    screen.finish({"url": url, "key": key, "models": list(settings.models)})
