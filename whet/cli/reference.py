"""The reference pages, written from the code: `python -m whet.cli.reference`. A test fails when they are stale."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from whet.cli.verb_list import whole_app
from whet.recipe.explain import item_kinds, kinds, literal_values, submodel
from whet.recipe.schema import Grpo, Recipe
from whet.store.atomic import write_text

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
CHECKS = FOLDER.parent / "data" / "checks.md"
PAGES = "<!-- Written by `python -m whet.cli.reference` from here on; change the code, not this part. -->"
WRITTEN = "<!-- Written by `python -m whet.cli.reference`; change the code, not this page. -->\n"
EXIT_CODES = """
| exit code | means |
| --- | --- |
| 0 | done |
| 1 | the run failed |
| 2 | the input or the command is wrong |
| 3 | `--gate` was asked for, and the answer to "should it be used?" is not yes; of `compare`: tuning is not worth it |
| 130 | stopped by Ctrl-C; it says whether the same command resumes or begins again |
| 141 | whoever read the output has gone |
| 143 | told to stop (SIGTERM); it says whether the same command resumes or begins again |
"""


def cli_page() -> str:
    """Every verb with its example, arguments and options, under the headings of `whet --help`."""
    command: Any = typer.main.get_command(whole_app())
    parts = [f"{WRITTEN}\n# The command line\n\n{command.help}\n{EXIT_CODES}"]

    groups: dict[str, list[str]] = {}
    for name, child in command.commands.items():
        groups.setdefault(child.rich_help_panel, []).append(command_section(name, child))
    for heading, sections in groups.items():
        parts += [f"## {heading}\n", *sections]
    return "\n".join(parts)


def command_section(name: str, command: Any, depth: int = 3) -> str:
    about, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    lines = [f"{'#' * depth} whet {name}\n", about.strip() + "\n"]

    if example:
        lines.append(f"```sh\n{example.strip()}\n```\n")
    rows = [parameter_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    if rows:
        lines += ["| argument or option | meaning | default |", "| --- | --- | --- |", *rows, ""]
    for child_name, child in getattr(command, "commands", {}).items():
        if child.hidden:  # the name that a verb had before
            continue
        lines.append(command_section(f"{name} {child_name}", child, depth + 1))
    return "\n".join(lines)


def parameter_row(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    if option:
        shown = parameter.opts[0]
    else:
        shown = parameter.metavar or parameter.name

    if option and not parameter.is_flag:
        value = f" {parameter.metavar}"
    else:
        value = ""

    if parameter.default in (None, False):
        default = ""
    else:
        default = f"`{parameter.default}`"

    if parameter.required:
        default = "required"

    return f"| `{shown}{value}` | {parameter.help or ''} | {default} |"


def recipe_page() -> str:
    """Every key of a recipe with its type, default and meaning."""
    parts = [
        f"{WRITTEN}\n# The recipe\n",
        f"{inspect.cleandoc(Recipe.__doc__ or '')} Keys without a default get their value from a rule, "
        "which is printed with its reason. On the command line, `--set key.sub=value` overrides any key.\n",
        key_table(Recipe, ""),
    ]
    for name, field in Recipe.model_fields.items():
        parts += group_sections(name, field)

    rewards = item_kinds(Grpo.model_fields["rewards"].annotation)
    parts.append("## Rewards\n\nThe items of `method.rewards` and `evaluate.wins`.\n")

    for kind, model in rewards.items():
        parts.append(f"### `{{kind: {kind}}}`\n\n{inspect.cleandoc(model.__doc__ or '')}\n\n{key_table(model, '')}")
    return "\n".join(parts)


def group_sections(name: str, field: FieldInfo, depth: int = 2) -> list[str]:
    """A section for each kind of a group of keys, and for the groups within it."""
    if item_kinds(field.annotation):
        return []  # the items of lists have a section of their own

    lines = []
    by_kind = kinds(field.annotation)
    for model in by_kind.values() or [each for each in [submodel(field.annotation)] if each]:
        if by_kind:
            title = f"{name}: {{kind: {model.model_fields['kind'].default}}}"
        else:
            title = name

        heading = f"{'#' * depth} `{title}`"
        lines.append(f"{heading}\n\n{inspect.cleandoc(model.__doc__ or '')}\n\n{key_table(model, f'{name}.')}")

        for inner, inside in model.model_fields.items():
            lines += group_sections(f"{name}.{inner}", inside, depth + 1)

    return lines


def key_table(model: type[BaseModel], prefix: str) -> str:
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if name == "kind" and model is not Recipe and len(literal_values(field.annotation)) == 1:
            continue
        row = (f"`{prefix}{name}`", value_of(field), default_of(field), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(rows) + "\n"


def value_of(field: FieldInfo) -> str:
    limits = [limit_of(item) for item in field.metadata]
    return ", ".join([type_name(field.annotation), *(limit for limit in limits if limit)])


def limit_of(item: Any) -> str:
    for name, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
        if hasattr(item, name):
            limit = getattr(item, name)
            if isinstance(limit, int):
                return f"{sign} {limit:,}"
            return f"{sign} {limit:g}"
    return ""


def type_name(annotation: Any) -> str:
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if annotation in plain:
        return plain[annotation]
    if kinds(annotation):
        return "kind: " + " or ".join(kinds(annotation))

    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(inner[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin is list:
        return f"list of {type_name(inner[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(part) for part in inner if part is not type(None))
    return "see below"


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        if kinds(field.annotation):
            return f"`{getattr(value, 'kind')}`"
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None:
        return ""
    return f"`{value}`".replace("\n", "\\n")


def checks_page() -> str:
    """The guide of `whet check`, whose last part is the page of every check."""
    from whet.doctor.check_registry import by_code, explain

    by_hand = CHECKS.read_text("utf-8").partition(PAGES)[0]
    return "\n".join([by_hand + PAGES, *(f"\n### {code}\n\n{fenced(explain(code))}" for code in by_code()), ""])


def fenced(page: str) -> str:
    """A page of a check as Markdown: what is indented, the example, becomes a block of code."""
    lines: list[str] = []
    inside = False
    for line in page.splitlines():
        if line.startswith("    ") != inside:
            lines.append("```" if inside else "\n```json")
            inside = not inside
        lines.append(line.removeprefix("    ") if inside else line)

    return "\n".join(lines)


def pages() -> dict[Path, str]:
    return {FOLDER / "cli.md": cli_page(), FOLDER / "recipe.md": recipe_page(), CHECKS: checks_page()}


if __name__ == "__main__":
    for path, text in pages().items():
        write_text(path, text)
        print(path)
