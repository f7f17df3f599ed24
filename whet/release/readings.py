"""What a consumer says to the golden prompts: all that a proof looks at."""

from __future__ import annotations

from dataclasses import dataclass, field

from whet.observer import Observer
from whet.release.consumers.protocol import Consumer, Scorer, Written
from whet.release.golden import Golden


@dataclass(frozen=True, slots=True)
class CaseReading:
    """Of one golden case. None is what the consumer does not tell."""

    ids: list[int] | None
    """As the consumer renders the prompt."""
    answer: list[float] | None
    """Log-probability of each token of the golden answer..."""
    contrast: list[float] | None
    """...and of the contrast."""
    written: Written | None
    """Its own greedy answer."""


@dataclass(frozen=True, slots=True)
class ScoreReading:
    """Of a golden text, by a model with a head."""

    ids: list[int] | None
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Readings:
    consumer: str
    cases: list[CaseReading] = field(default_factory=list)
    """In the order of the golden cases."""
    scores: list[ScoreReading] = field(default_factory=list)


def read_cases(golden: Golden, consumer: Consumer, observer: Observer) -> Readings:
    """Asks the consumer everything. Answers are read after the golden ids, whatever the consumer renders: a fault of
    the template must not hide one of the weights."""
    found = []
    for number, case in enumerate(golden.cases, 1):
        prompt = case.prompt
        rendered = consumer.encode(prompt.text)

        if prompt.messages is not None:
            rendered = consumer.render(prompt.messages, prompt.tools)
        answer = consumer.logprobs(prompt.ids, case.answer.tokens)
        contrast = consumer.logprobs(prompt.ids, case.contrast.tokens)
        found.append(CaseReading(rendered, answer, contrast, consumer.greedy(prompt.ids, golden.limit)))
        observer.step(number, len(golden.cases), {})

    return Readings(consumer.name, cases=found)


def read_scores(golden: Golden, scorer: Scorer, observer: Observer) -> Readings:
    """The same of a model with a head."""
    found = []
    for number, row in enumerate(golden.scores, 1):
        if row.messages is None:
            rendered = scorer.encode(row.text)
        else:
            rendered = scorer.render(row.messages, None)

        found.append(ScoreReading(rendered, scorer.scores(row.ids)))
        observer.step(number, len(golden.scores), {})

    return Readings(scorer.name, scores=found)
