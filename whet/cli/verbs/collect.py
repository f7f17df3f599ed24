"""`whet collect`: a teacher's answers to your prompts, as rows to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import RUNS, Json, Runs
from whet.errors import InputError, count


def collect(
    prompts: Annotated[str, typer.Argument(metavar="PROMPTS", help="A file of rows; what stands before the answer.")],
    teacher: Annotated[
        str, typer.Option(metavar="URL-or-MODEL", help="An OpenAI-compatible URL up to /v1, a run, nano or a folder.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .jsonl file; one that is there is continued.")],
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name at the URL.")] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT-or-@FILE", help="System prompt for the teacher; rows are without it.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, metavar="N", help="Answers to each prompt.")] = 1,
    temperature: Annotated[float, typer.Option(min=0.0, metavar="T", help="0 takes the likeliest token.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, metavar="N", help="Longest answer; one cut off is left out.")] = 512,
    budget_tokens: Annotated[int | None, typer.Option(metavar="N", help="Most tokens, read and written.")] = None,
    budget_usd: Annotated[float | None, typer.Option(metavar="X", help="Most dollars; needs both prices.")] = None,
    price_in: Annotated[float | None, typer.Option(metavar="X", help="Dollars a million tokens read.")] = None,
    price_out: Annotated[float | None, typer.Option(metavar="X", help="Dollars a million tokens written.")] = None,
    per_minute: Annotated[float | None, typer.Option(metavar="N", help="Most requests a minute.")] = None,
    runs: Runs = RUNS,
    json_: Json = False,
) -> None:
    """Collect a teacher's answers to your prompts. The same command again goes on where it stopped.

    The API key comes from WHET_API_KEY, or from OPENAI_API_KEY.

    Example: whet collect prompts.jsonl --teacher nano --system @prompt.txt --out answers.jsonl
    """
    text = read_system(system)
    if "://" not in teacher:
        from whet.cli.requested_recipe import refuse_missing_model

        refuse_missing_model(teacher, runs)

    with without_garbage_collection():
        from whet import api
    from whet.cli.progress import watching
    from whet.cli.render import Screen

    screen = Screen(json_)
    with watching() as watch:
        result = api.collect(
            prompts, teacher, out, model=model, system=text, samples=samples, temperature=temperature,
            max_tokens=max_tokens, budget_tokens=budget_tokens, budget_usd=budget_usd, price_in=price_in,
            price_out=price_out, per_minute=per_minute, run_root=runs, observer=watch,
        )  # fmt: skip

    say(screen, result)
    screen.finish(result)


def read_system(system: str | None) -> str | None:
    """The text, or that of the file behind an @. Raises InputError."""
    if system is None or not system.startswith("@"):
        return system
    from whet.recipe.files import text_of

    if not system[1:]:
        raise InputError("no file is named after the @", where="--system", fix="as in: --system @prompt.txt")
    return text_of(system[1:], Path(), confined=False, where="--system")


def say(screen: Any, result: dict[str, Any]) -> None:
    """What came of it, in a few lines."""
    usage = result["usage"]
    if result["usd"] is not None:
        cost = f", {result['usd']:.2f} dollars"
    else:
        cost = ""

    screen.say(f"{count(result['rows'], 'row')} in {result['out']}, {result['new']:,} of them new")
    read = count(usage["prompt_tokens"], "token")
    screen.say(f"{read} read and {usage['answer_tokens']:,} written in all{cost}", "dim")

    if result["left_out"]:
        place = f"{result['out']}.left-out.jsonl"
        screen.say(f"{count(result['left_out'], 'answer')} empty or cut off, kept in {place}")

    if result["wrong_answers"]:
        screen.say(f"{count(result['wrong_answers'], 'answer')} in another form, not kept")

    if result["stopped"]:
        screen.say(f"Stopped by {result['stopped']}; {result['missing']:,} of {result['requests']:,} are missing")
    elif result["missing"]:
        screen.say(f"{result['missing']:,} are missing; the same command asks for them again")
