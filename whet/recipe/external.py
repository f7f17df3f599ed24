"""How a recipe names what lies outside it: a function in a Python file, a URL, a pattern. Torch-free."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from whet.recipe.strict import Name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise PydanticCustomError("regex", "a regular expression ({why})", {"why": str(error)}) from error
    return text


def _place(text: str) -> str:
    if not re.fullmatch(r"[^\x00]+\.py:[A-Za-z_]\w*", text):
        raise PydanticCustomError("place", "a file and a function in it, as in rewards.py:score")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise PydanticCustomError("url", "a URL as far as /v1, as in http://localhost:8000/v1")
    return text


Pattern = Annotated[Name, AfterValidator(_pattern)]
FunctionPlace = Annotated[Name, AfterValidator(_place)]
Url = Annotated[Name, AfterValidator(_url)]


def is_function(name: str) -> bool:
    """Whether a name that may be a built-in's is that of a user's function: `file.py:function`."""
    return ".py:" in name
