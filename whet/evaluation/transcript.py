"""Answers that models gave, kept in a file of JSON lines: nothing is asked twice, whoever asks.

The evaluation of a run, its opponents and `whet compare` share the file in the run's folder; what was killed asks only
for what is missing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from whet.store.atomic import append_line, plain, sha256_text
from whet.store.checksums import with_sum
from whet.store.reading import iter_lines
from whet.types import Answer

FILE = "asked.jsonl"
"""In the run's folder."""
CHUNK = 256
"""Answers of a local model that are kept together: twice as many as the engine writes at once."""


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. `finished` is False where the token limit cut it off; `estimated` where nobody counted the tokens."""

    text: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    finished: bool
    estimated: bool = False
    ids: list[int] = field(default_factory=list)
    """Tokens of the text; none where a server wrote it."""
    stop_id: int | None = None

    def answer(self) -> Answer:
        """As the engine gave it, without log-probabilities."""
        return Answer(self.ids, self.text, self.finished, [], self.prompt_tokens, self.seconds, self.stop_id)


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
        lines = [json.dumps(with_sum(plain({"arm": arm, "key": key, **asdict(told)}))) for key, told in found]
        with self._lock:
            append_line(self.path, "\n".join(lines))
            self._known |= dict(found)


def key_of(who: str, asked: Any, tokens: int) -> str:
    """`who` names the weights or the model at its URL, `asked` is the prompt, `tokens` the longest answer."""
    return sha256_text(json.dumps([who, asked, tokens], sort_keys=True))


Write = Callable[[list[list[int]], Callable[[int], None]], list[Answer]]
"""Writes greedy answers to prompts, and tells how many there are."""


@dataclass(frozen=True, slots=True)
class AnswerMemory:
    """What one set of weights answered. `identity` names everything that its greedy answers depend on but the prompt
    and the longest answer."""

    identity: str
    transcript: Transcript

    def recall(
        self, arm: str, prompts: Sequence[list[int]], tokens: int, write: Write, done: Callable[[int], None]
    ) -> list[Told]:
        """All answers, in the order of the prompts; those missing are written and kept. Seconds are those of a batch,
        shared by its answers."""
        keys = [key_of(self.identity, ids, tokens) for ids in prompts]
        wanted = {key: ids for key, ids in zip(keys, prompts, strict=True) if key not in self.transcript}
        missing = list(wanted.items())
        known = len(keys) - len(missing)
        done(known)

        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            began = time.perf_counter()
            found = write([ids for _, ids in chunk], lambda number, before=known + start: done(before + number))
            seconds = (time.perf_counter() - began) / len(chunk)
            told = [
                Told(
                    answer.text,
                    len(ids),
                    len(answer.ids) + answer.finished,
                    seconds,
                    answer.finished,
                    ids=list(answer.ids),
                    stop_id=answer.stop_id,
                )
                for (_, ids), answer in zip(chunk, found, strict=True)
            ]
            self.transcript.add(arm, [(key, one) for (key, _), one in zip(chunk, told, strict=True)])

        return [self.transcript[key] for key in keys]
