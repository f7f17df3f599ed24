"""The base with a prompt: of a few phrasings, and of writing and likelihood, what does best on validation rows.

If the answers are labels, the base is also held to them: the likeliest label after the prompt, by the sum of its
log-probabilities or by their mean a token. The prompt is a root and the labels are its children, so it is read once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean as mean
from typing import Literal

import numpy as np

from whet.data.refused import RowRefused
from whet.errors import DataError, count
from whet.evaluation.heldout import texts_of
from whet.evaluation.methods.label_likelihood import answer_ids, read_answers
from whet.evaluation.opponents.budget import reading_cost, writing_cost
from whet.evaluation.opponents.opponent import Opponent
from whet.evaluation.opponents.phrasing import Phrasing, labels_of, phrasings
from whet.evaluation.opponents.setting import Setting
from whet.evaluation.prompts import FittedPrompts
from whet.evaluation.transcript import key_of
from whet.store.run import Run
from whet.text.normalise import one_line
from whet.types import Completion, Row

LABEL = "the base with a prompt"
TOLD = 160
"""Characters of the phrasing that a report shows."""
CHOSEN = "prompted.json"
"""In the run's folder: the phrasing, as validation rows chose it."""
FEWEST_CHOOSING = 20
By = Literal["writing", "likelihood", "likelihood a token"]
LIKELY: tuple[By, By] = ("likelihood", "likelihood a token")


@dataclass(frozen=True, slots=True)
class Way:
    """How the base is told what is wanted, and how its answer is found."""

    phrasing: Phrasing
    by: By
    score: float
    """On the validation rows that chose."""


@dataclass(frozen=True, slots=True)
class PromptedAnswers:
    """Answers to some rows."""

    prompts: FittedPrompts
    answers: list[Completion]

    @property
    def texts(self) -> list[str]:
        return texts_of(self.answers)

    @property
    def cut(self) -> int:
        """Answers that the limit of tokens cut off."""
        return sum(not answer.finished for answer in self.answers)


class PromptedOpponent:
    """Raises DataError if no training row says what is wanted, or no phrasing can be asked."""

    def __init__(self, setting: Setting, most: float, expected: float) -> None:
        """`most` is what choosing may cost, `expected` how many tokens the base is expected to write."""
        self.setting, self.expected = setting, expected
        self.labels = labels_of(setting.seen, setting.compared) if setting.base is not None else []
        renderer = setting.prepared.renderer
        self.names = [answer_ids(renderer, label) for label in self.labels]
        self.rows: list[Row] = []
        self.askable = self._askable(phrasings(setting.seen, setting.compared))

        whole = self.choosing_cost
        if whole > most:
            kept = max(FEWEST_CHOOSING, int(len(self.rows) * most / whole))
            self.rows = self.rows[:kept]
            self.askable = [(phrasing, self._cut(prompts, kept)) for phrasing, prompts in self.askable]

    def _askable(self, offered: Sequence[Phrasing]) -> list[tuple[Phrasing, FittedPrompts]]:
        """Phrasings that the template can say, with the prompts of the rows that choose: those that fit in each."""
        why, setting, kept = "no training row has an answer that says what is wanted", self.setting, []
        places = set(range(len(setting.choosing)))
        if not places:
            raise DataError(why)

        for phrasing in offered:
            try:
                fitting = setting.fits(phrasing.style, setting.choosing)
            except RowRefused as refusal:
                why = refusal.what
                continue

            if not fitting:
                why = "beside an answer there is no room for a prompt that says what is wanted"
            elif phrasing.system is None or self._says(phrasing):
                places &= set(fitting)
                kept.append(phrasing)

        self.rows = [setting.choosing[place] for place in sorted(places)]
        if not kept or not self.rows:
            raise DataError(why)
        return [(phrasing, setting.fitted(phrasing.style, self.rows)) for phrasing in kept]

    def _says(self, phrasing: Phrasing) -> bool:
        """Some templates leave system prompts out without a word."""
        row = self.setting.choosing[0]
        text = self.setting.prepared.renderer.prompt_text(phrasing.style.messages(row, []), row.tools)
        return phrasing.words in one_line(text)

    @staticmethod
    def _cut(prompts: FittedPrompts, kept: int) -> FittedPrompts:
        short = [values[:kept] for values in (prompts.messages, prompts.tokens, prompts.parts)]
        return FittedPrompts(prompts.noun, *short, prompts.offered, prompts.reduced, prompts.bare, prompts.kept)  # type: ignore[arg-type]

    @property
    def choosing_cost(self) -> float:
        """In tokens that are read once."""
        return sum(self._cost(prompts) for _, prompts in self.askable)

    @property
    def row_cost(self) -> float:
        """Of one test row, at most."""
        return max(self._cost(prompts) for _, prompts in self.askable) / len(self.rows)

    def _cost(self, prompts: FittedPrompts) -> float:
        """Of writing an answer to each prompt, and of naming a label."""
        cost = writing_cost(prompts.tokens, self.expected)
        if self.names:
            cost += reading_cost(prompts.tokens) + len(prompts.tokens) * reading_cost(self.names)
        return cost

    def choose(self) -> Way:
        """The best on the rows that choose; of equal ones the first, and writing before likelihood."""
        setting, ways = self.setting, []
        for number, (phrasing, prompts) in enumerate(self.askable, start=1):
            answers = setting.ask(f"{LABEL} ({number} of {len(self.askable)} phrasings)", prompts)
            values = setting.values(texts_of(answers), self.rows)
            ways.append(Way(phrasing, "writing", mean(values)))

        if self.labels:
            for phrasing, prompts in self.askable:
                for by in LIKELY:
                    values = setting.values(texts_of(self._named(prompts, by)), self.rows)
                    ways.append(Way(phrasing, by, mean(values)))

        return max(ways, key=lambda way: way.score)

    def _named(self, prompts: FittedPrompts, by: By) -> list[Completion]:
        """The likeliest label of each prompt, by a sum or by a mean; kept with the answers, so that it is read once."""
        base = self.setting.base
        assert base is not None and base.memory is not None
        memory = base.memory

        def keys(way: By) -> list[str]:
            return [key_of(f"{memory.identity} {way}", [ids, self.labels], 0) for ids in prompts.tokens]

        missing = [place for place, key in enumerate(keys(by)) if key not in memory.transcript]
        if missing:
            total, began = len(missing), time.perf_counter()
            self.setting.observer.phase("reading how likely the base finds each label", total)
            asked = [prompts.tokens[place] for place in missing]
            done = partial(self._count, total)
            sum_RK = read_answers(base, asked, self.names, done)
            seconds = (time.perf_counter() - began) / total
            size_K = np.array([len(ids) for ids in self.names])

            both: dict[By, np.ndarray] = {"likelihood": sum_RK, "likelihood a token": sum_RK / size_K}
            for way, score_RK in both.items():
                all_keys, named = keys(way), {}
                for place, ids, k in zip(missing, asked, score_RK.argmax(-1).tolist(), strict=True):
                    written = len(self.names[k])
                    label = Completion(self.labels[k], True, [], [], len(ids), written, seconds)
                    named[all_keys[place]] = label
                memory.transcript.add(f"base, {way}", named)

        return [memory.transcript[key] for key in keys(by)]

    def _count(self, total: int, done: int) -> None:
        self.setting.observer.step(done, total, {})

    def give(self, way: Way, rows: Sequence[Row]) -> PromptedAnswers:
        """Answers to rows in a chosen way. Raises InputError if a prompt does not fit."""
        prompts = self.setting.fitted(way.phrasing.style, rows)
        if way.by != "writing":
            return PromptedAnswers(prompts, self._named(prompts, way.by))
        answers = self.setting.ask(LABEL, prompts)
        return PromptedAnswers(prompts, [replace(answer, text=answer.text.strip()) for answer in answers])

    def opponent(self, way: Way, places: Sequence[int]) -> Opponent:
        """On test rows, without those whose prompt would not fit. Raises DataError if none does."""
        rows = [self.setting.rows[place] for place in places]
        fitting = self.setting.fits(way.phrasing.style, rows)
        if not fitting:
            raise DataError("beside an answer there is no room for a prompt that says what is wanted")
        kept = [rows[place] for place in fitting]
        given = self.give(way, kept)
        tokens = mean([len(ids) for ids in given.prompts.tokens])
        scores = self.setting.values(given.texts, kept)
        detail = self.detail(way, given, len(rows) - len(kept))

        return Opponent("prompted", LABEL, [places[n] for n in fitting], scores, given.texts, tokens, detail)

    def detail(self, way: Way, given: PromptedAnswers, too_long: int) -> str:
        tried = len(self.askable) * (1 + len(LIKELY) * bool(self.labels))
        words = way.phrasing.words
        if len(words) > TOLD:
            words = words[: TOLD - 3] + "..."

        rows = count(len(self.rows), f"{self.setting.part} row")
        parts = [f"the best of {tried} ways on {rows} ({format_way(way.by)}): {words}"]

        if given.cut:
            parts.append(f"{given.cut:,} of {len(given.texts):,} answers were cut at {self.setting.tokens:,} tokens")
        if too_long:
            parts.append(f"{count(too_long, 'row')} whose prompt would not fit left out")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Ready:
    prompted: PromptedOpponent
    way: Way


def way_of(run: Run, setting: Setting) -> Ready:
    """As the evaluation of the run chose it, or chosen now. Raises DataError as `PromptedOpponent` does."""
    prompted = PromptedOpponent(setting, float("inf"), setting.tokens)
    if not (run.folder / CHOSEN).exists():
        return Ready(prompted, prompted.choose())
    stored = run.read_json(CHOSEN, "phrasing", "by", "score")
    return Ready(prompted, Way(Phrasing(**stored["phrasing"]), stored["by"], stored["score"]))


def format_way(by: By) -> str:
    if by == "writing":
        return "it writes its answer"
    return f"the likeliest label, by {by}"
