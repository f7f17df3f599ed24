"""Which keys of a recipe name a file: said where the key is declared, so that no other list of them is needed.

    replay: Annotated[Name | None, FileKey("rows", words=KEEP_WORDS, counts=True, confined=True)] = Field(...)

A `FileKey` is metadata of an annotation. It is no field, so it enters neither a dump of the recipe nor a run's name.
whet/recipe/files.py finds the keys, whet/store/identity.py hashes those whose bytes count.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Holds = Literal["data", "base", "teacher", "documents", "rows", "task", "code", "schema", "prompt", "model", "encoder"]


class FileKey(NamedTuple):
    """What a key's file is, and how it is looked up. Names in a list are looked up one by one."""

    holds: Holds
    words: frozenset[str] = frozenset()
    """Values that are no name of a file."""
    counts: bool = False
    """Its bytes, and not its name, make the run what it is (whet/store/identity.py). Of a key without this the name
    alone counts: another reward's or lm-eval task's file under the same name resumes the run, and is then refused as
    changed (whet/store/named_files.py). To let its bytes count would rename runs."""
    confined: bool = False
    """A recipe that somebody else wrote may not point out of its own folder."""
    inlined: bool = False
    """The text of the file takes the place of its name, where the value is the name of a text file."""
    everywhere: bool = False
    """It is looked up from the current folder, too, where the command line or a Python program named it."""
