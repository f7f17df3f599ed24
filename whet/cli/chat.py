"""`whet chat`: talk to a model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whet.cli.importing import kept
from whet.cli.options import RUNS, Json, Runs, Trust
from whet.errors import InputError, without_hidden

if TYPE_CHECKING:
    from whet.api import ChatSession


def chat(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a named model, nano, a folder or a Hub name.")],
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Ask once and leave.")] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System prompt.")] = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    json_: Json = False,
) -> None:
    """Talk to a model. An empty line or Ctrl-D ends the conversation.

    Example: whet chat tickets-1a2b3c4d --prompt "Where is my order 48213?"
    """
    if json_ and prompt is None:
        raise InputError("--json needs --prompt: a conversation has no single result", fix="add --prompt TEXT")
    from whet.cli.asked import refuse_missing_model

    refuse_missing_model(model, runs)
    with kept():
        from whet import api

    session = api.chat(model, run_root=runs)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    if prompt is not None:
        answer = reply(session, messages, prompt, quiet=json_)
        if json_:
            from whet.cli.render import Screen

            Screen(True).finish({"model": model, "prompt": prompt, "answer": answer})
        return
    converse(session, messages)


def converse(session: ChatSession, messages: list[dict[str, Any]]) -> None:
    """Turns until an empty line, the end of the input, or Ctrl-C."""
    try:
        while text := ask():
            before = list(messages)
            try:
                reply(session, messages, text, quiet=False)
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


def reply(session: ChatSession, messages: list[dict[str, Any]], text: str, quiet: bool) -> str:
    """Prints the answer as it is written, and adds both turns to the conversation."""
    messages.append({"role": "user", "content": text})
    answer = ""
    for piece in session.reply(messages):
        answer += piece
        if not quiet:
            print(without_hidden(piece), end="", flush=True)
    if not quiet:
        print()
    messages.append({"role": "assistant", "content": answer})
    return answer
