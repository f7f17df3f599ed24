"""A language model as judge: 0 to 10 points an answer, asked of any OpenAI-compatible URL, each question once.

Verdicts are kept in a file, so that a run that is resumed gets those that it got before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from whet.errors import RunError
from whet.generation.chat_client import ChatClient
from whet.recipe.schema import Judge
from whet.store.checksums import read_summed, write_summed
from whet.types import Message, Row

AT_ONCE = 8
"""Requests on their way at the same time."""
TRIES = 3
"""Questions to a judge that answers without a number."""
TOKENS = 16
TEXT = """You judge one answer. What makes an answer good: {question}

The conversation so far:
{conversation}

The answer to judge, between the lines of ====:
====
{answer}
====
Give 0 (worst) to 10 (best) points. Reply with the number alone."""
POINTS = re.compile(r"\s*(10|[0-9])(?:\.0)?(?:\s*/\s*10)?\s*\.?\s*")


class JudgeReward:
    """`cache` is the file of verdicts; None keeps them in memory only."""

    def __init__(self, settings: Judge, cache: Path | None = None) -> None:
        self.question, self.cache = settings.question, cache
        self.remote = ChatClient(settings.url, settings.model, settings.key, settings.seconds, settings.retries)
        self.known = _read(cache)

    def __call__(self, prompts: Sequence[list[Message]], answers: Sequence[str], rows: Sequence[Row]) -> list[float]:
        texts = [self._text(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        missing = [text for text in dict.fromkeys(texts) if self._key(text) not in self.known]
        if missing:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = list(pool.map(self._ask, missing))
            self.known |= {self._key(text): points for text, points in zip(missing, found, strict=True)}

            if self.cache is not None:
                self.cache.parent.mkdir(parents=True, exist_ok=True)
                write_summed(self.cache, self.known)

        return [self.known[self._key(text)] / 10 for text in texts]

    def _text(self, prompt: list[Message], answer: str) -> str:
        turns = [f"{message['role']}: {message.get('content')}" for message in prompt]
        return TEXT.format(question=self.question, conversation="\n".join(turns), answer=answer)

    def _key(self, text: str) -> str:
        return hashlib.sha256("\0".join((self.remote.url, self.remote.model, text)).encode()).hexdigest()

    def _ask(self, text: str) -> int:
        said = ""
        for number in range(TRIES):
            said = self.remote.chat([{"role": "user", "content": text}], TOKENS, temperature=0.0 if not number else 1.0)
            found = POINTS.fullmatch(said)
            if found:
                return int(found[1])
        fix = "use a judge that follows instructions, or ask a simpler question"
        raise RunError(f"the judge gave no number from 0 to 10 in {TRIES} tries", value=said, fix=fix)


def _read(cache: Path | None) -> dict[str, int]:
    """Verdicts of before; those of a damaged file are asked for again."""
    return dict((read_summed(cache) if cache is not None else None) or {})
