"""The base told what is wanted: of a few phrasings, and of writing and likelihood, what does best on validation rows.

Where the answers are labels the base is also held to them: the likeliest label after the prompt, by the sum of its
log-probabilities or by their mean a token. The prompt is a root and the labels are its children, so it is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean as mean
from typing import Literal

import numpy as np

from whet.data.refuse import RowRefused
from whet.errors import DataError, InputError, count
from whet.evaluate.framing import Fitted
from whet.evaluate.likelihoods import answer_ids, read_answers
from whet.evaluate.opponents.budget import reading, written
from whet.evaluate.opponents.opponent import Opponent
from whet.evaluate.opponents.phrasing import Phrasing, labels_of, phrasings
from whet.evaluate.opponents.setting import Setting
from whet.types import Row

LABEL = "the base with a prompt"
TOLD = 160
"""Characters of the phrasing that are told."""
FEWEST_CHOOSING = 20
By = Literal["writing", "likelihood", "likelihood a token"]


@dataclass(frozen=True, slots=True)
class Way:
    """How the base is told, and how its answer is found."""

    phrasing: Phrasing
    by: By
    score: float
    """On the rows that chose."""


@dataclass(frozen=True, slots=True)
class Given:
    """Answers to some rows."""

    texts: list[str]
    prompts: Fitted
    cut: int = 0
    """Answers that the limit of tokens cut off."""


class Prompted:
    """Raises DataError where there is nothing that could be told, or no phrasing that can be asked."""

    def __init__(self, setting: Setting, most: float, expected: float) -> None:
        """`most` is what choosing may cost, `expected` how many tokens the base is expected to write."""
        self.setting, self.expected = setting, expected
        self.labels = labels_of(setting.seen, setting.compared)
        renderer = setting.prepared.renderer
        self.names = [answer_ids(renderer, label) for label in self.labels]
        self.rows = list(setting.choosing)
        self.found = self._askable(phrasings(setting.seen, setting.compared))
        whole = self.choosing_cost
        if whole > most:
            kept = max(FEWEST_CHOOSING, int(len(self.rows) * most / whole))
            self.rows = self.rows[:kept]
            self.found = [(phrasing, self._cut(prompts, kept)) for phrasing, prompts in self.found]

    def _askable(self, offered: Sequence[Phrasing]) -> list[tuple[Phrasing, Fitted]]:
        why = "no training row has an answer that says what is wanted"
        found = []
        for phrasing in offered if self.rows else []:
            try:
                prompts = self.setting.fitted(phrasing.framing, self.rows)
            except (InputError, RowRefused) as refusal:
                why = refusal.what
                continue
            first = self.setting.prepared.renderer.prompt_text(prompts.messages[0], self.rows[0].tools)
            if phrasing.system is None or " ".join(phrasing.system.split()) in " ".join(first.split()):
                found.append((phrasing, prompts))
        if not found:
            raise DataError(why)
        return found

    @staticmethod
    def _cut(prompts: Fitted, kept: int) -> Fitted:
        short = [values[:kept] for values in (prompts.messages, prompts.tokens, prompts.parts)]
        return Fitted(prompts.noun, *short, prompts.offered, prompts.reduced, prompts.bare, prompts.kept)  # type: ignore[arg-type]

    @property
    def choosing_cost(self) -> float:
        """In tokens that are read once."""
        return sum(
            written(prompts.tokens, self.expected) + self._naming_cost(prompts.tokens) for _, prompts in self.found
        )

    @property
    def row_cost(self) -> float:
        """Of one test row, at most."""
        per_row = [written(p.tokens, self.expected) + self._naming_cost(p.tokens) for _, p in self.found]
        return max(per_row) / len(self.rows)

    def _naming_cost(self, prompts: Sequence[list[int]]) -> float:
        return reading(prompts) + len(prompts) * reading(self.names) if self.names else 0.0

    def choose(self) -> Way:
        """The best on the rows that choose; of equal ones the first, and writing before likelihood."""
        setting, ways = self.setting, []
        for number, (phrasing, prompts) in enumerate(self.found, start=1):
            told = f"{LABEL} ({number} of {len(self.found)} phrasings)"
            answers = setting.ask(told, prompts)
            values = setting.values([answer.text for answer in answers], self.rows)
            ways.append(Way(phrasing, "writing", mean(values)))
        if self.labels:
            for phrasing, prompts in self.found:
                for by, texts in self._named(prompts).items():
                    ways.append(Way(phrasing, by, mean(setting.values(texts, self.rows))))
        return max(ways, key=lambda way: way.score)

    def _named(self, prompts: Fitted) -> dict[By, list[str]]:
        """The likeliest label of each prompt."""
        total = len(prompts.tokens)
        self.setting.observer.phase("reading how likely the base finds each label", total)
        sum_RK = read_answers(
            self.setting.base,
            prompts.tokens,
            self.names,
            lambda done: self.setting.observer.step(done, total, {}),
        )
        size_K = np.array([len(ids) for ids in self.names])
        best = {"likelihood": sum_RK, "likelihood a token": sum_RK / size_K}
        return {by: [self.labels[k] for k in found.argmax(-1).tolist()] for by, found in best.items()}  # type: ignore[misc]

    def give(self, way: Way, rows: Sequence[Row]) -> Given:
        """Answers to rows in a chosen way. Raises InputError where a prompt does not fit."""
        prompts = self.setting.fitted(way.phrasing.framing, rows)
        if way.by != "writing":
            return Given(self._named(prompts)[way.by], prompts)
        answers = self.setting.ask(LABEL, prompts)
        return Given([answer.text.strip() for answer in answers], prompts, sum(not one.finished for one in answers))

    def opponent(self, way: Way, places: Sequence[int]) -> Opponent:
        """On test rows."""
        rows = [self.setting.rows[place] for place in places]
        given = self.give(way, rows)
        tokens = mean([len(ids) for ids in given.prompts.tokens])
        scores = self.setting.values(given.texts, rows)
        return Opponent("prompted", LABEL, list(places), scores, given.texts, tokens, self.detail(way, given))

    def detail(self, way: Way, given: Given) -> str:
        tried = len(self.found) * (3 if self.labels else 1)
        words = way.phrasing.words
        parts = [
            f"the best of {tried} ways on {count(len(self.rows), self.setting.part + ' row')}"
            f" ({how(way.by)}): {words if len(words) <= TOLD else words[: TOLD - 3] + '...'}"
        ]
        if given.cut:
            parts.append(f"{given.cut:,} of {len(given.texts):,} answers were cut at {self.setting.tokens:,} tokens")
        return "; ".join(parts)


def how(by: By) -> str:
    return "it writes its answer" if by == "writing" else f"the likeliest label, by {by}"
