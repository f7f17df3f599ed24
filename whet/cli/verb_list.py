"""The verbs of the command line: what each is called, where it is, and under which heading of `whet --help` it stands.

A verb is imported when it is asked for: a command pays for its own options alone, and `whet --help` for none.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import typer

import whet

QUIET = "--quiet"
HELP = ("-h", "--help")
COMPLETING = "_WHET_COMPLETE"
"""The variable by which a shell asks what may follow."""
START, DATA, TRAIN, MEASURE = "Start", "Data", "Train", "Measure"
USE, OPERATE, LOOK_BACK = "Use", "Operate", "Look back"
"""Headings of `whet --help`; the verbs of each are in the order in which they are named here."""


@dataclass(frozen=True, slots=True)
class Verb:
    """`place` is a module of whet/cli/verbs and its function; one with verbs of its own has them in `app` there."""

    name: str
    place: str
    heading: str
    has_verbs: bool = False

    @property
    def module(self) -> ModuleType:
        return import_module(f"whet.cli.verbs.{self.place.partition(':')[0]}")

    @property
    def function(self) -> Any:
        return getattr(self.module, self.place.partition(":")[2])


VERBS = (
    Verb("demo", "demo:demo", START),
    Verb("init", "init:init", START),
    Verb("check", "check:check", DATA),
    Verb("show", "show:show", DATA),
    Verb("plan", "plan:plan", TRAIN),
    Verb("tune", "tune:tune", TRAIN),
    Verb("train", "train:train", TRAIN),
    Verb("choose", "choosing.choose:choose", TRAIN),
    Verb("curve", "curve:curve", MEASURE),
    Verb("eval", "evaluate:evaluate", MEASURE),
    Verb("failures", "failures:failures", MEASURE),
    Verb("compare", "compare:compare", MEASURE),
    Verb("flywheel", "choosing.flywheel:flywheel", MEASURE),
    Verb("judge", "judge:judge", MEASURE),
    Verb("frontier", "frontier:frontier", MEASURE),
    Verb("chat", "chat:chat", USE),
    Verb("collect", "collect:collect", DATA),
    Verb("export", "export:export", USE),
    Verb("prove", "prove:prove", USE),
    Verb("import", "import_model:import_model", USE),
    Verb("serve", "service.serve:serve", OPERATE),
    Verb("studio", "service.studio:studio", OPERATE),
    Verb("monitor", "service.monitor:monitor", OPERATE),
    Verb("watch", "upkeep.watch:watch", OPERATE),
    Verb("retrain", "upkeep.retrain:retrain", OPERATE),
    Verb("rebase", "upkeep.rebase:rebase", OPERATE),
    Verb("runs", "runs:runs", LOOK_BACK, has_verbs=True),
    Verb("models", "models:models", OPERATE, has_verbs=True),
    Verb("keys", "service.keys:keys", OPERATE, has_verbs=True),
)


def app_for(words: Sequence[str]) -> typer.Typer:
    """As much of the command line as these words need."""
    asked = next((verb for verb in VERBS if verb.name == words[0]), None)
    if asked is not None and COMPLETING not in os.environ:
        return _with_options([asked])
    if words[0] in HELP and COMPLETING not in os.environ:
        return _without_options()
    return whole_app()


def whole_app() -> typer.Typer:
    """Every verb with all of its options."""
    return _with_options(VERBS)


def _with_options(verbs: Sequence[Verb]) -> typer.Typer:
    app = _empty_app()
    for verb in verbs:
        if verb.has_verbs:
            app.add_typer(verb.module.app, name=verb.name, rich_help_panel=verb.heading)
        else:
            app.command(verb.name, rich_help_panel=verb.heading)(verb.function)
    return app


def _without_options() -> typer.Typer:
    """For `whet --help`, which shows the first sentence of each verb."""
    app = _empty_app()
    for verb in VERBS:
        app.command(verb.name, help=inspect.getdoc(verb.function), rich_help_panel=verb.heading)(lambda: None)
    return app


def _empty_app() -> typer.Typer:
    app = typer.Typer(
        name="whet",
        help="Whet sharpens a language model on your data, and proves that it is sharper.",
        epilog="Start here: whet demo. Then: whet tune your-data.jsonl",
        context_settings={"help_option_names": [*HELP]},
    )
    app.callback()(options)
    return app


def show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"whet {whet.__version__}")
        raise typer.Exit


def options(
    version: bool = typer.Option(
        False, "--version", "-V", callback=show_version, is_eager=True, help="Show the version."
    ),
    quiet: bool = typer.Option(False, QUIET, "-q", help="Say only the result, and errors; may stand behind the verb."),
) -> None:
    """Whet sharpens a language model on your data, and proves that it is sharper."""
