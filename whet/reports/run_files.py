"""The files of a run, as the sections of its report read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from whet.errors import RunFolderError
from whet.evaluation.facts import AnswerLine
from whet.store.reading import optional_json, read_lines
from whet.text.wording import is_finite


class RunFiles:
    """Each file is read once, when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The object of a .json file, the lines of a .jsonl file, the text of any other; empty where there is no such
        file. Raises RunFolderError for one that is damaged."""
        if name not in self._read:
            self._read[name] = contents(self.folder / name)
        return self._read[name]

    def all(self, names: Sequence[str]) -> list[Any]:
        return [self[name] for name in names]


def contents(path: Path) -> Any:
    if path.name == "answers.jsonl":
        return read_answers(path)
    if path.suffix == ".jsonl":
        return read_lines(path)
    if path.suffix == ".json":
        return optional_json(path, [] if path.name == "choices.json" else {})
    if path.exists():
        return path.read_text("utf-8", errors="replace")
    return ""


def read_answers(path: Path) -> list[AnswerLine]:
    answers = read_lines(path)
    for number, answer in enumerate(answers, 1):
        for key in ("base_score", "tuned_score"):
            score = answer.get(key)
            if not is_finite(score):
                raise RunFolderError(f"{key!r} must be a number", where=f"{path}:{number}", value=score)
    return cast(list[AnswerLine], answers)
