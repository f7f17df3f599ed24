"""Graders that ask a language model for a number. The answers are kept in a file, so that a run that is resumed gets
those that it got before."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.errors import InputError, RunError
from whet.generation.chat_client import ChatClient
from whet.model_server import BadResponse
from whet.server.jobs.graders.grades import Grade
from whet.server.jobs.graders.spec import Part, ScoreModel, Turn
from whet.server.jobs.graders.templates import Sample, UnknownVariable, fill
from whet.store.checksums import read_summed, write_summed
from whet.types import Message

AT_ONCE, TRIES, TOKENS = 8, 3, 256
SECONDS = 120.0
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
ASK = "Reply with one number from {low:g} to {high:g}, and nothing else."


class ScoreModelGrader:
    def __init__(self, spec: ScoreModel, url: str, key: str | None, cache: Path | None = None) -> None:
        self.spec, self.cache = spec, cache
        self.low, self.high = spec.range or (0.0, 1.0)
        self.client = ChatClient(url, spec.model, key, SECONDS)
        self.known: dict[str, Any] = dict((read_summed(cache) if cache is not None else None) or {})

    def __call__(self, samples: Sequence[Sample]) -> list[Grade]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            grades = list(pool.map(self._graded, samples))
        if self.cache is not None:
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            write_summed(self.cache, self.known)
        return grades

    def _graded(self, sample: Sample) -> Grade:
        try:
            messages = [_message(turn, sample) for turn in self.spec.input]
        except UnknownVariable as error:
            return Grade(None, "invalid_variable_error", f"there is no {error}")

        messages.append({"role": "system", "content": ASK.format(low=self.low, high=self.high)})
        key = hashlib.sha256(json.dumps([self.spec.model_dump(mode="json"), messages]).encode()).hexdigest()
        if key not in self.known:
            grade = self._ask(messages)
            if grade.flag == "model_grader_server_error":
                return grade  # the next time it may be there
            self.known[key] = asdict(grade)
        return Grade(**self.known[key])

    def _ask(self, messages: list[Message]) -> Grade:
        body = {"model": self.spec.model, "messages": messages, **self._sampling()}
        tokens, said = 0, ""
        for _ in range(TRIES):
            try:
                response = self.client.post("/chat/completions", body)
                message = response["choices"][0]["message"]
            except (RunError, InputError, BadResponse, KeyError, IndexError, TypeError) as error:
                return Grade(None, "model_grader_server_error", str(error), model=self.spec.model)

            tokens += int((response.get("usage") or {}).get("total_tokens") or 0)
            if message.get("refusal"):
                return Grade(None, "model_grader_refusal_error", str(message["refusal"]), {}, tokens, self.spec.model)
            said = str(message.get("content") or "")
            score = self._score(said)
            if score is not None:
                return Grade(score, tokens=tokens, model=self.spec.model)

        why = f"no number from {self.low:g} to {self.high:g}: {said[:200]!r}"
        return Grade(None, "model_grader_parse_error", why, {}, tokens, self.spec.model)

    def _sampling(self) -> dict[str, Any]:
        given = self.spec.sampling_params
        values: dict[str, Any] = {"temperature": 0.0, "max_tokens": TOKENS}
        if given is None:
            return values
        if given.max_completions_tokens is not None:
            values["max_tokens"] = given.max_completions_tokens
        values |= given.model_dump(exclude_none=True, include={"temperature", "top_p", "seed"})
        return values

    def _score(self, said: str) -> float | None:
        """The only number in what was said, where it is within the range."""
        numbers = NUMBER.findall(said)
        if len(numbers) != 1 or not self.low <= float(numbers[0]) <= self.high:
            return None
        return float(numbers[0])


def _message(turn: Turn, sample: Sample) -> Message:
    parts = turn.content if isinstance(turn.content, list) else [turn.content]
    texts = [part.text or "" if isinstance(part, Part) else part for part in parts]
    return {"role": turn.role, "content": fill("".join(texts), sample)}
