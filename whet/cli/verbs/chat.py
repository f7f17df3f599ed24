"""`whet chat`: talk to a model."""

from __future__ import annotations

import sys
from dataclasses import replace
from random import randrange
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.completions import talkers
from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs, Trust
from whet.cli.verbs.collect import read_system
from whet.errors import InputError, without_hidden

if TYPE_CHECKING:
    from whet.generation.engine import Sampling
    from whet.verbs.chat import ChatSession


def chat(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A run, a named model, nano, a folder or a Hub name.", autocompletion=talkers
        ),
    ],
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Ask once and leave.")] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT-or-@FILE", help="System prompt.")] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, metavar="T", help="0 takes the likeliest token; 1 draws as the model says.")
    ] = 0.0,
    top_p: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, metavar="P", help="Draw from the likeliest that hold this share.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, metavar="N", help="Draw from the N likeliest tokens.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, metavar="N", help="Longest answer.")] = 256,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The same seed draws the same answers; default: another each time.")
    ] = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Talk to a model. An empty line or Ctrl-D ends the conversation.

    Answers are the likeliest ones unless --temperature is given.

    Example: whet chat tickets-1a2b3c4d --prompt "Where is my order 48213?"
    """
    if json_ and prompt is None:
        raise InputError("--json needs --prompt: a conversation has no single result", fix="add --prompt TEXT")

    refuse_idle(temperature, {"--top-p": top_p, "--top-k": top_k, "--seed": seed})
    text = read_system(system)
    from whet.cli.requested_recipe import refuse_missing_model

    refuse_missing_model(model, runs)
    with without_garbage_collection():
        from whet import api
        from whet.generation.engine import Sampling

    if seed is None:
        seed = randrange(1 << 31)

    drawn = Sampling(max_tokens, temperature, 1.0 if top_p is None else top_p, seed, top_k=top_k)
    session = api.chat(model, run_root=runs)
    messages: list[dict[str, Any]] = [{"role": "system", "content": text}] if text else []

    if prompt is not None:
        answer = reply(session, messages, prompt, drawn, quiet=json_)
        if json_:
            from whet.cli.render import Screen

            Screen(True).finish({"model": model, "prompt": prompt, "answer": answer})
        return

    converse(session, messages, drawn)


def refuse_idle(temperature: float, given: dict[str, Any]) -> None:
    """Raises InputError for options that say how to draw where nothing is drawn."""
    idle = [option for option, value in given.items() if value is not None]
    if temperature == 0 and idle:
        what = f"nothing is drawn at temperature 0: {' and '.join(idle)} would do nothing"
        raise InputError(what, where=idle[0], value=given[idle[0]], fix="add --temperature 0.7, or leave it out")


def converse(session: ChatSession, messages: list[dict[str, Any]], drawn: Sampling) -> None:
    """Turns until an empty line, the end of the input, or Ctrl-C."""
    try:
        while text := ask():
            before = list(messages)
            try:
                reply(session, messages, text, drawn, quiet=False)
            except InputError as error:  # one question that can not be asked does not end the conversation
                print(f"whet: {error}", file=sys.stderr)
                messages[:] = before
    except KeyboardInterrupt:
        print()


def ask() -> str:
    try:
        return input("you: " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""


def reply(session: ChatSession, messages: list[dict[str, Any]], text: str, drawn: Sampling, quiet: bool) -> str:
    """Prints the answer as it is written, and adds both turns to the conversation. Each turn draws from a seed of its
    own, so that a question that is asked again may get another answer."""
    messages.append({"role": "user", "content": text})
    answer = ""
    for piece in session.reply(messages, replace(drawn, seed=drawn.seed + len(messages))):
        answer += piece
        if not quiet:
            print(without_hidden(piece), end="", flush=True)

    if not quiet:
        print()
    messages.append({"role": "assistant", "content": answer})
    return answer
