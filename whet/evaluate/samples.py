"""Which answers the report shows, and how untrusted text is made safe to look at.

The template escapes all HTML. Here the characters are handled that escaping leaves alone: controls, lone
surrogates and the marks that reverse the direction of text become visible symbols.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {
    "gained": "Gained",
    "lost": "Lost",
    "right": "Both right",
    "same": "No change",
}
MOST_CARDS = 60
MOST_CHARACTERS = 1_200
BUDGET = 90_000
"""Characters of answers in the whole report; marking up differences about doubles them."""
MOST_WORDS = 250
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
PIECE = re.compile(r"\s+|\w+|[^\w\s]")

Pieces = list[tuple[str, bool]]
"""Text in pieces, each with whether it differs from the reference."""


@dataclass(slots=True)
class Card:
    row: str
    kind: str
    label: str
    prompt: str
    reference: str
    base: Pieces
    tuned: Pieces
    base_score: float
    tuned_score: float


def kind_of(base_score: float, tuned_score: float) -> str:
    if tuned_score != base_score:
        return "gained" if tuned_score > base_score else "lost"
    return "right" if tuned_score >= 1 else "same"


def choose(answers: Sequence[dict[str, Any]]) -> list[Card]:
    """Cards in turn from each kind (gained, lost, both right, no change), evenly spread over the file, until the
    report has enough; in the order of the kinds."""
    piles: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for answer in answers:
        piles[kind_of(answer["base_score"], answer["tuned_score"])].append(answer)
    queues = {kind: spread(pile, MOST_CARDS) for kind, pile in piles.items()}
    chosen: dict[str, list[Card]] = {kind: [] for kind in KINDS}
    room = BUDGET
    for kind, answer in take_turns(queues):
        card = card_of(answer, kind)
        room -= len(card.prompt) + len(card.reference) + sum(len(t) for t, _ in card.base + card.tuned)
        if room < 0 or sum(map(len, chosen.values())) == MOST_CARDS:
            break
        chosen[kind].append(card)
    return [card for cards in chosen.values() for card in cards]


def spread(pile: list[Any], most: int) -> list[Any]:
    if len(pile) <= most:
        return pile
    return [pile[index * len(pile) // most] for index in range(most)]


def take_turns(queues: dict[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    for turn in range(max((len(queue) for queue in queues.values()), default=0)):
        for kind, queue in queues.items():
            if turn < len(queue):
                yield kind, queue[turn]


def card_of(answer: dict[str, Any], kind: str) -> Card:
    reference = shown(answer.get("reference"))
    return Card(
        row=shown(answer.get("row")),
        kind=kind,
        label=KINDS[kind],
        prompt=shown(prompt_text(answer.get("prompt"))),
        reference=reference,
        base=marked(shown(answer.get("base")), reference),
        tuned=marked(shown(answer.get("tuned")), reference),
        base_score=answer["base_score"],
        tuned_score=answer["tuned_score"],
    )


def prompt_text(prompt: Any) -> Any:
    """A conversation as `role: content` paragraphs; a plain prompt as it is."""
    if isinstance(prompt, list) and all(isinstance(turn, dict) for turn in prompt):
        if len(prompt) == 1:
            return prompt[0].get("content")
        return "\n\n".join(f"{turn.get('role', '')}: {plain(turn.get('content'))}" for turn in prompt)
    return prompt


def visible(value: Any) -> str:
    """The whole text with hidden characters made visible."""
    return HIDDEN.sub(lambda match: f"\u27e8U+{ord(match[0]):04X}\u27e9", plain(value).replace("\r\n", "\n"))


def shown(value: Any) -> str:
    """Text as it can be looked at: hidden characters visible, the middle of a long one left out."""
    text = visible(value)
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]} \u2026 {len(text) - 2 * half:,} more characters \u2026 {text[-half:]}"


def plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def marked(text: str, reference: str) -> Pieces:
    """The text in pieces; those that the reference does not have at that place are marked. Long texts, and texts
    that share little with the reference, stay unmarked, because marks everywhere say nothing."""
    given, wanted = PIECE.findall(text), PIECE.findall(reference)
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
