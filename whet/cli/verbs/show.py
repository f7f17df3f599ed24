"""`whet show`: what the model will see, token by token."""

from __future__ import annotations

from typing import Annotated

import typer

from whet.cli.importing import without_garbage_collection
from whet.cli.options import DataOrRecipe, Json, Set
from whet.cli.recipe_flags import with_flags


@with_flags
def show(
    data: DataOrRecipe,
    rows: Annotated[int, typer.Option(min=1, metavar="N", help="How many rows to show.")] = 3,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Show rows as the model will see them: what it learns in green, what it only reads dimmed.

    Example: whet show tickets.jsonl --rows 2
    """
    from whet.cli import render
    from whet.cli.requested_recipe import asked_recipe

    recipe = asked_recipe(data, set_)
    with without_garbage_collection():
        from whet import api

    screen = render.Screen(json_)
    view = api.prepare_view(recipe, rows=rows)
    screen.say(f"{view['kind']} rows, rendered for {view['model']}", style="bold")

    for row in view["rows"]:
        share = 100 * row["supervised"] / max(1, row["tokens"])
        learned = f"{row['supervised']} of {row['tokens']} tokens are learned ({share:.0f}%)"

        if row.get("answer"):
            answer = f"  {row['answer']}:"
        else:
            answer = ""

        screen.say(f"\n{row['where']}{answer}  {learned}", style="cyan")
        colour = screen.console.is_terminal and not screen.console.no_color
        screen.show(render.pieces(row["pieces"])) if colour else screen.say(render.format_parts(row["pieces"]))

    colour = screen.console.is_terminal and not screen.console.no_color
    screen.say("\ngreen: learned   dim: read only" if colour else "\n«...»: learned   the rest: read only", style="dim")
    screen.show(render.ledger(view["ledger"]))

    for note in view["notes"]:
        screen.say(note)
    screen.finish(view)
