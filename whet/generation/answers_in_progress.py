"""What has been written so far, and whether an answer goes on: its stop tokens, stop strings and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whet.generation.sampling import Sampling
from whet.types import Completion

TAIL_TOKENS = 4
"""Tokens that one character may take (byte fallback): how far back a stop string is looked for at each token."""


class AnswersInProgress:
    """Answers being written. `ids[i]` and `logprobs[i]` hold everything written, a stop token too."""

    def __init__(
        self,
        tokenizer: Any,
        prompts: Sequence[list[int]],
        stop_ids: frozenset[int],
        sampling: Sampling,
        context: int | None,
    ) -> None:
        self.tokenizer, self.prompts, self.stop_ids = tokenizer, prompts, stop_ids
        self.stop_strings = sampling.stop_strings
        self.limits = [min(sampling.max_new_tokens, (context or 1 << 30) - len(p)) for p in prompts]
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.tokens = 0
        """Written so far, in all answers."""
        self.logprobs: list[list[float]] = [[] for _ in prompts]
        self.stopped = [False] * len(prompts)
        self.found_string = [False] * len(prompts)

    def add(self, answer: int, token: int, logprob: float) -> bool:
        """Write one token down; False when the answer ends with it."""
        self.ids[answer].append(token)
        self.tokens += 1
        self.logprobs[answer].append(logprob)

        self.stopped[answer] = token in self.stop_ids
        if self.stop_strings and not self.stopped[answer]:
            self.found_string[answer] = self._ends(answer)
        ended = self.stopped[answer] or self.found_string[answer]

        return not ended and len(self.ids[answer]) < self.limits[answer]

    def kept(self, answer: int) -> list[int]:
        """The answer without its stop token."""
        if self.stopped[answer]:
            return self.ids[answer][:-1]
        return self.ids[answer]

    def text(self, answer: int) -> str:
        """The answer's text up to its first stop string."""
        return _before(self.tokenizer.decode(self.kept(answer), skip_special_tokens=True), self.stop_strings)

    def settled_text(self, text: str) -> str:
        """The text without an end that may be the beginning of a stop string."""
        held = 0
        for stop in self.stop_strings:
            held = max([held, *(n for n in range(1, len(stop)) if text.endswith(stop[:n]))])
        return text[: len(text) - held]

    def answer(self, answer: int, seconds: float) -> Completion:
        """The finished answer."""
        kept, logprobs, stopped = self.kept(answer), self.logprobs[answer], self.stopped[answer]
        return Completion(
            self.text(answer),
            stopped or self.found_string[answer],
            kept,
            logprobs[: len(kept)],
            len(self.prompts[answer]),
            len(kept) + stopped,
            seconds,
            stop_id=self.ids[answer][-1] if stopped else None,
            stop_logprob=logprobs[-1] if stopped else None,
        )

    def _ends(self, answer: int) -> bool:
        longest = max(len(stop) for stop in self.stop_strings)
        tail = self.tokenizer.decode(self.ids[answer][-TAIL_TOKENS * (longest + 2) :], skip_special_tokens=True)
        return any(stop in tail for stop in self.stop_strings)


def _before(text: str, stops: Sequence[str]) -> str:
    places = [text.index(stop) for stop in stops if stop in text]
    return text[: min(places)] if places else text
