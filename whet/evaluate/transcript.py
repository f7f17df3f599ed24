"""Answers that arms gave, kept in a file of JSON lines: a comparison that was killed asks only for those missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whet.store.atomic import append_line, plain, sha256_text
from whet.store.run import iter_lines


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `finished` is False where the token limit cut it off; `estimated` where nobody counted the tokens."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    finished: bool
    estimated: bool = False


class Transcript:
    """`path` holds a line an answer, under a key made of everything that the answer depends on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known = {
            line["key"]: Told(**{name: line[name] for name in Told.__slots__})
            for line in iter_lines(path)
            if all(name in line for name in ("key", *Told.__slots__))
        }

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Told:
        return self._known[key]

    def add(self, arm: str, found: Sequence[tuple[str, Told]]) -> None:
        """Keeps answers, all of them or none that counts."""
        lines = [json.dumps(plain({"arm": arm, "key": key, **asdict(told)})) for key, told in found]
        with self._lock:
            append_line(self.path, "\n".join(lines))
            self._known |= dict(found)


def key_of(who: str, asked: Any, tokens: int) -> str:
    """`who` names the weights or the model at its URL, `asked` is the prompt, `tokens` the longest answer."""
    return sha256_text(json.dumps([who, asked, tokens], sort_keys=True))
