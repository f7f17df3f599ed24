"""Recipe text to plain values: YAML without its traps.

Words such as `no` and `on` stay text, `1e-4` is a number, a date stays text, a key may occur once,
and there are no anchors, aliases or tags.
"""

from __future__ import annotations

import re
from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml

from whet.errors import RecipeError

Places = dict[tuple[str | int, ...], str]
"""Where each key is: ('adapter', 'rank') -> 'recipe.yaml:3' or '--set adapter.rank'."""

DEEPEST = 20
RESOLVERS = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
]


class YamlLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


class Dumper(yaml.SafeDumper):
    """Quotes whatever our own or another YAML reader would take for something else than text."""

    yaml_implicit_resolvers = {key: list(value) for key, value in yaml.SafeDumper.yaml_implicit_resolvers.items()}


def number(loader: YamlLoader, node: yaml.ScalarNode) -> int | float:
    """A whole number stays whole however it is written: `1e4` is 10000."""
    value = float(loader.construct_yaml_float(node))
    if value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def text_node(dumper: Dumper, value: str) -> yaml.ScalarNode:
    """Text with invisible characters is written with escapes: PyYAML would otherwise lose some of them."""
    if value.replace("\n", "").isprintable():
        style = None
    else:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


for tag, pattern, first in RESOLVERS:
    YamlLoader.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), list(first))
    Dumper.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), list(first))
YamlLoader.add_constructor("tag:yaml.org,2002:float", number)
Dumper.add_representer(str, text_node)


def parse(text: str, where: str) -> tuple[Any, Places]:
    """Values and the place of each key, the caller's own. Raises RecipeError with line and column for what is not sound
    YAML."""
    values, places = _parsed(text, where)
    return deepcopy(values), dict(places)


@lru_cache(maxsize=16)
def _parsed(text: str, where: str) -> tuple[Any, Places]:
    """A run reads its recipe a dozen times, and PyYAML takes a tenth of a second for it."""
    try:
        depth = 0
        for event in yaml.parse(text, YamlLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                fix = "see: whet init --help"
                raise RecipeError("this is not a recipe: it is nested too deeply", where=where, fix=fix)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or explicit_tag(event):
                raise RecipeError(
                    "anchors, aliases and tags (&, *, !) have no place in a recipe",
                    where=f"{where}:{event.start_mark.line + 1}",
                    fix="write the value out, or put it in quotes",
                )

        loader = YamlLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}

        places: Places = {}
        walk(node, (), places, where)
        return loader.construct_document(node), places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark:
            place = f"{where}:{mark.line + 1}:{mark.column + 1}"
        else:
            place = where

        fix = "a recipe is lines of `key: value`, nested ones indented by spaces"
        raise RecipeError(f"this is not sound YAML: {error.problem or error.context}", where=place, fix=fix) from error
    except yaml.YAMLError as error:
        raise RecipeError(f"this is not a text file in YAML: {error}", where=where, fix="give a recipe") from error
    except ValueError as error:
        raise RecipeError(f"this is not a recipe: {error}", where=where, fix="see: whet init --help") from error


def explicit_tag(event: yaml.Event) -> bool:
    tag = getattr(event, "tag", None)
    return tag is not None and tag != "!"


def walk(node: yaml.Node, path: tuple[str | int, ...], places: Places, where: str) -> None:
    """Notes the place of every key, and refuses a key that occurs twice."""
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            walk(item, (*path, position), places, where)

    if not isinstance(node, yaml.MappingNode):
        return

    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            if isinstance(key, yaml.ScalarNode):
                value = key.value
            else:
                value = None
            raise RecipeError("a key must be a word", where=f"{where}:{line}", value=value, fix="write `key: value`")

        here = (*path, key.value)
        if here in places:
            raise RecipeError(
                f"the key {key.value!r} occurs twice, first at {places[here]}",
                where=f"{where}:{line}",
                fix="remove one of the two",
            )

        places[here] = f"{where}:{line}"
        walk(value, here, places, where)
