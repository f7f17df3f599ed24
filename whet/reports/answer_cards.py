"""Which answers the report shows, and how untrusted text is made safe to look at.

The template escapes all HTML. Here the characters are handled that escaping leaves alone: controls, lone
surrogates and the marks that reverse the direction of text become visible symbols.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from whet.errors import without_hidden
from whet.evaluation.facts import SIDES, AnswerLine, SideName
from whet.text.conversation import plain, prompt_text
from whet.text.words import WORDS_SIGNS_AND_SPACES

KINDS = {
    "lost": "Lost",
    "wrong": "Both wrong",
    "same": "No change",
    "gained": "Gained",
    "right": "Both right",
}
"""Errors first. `same` is for scores that are not simply right or wrong, such as ROUGE."""
OPEN = ("lost", "wrong", "same")
"""Kinds that are seen without a click."""
MOST_CARDS = 40
MOST_CHARACTERS = 1_200
BUDGET = 90_000
"""Characters of answers in the whole report; marking up differences about doubles them."""
MOST_WORDS = 250

Item = TypeVar("Item")
Pieces = list[tuple[str, bool]]
"""Text in pieces, each with whether it differs from the reference."""


@dataclass(slots=True)
class CardAnswer:
    """One answer to a test row."""

    by: str
    style: str
    """A class of report.css: base-side, tuned-side or other-side."""
    score: float
    text: Pieces
    note: str = ""
    """What was taken out of an answer that was not in form."""


@dataclass(slots=True)
class AnswerCard:
    row: str
    kind: str
    prompt: str
    reference: str
    answers: list[CardAnswer]
    """Base and tuned first, then the opponents that were asked."""

    @property
    def characters(self) -> int:
        total = len(self.prompt) + len(self.reference)
        for answer in self.answers:
            total += sum(len(text) for text, _ in answer.text)
        return total


@dataclass(slots=True)
class Pile:
    """The test rows of one kind, with some of them to look at."""

    kind: str
    label: str
    rows: int
    share: float
    """Percent of all test rows."""
    cards: list[AnswerCard]
    open: bool


def kind_of(base_score: float, tuned_score: float, whole: bool) -> str:
    """`whole`: all scores of the file are 0 or 1, so that an answer is right or wrong."""
    if tuned_score != base_score:
        if tuned_score > base_score:
            return "gained"
        return "lost"
    if whole:
        if tuned_score >= 1:
            return "right"
        return "wrong"

    return "same"


def choose(answers: Sequence[AnswerLine], labels: dict[str, str]) -> list[Pile]:
    """All kinds that occur, errors first, with cards taken from each in turn, evenly spread over the file, until the
    report has enough. `labels` are the words for opponents, by name."""
    whole = all(answer[side] in (0, 1) for answer in answers for side in ("base_score", "tuned_score"))
    piles: dict[str, list[AnswerLine]] = {kind: [] for kind in KINDS}
    for answer in answers:
        piles[kind_of(answer["base_score"], answer["tuned_score"], whole)].append(answer)

    queues = {kind: spread(pile, MOST_CARDS) for kind, pile in piles.items()}
    chosen: dict[str, list[AnswerCard]] = {kind: [] for kind in KINDS}

    room = BUDGET
    for kind, answer in round_robin(queues):
        card = card_of(answer, kind, labels)
        room -= card.characters

        if room < 0 or sum(map(len, chosen.values())) == MOST_CARDS:
            break

        chosen[kind].append(card)

    occurring = [kind for kind in KINDS if piles[kind]]
    seen = [kind for kind in OPEN if kind in occurring] or occurring[:1]
    return [
        Pile(kind, KINDS[kind], len(piles[kind]), 100 * len(piles[kind]) / len(answers), chosen[kind], kind in seen)
        for kind in occurring
    ]


def spread(pile: list[Item], most: int) -> list[Item]:
    """At most `most` of the pile, at even distances."""
    if len(pile) <= most:
        return pile
    return [pile[index * len(pile) // most] for index in range(most)]


def round_robin(queues: dict[str, list[Item]]) -> Iterator[tuple[str, Item]]:
    """The first of each queue, then the second of each, and so on, with the name of the queue."""
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        for kind, queue in queues.items():
            if turn < len(queue):
                yield kind, queue[turn]


def card_of(answer: AnswerLine, kind: str, labels: dict[str, str]) -> AnswerCard:
    reference = display_text(answer.get("reference"))
    answers = []
    scores = {"base": answer["base_score"], "tuned": answer["tuned_score"]}
    for side in SIDES:
        pieces = diff_pieces(display_text(answer.get(side)), reference)
        answers.append(CardAnswer(side.capitalize(), f"{side}-side", scores[side], pieces, split_note(answer, side)))

    for name, theirs in (answer.get("opponents") or {}).items():
        if name == "base":  # it is there
            continue
        pieces = diff_pieces(display_text(theirs.get("text")), reference)
        answers.append(CardAnswer(visible(labels.get(name, name)), "other-side", theirs["score"], pieces))

    return AnswerCard(place_of(answer), kind, display_text(prompt_text(answer.get("prompt"))), reference, answers)


def place_of(answer: Mapping[str, Any]) -> str:
    """File and line of a test row, as `whet check` names them; its number in runs that did not write them."""
    where = answer.get("where")
    if not where:
        row = answer.get("row")
        return f"row {row + 1 if isinstance(row, int) else display_text(row)}"  # counted from 1, as lines are

    turn = answer.get("turn")
    if turn is None:
        return display_text(where)
    return f"{display_text(where)}, turn {display_text(turn)}"


def split_note(answer: AnswerLine, side: SideName) -> str:
    """What was taken out of an answer that a program could not read as it stands; empty for any other."""
    if side == "base":
        form, content = answer.get("base_form"), answer.get("base_content")
    else:
        form, content = answer.get("tuned_form"), answer.get("tuned_content")
    if form is not False:
        return ""
    if content is None:
        return "not in form; nothing could be taken out"
    return f"not in form; it says: {display_text(content)}"


def visible(value: Any) -> str:
    """The whole text with hidden characters made visible."""
    return without_hidden(plain(value).replace("\r\n", "\n"))


def display_text(value: Any) -> str:
    """Text as it can be looked at: hidden characters visible, the middle of a long one left out."""
    text = visible(value)
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]} \u2026 {len(text) - 2 * half:,} more characters \u2026 {text[-half:]}"


def diff_pieces(text: str, reference: str) -> Pieces:
    """The text in pieces; those that the reference does not have at that place are marked. Long texts, and texts
    that share little with the reference, stay unmarked, because marks everywhere say nothing."""
    given, wanted = WORDS_SIGNS_AND_SPACES.findall(text), WORDS_SIGNS_AND_SPACES.findall(reference)
    if not text:
        return []
    if not given or not wanted or max(len(given), len(wanted)) > MOST_WORDS:
        return [(text, False)]

    matcher = difflib.SequenceMatcher(None, wanted, given, autojunk=False)
    if matcher.ratio() < 0.35:
        return [(text, False)]

    pieces = []
    for tag, _, _, start, end in matcher.get_opcodes():
        if start < end:
            pieces.append(("".join(given[start:end]), tag != "equal"))

    return pieces
