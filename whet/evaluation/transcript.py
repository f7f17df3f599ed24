"""Answers that models gave, kept in a file of JSON lines: nothing is asked twice.

The evaluation of a run, its opponents and `whet compare` share the file in the run's folder; what was killed asks only
for what is missing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from whet.store.atomic import append_line, plain, sha256_text
from whet.store.checksums import with_sum
from whet.store.reading import iter_lines
from whet.types import Completion

FILE = "asked.jsonl"
"""In the run's folder."""
CHUNK = 256
"""Answers of a local model that are kept together: twice as many as the engine writes at once."""


LINE_KEYS = ("text", "prompt_tokens", "answer_tokens", "seconds", "finished", "estimated", "ids", "stop_id")
"""What a line keeps of a completion; log-probabilities are not kept."""


class Transcript:
    """`path` holds a line an answer, under a key made of everything that the answer depends on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: dict[str, Completion] = {}

        for line in iter_lines(path):
            if line.keys() >= {"key", *LINE_KEYS}:
                self._known[line["key"]] = Completion(**{name: line[name] for name in LINE_KEYS})

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Completion:
        return self._known[key]

    def add(self, arm: str, completions: Mapping[str, Completion]) -> None:
        """Keeps answers by their keys: all of them, or none that counts."""
        lines = [json.dumps(with_sum(plain(to_line(arm, key, answer)))) for key, answer in completions.items()]
        with self._lock:
            append_line(self.path, "\n".join(lines))
            self._known |= completions


def to_line(arm: str, key: str, completion: Completion) -> dict[str, Any]:
    """A line of the file."""
    kept = {name: getattr(completion, name) for name in LINE_KEYS}
    return {"arm": arm, "key": key, **kept}


def key_of(who: str, prompt: Any, tokens: int) -> str:
    """`who` names the weights or the model at its URL, `tokens` is the length of the longest answer."""
    return sha256_text(json.dumps([who, prompt, tokens], sort_keys=True))


Write = Callable[[list[list[int]], Callable[[int], None]], list[Completion]]
"""Writes greedy answers to prompts, and says how many are there."""


@dataclass(frozen=True, slots=True)
class AnswerMemory:
    """What one set of weights answered. `identity` names everything that its greedy answers depend on but the prompt
    and the longest answer."""

    identity: str
    transcript: Transcript

    def recall(
        self, arm: str, prompts: Sequence[list[int]], tokens: int, write: Write, done: Callable[[int], None]
    ) -> list[Completion]:
        """All answers, in the order of the prompts; missing ones are written and kept. Their seconds are those of a
        batch, shared by its answers; they have no log-probabilities."""
        keys = [key_of(self.identity, ids, tokens) for ids in prompts]
        missing: dict[str, list[int]] = {}
        for key, ids in zip(keys, prompts, strict=True):
            if key not in self.transcript:
                missing[key] = ids

        known = len(keys) - len(missing)
        done(known)
        waiting = list(missing)

        for start in range(0, len(waiting), CHUNK):
            chunk = waiting[start : start + CHUNK]
            self.transcript.add(arm, self._written(chunk, missing, write, partial(_count_on, done, known + start)))

        return [self.transcript[key] for key in keys]

    def _written(
        self, chunk: Sequence[str], prompts: Mapping[str, list[int]], write: Write, done: Callable[[int], None]
    ) -> dict[str, Completion]:
        """Answers to the prompts under these keys."""
        began = time.perf_counter()
        answers = write([prompts[key] for key in chunk], done)
        seconds = (time.perf_counter() - began) / len(chunk)

        completions = {}
        for key, answer in zip(chunk, answers, strict=True):
            completions[key] = Completion(
                answer.text,
                answer.finished,
                list(answer.ids),
                prompt_tokens=len(prompts[key]),
                answer_tokens=len(answer.ids) + answer.finished,
                seconds=seconds,
                stop_id=answer.stop_id,
            )

        return completions


def _count_on(done: Callable[[int], None], before: int, number: int) -> None:
    done(before + number)
