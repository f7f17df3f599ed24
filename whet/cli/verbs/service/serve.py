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
NAMED = "add --engine http://HOST:PORT/v1"
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
    engine: Annotated[
        str, typer.Option("--engine", metavar="URL", help="Let this server write the answers: vLLM, SGLang, ...")
    ] = "",
    engine_kind: Annotated[
        str,
        typer.Option(
            "--engine-kind", metavar="KIND", help="vllm, sglang, llama.cpp, whet or openai; default: what it says."
        ),
    ] = "",
    engine_key: Annotated[
        str, typer.Option("--engine-key", metavar="NAME", help="Environment variable that holds its key.")
    ] = "",
    engine_model: Annotated[
        list[str] | None,
        typer.Option("--engine-model", metavar="NAME=THERE", help="What a model is called there; may be repeated."),
    ] = None,
    engine_adapters: Annotated[
        int, typer.Option("--engine-adapters", min=1, metavar="N", help="Adapters that are loaded there at once.")
    ] = 32,
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
    there = pairs_of(engine_model or [], "--engine-model", "NAME=THERE")
    refuse_alone(engine, documents, {"kind": engine_kind, "key": engine_key, "model": "".join(there)})
    usual = [] if there else ["nano"]
    settings = Settings(
        home=home,
        database=database,
        host=host,
        port=port,
        auth=not no_auth,
        models=tuple(models or usual),
        aliases=pairs_of(alias or [], "--alias", "NAME=MODEL"),
        runs=runs,
        documents=documents,
        documents_encoder=documents_encoder,
        documents_encoder_url=documents_encoder_url,
        documents_encoder_key=documents_encoder_key,
        documents_by=documents_by,
        workers=count,
        ray=ray,
        engine=engine,
        engine_kind=engine_kind,
        engine_key=engine_key,
        engine_models=there,
        engine_adapters=engine_adapters,
        slots=slots,
        code_graders=code_graders,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        traces=traces.value,
        traces_days=traces_days,
        most_traces=most_traces,
    )
    shown = json_ or sys.stdout.isatty()  # a first key must not end in somebody's log
    with parts_installed():
        from whet.web.studio import add_studio
    server.serve(settings, lambda url, key: announce(settings, url, key, json_), give_key=shown, dress=add_studio)
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


def pairs_of(given: list[str], option: str, form: str) -> dict[str, str]:
    """{what stands before the first =: what stands behind it}. Raises InputError for what is no pair."""
    pairs = {}
    for pair in given:
        name, sign, model = pair.partition("=")
        if not (name and sign and model):
            raise InputError("this is no pair of names", where=option, value=pair, fix=f"write {form}")
        pairs[name] = model
    return pairs


def refuse_alone(engine: str, documents: Path | None, of_engine: dict[str, str]) -> None:
    """Raises InputError for options that do nothing without an engine, and for what an engine does not do."""
    lonely = next((name for name, value in of_engine.items() if value), None)
    if lonely and not engine:
        raise InputError("this says something of an engine, and none is named", where=f"--engine-{lonely}", fix=NAMED)
    if engine and documents is not None:
        what = "the service's own engine alone answers from documents"
        raise InputError(what, where="--documents", value=str(documents), fix="leave out --documents, or --engine")


def announce(settings: Settings, url: str, key: str | None, json_: bool) -> None:
    """Says where the service is, and the first key, which is shown this once."""
    from whet.cli.render import Screen

    screen = Screen(json_)
    names = [*dict.fromkeys((*settings.models, *settings.engine_models))]
    screen.say(f"serving {', '.join(names)} at {url}")
    if settings.engine:
        screen.say(f"answers are written by {settings.engine}")
    if key:
        screen.say(f"first key, shown this once: {key}")
        screen.say("it may do everything; make others with: whet keys create NAME")
    if not settings.auth:
        screen.say("no keys are asked for: whoever uses this machine may do everything")
    screen.say(f"try: curl {url}/models" + (' -H "Authorization: Bearer $KEY"' if settings.auth else ""))
    screen.finish({"url": url, "key": key, "models": names})
