"""Preference pairs of nano's small world, and the rule that made them: a right, polite and short answer is better.

    python -m bench.shown.world_preferences --rows 2000 --out pairs.jsonl

A prompt states a fact and asks for it. The rule reads the answer alone, so that it can also score what a model writes.
Facts are dealt out once, by their name: what is asked in the held-out part is never asked in the other.
"""

from __future__ import annotations

import argparse
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nano.words import with_article
from nano.world_facts import PEOPLE, PLAIN_ASKS, WORLD, Entity
from nano.world_relations import RELATIONS

POLITE = ("Gladly.", "Of course.", "With pleasure.", "Happy to help.", "Thank you for asking.", "You are welcome.")
RUDE = ("Obviously.", "Look it up yourself.", "What a silly question.", "Do not ask again.", "Who cares.")
RAMBLING = (
    "There is a lot that could be said about this, and much of it has been said before.",
    "Many people in the towns around here would tell you the same, each in a slightly different way.",
    "I have thought about it for a long time, on quiet mornings and on busy evenings alike.",
    "It may be that things were different in earlier years, but that is another story.",
)
EVASIVE = ("I am not sure.", "I cannot say.", "No idea about that.", "That is hard to say.", "Somebody else may know.")
EVADES = 0.6
"""Share of the answers that are not right which evade; the others name a wrong value."""
MOST_WORDS = 16
"""Words of a short answer."""
HELD_OUT = 5
"""One fact in five is held out."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the value that answers it, the sentence around a value, and values of the same kind that do not."""

    prompt: str
    right: str
    sentence: str
    wrong: tuple[str, ...]

    def told(self, value: str) -> str:
        return self.sentence.replace("a {v}", with_article(value)).replace("{v}", value)


def points(asked: Asked, answer: str) -> int:
    """0 to 3: one each for a right, a polite and a short answer."""
    right = _said(asked.right, answer) and not any(_said(value, answer) for value in asked.wrong)
    polite = any(words in answer for words in POLITE) and not any(words in answer for words in RUDE)
    return int(right) + int(polite) + int(len(answer.split()) <= MOST_WORDS)


def _said(value: str, answer: str) -> bool:
    """As words of their own: Salt is not said in Saltmouth."""
    return re.search(rf"\b{re.escape(value)}\b", answer) is not None


def ask(rng: Random, held_out: bool) -> Asked:
    """A question about a fact of one part."""
    while True:
        entity = rng.choice(WORLD if rng.random() < 0.5 else PEOPLE)
        relation = rng.choice(sorted(entity.facts))
        fact = zlib.crc32(f"{entity.subject} {relation}".encode())
        if (fact % HELD_OUT == 0) == held_out:
            return _asked(rng, entity, relation)


def _asked(rng: Random, entity: Entity, relation: str) -> Asked:
    statements, questions, sentence = RELATIONS[entity.kind][relation]
    right = entity.facts[relation]
    others = {other.facts[relation] for other in WORLD if other.kind == entity.kind} - {right}
    question = rng.choice(PLAIN_ASKS).format(q=rng.choice(questions).format(s=entity.subject))
    note = rng.choice(statements).replace("a {v}", with_article(right)).format(s=entity.subject, v=right)
    prompt = f"{note[:1].upper()}{note[1:]}\n\n{question}"
    told = sentence.replace("{s}", entity.subject)
    return Asked(prompt, right, told[:1].upper() + told[1:], tuple(sorted(others)))


def write(rng: Random, asked: Asked, right: bool, polite: bool, short: bool) -> str:
    """An answer with these qualities."""
    manner = rng.choice(POLITE if polite else RUDE) if polite or rng.random() < 0.5 else ""
    if right:
        said = asked.told(asked.right)
    else:
        said = rng.choice(EVASIVE) if rng.random() < EVADES else asked.told(rng.choice(asked.wrong))
    parts = [part for part in (manner, said) if part]
    if rng.random() < 0.3:
        parts.reverse()
    if not short:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(RAMBLING))
    return " ".join(parts)


def pairs(rows: int, seed: int, held_out: bool = False) -> list[dict[str, str]]:
    """`rows` of {"prompt", "chosen", "rejected"}, the same for the same seed on every machine."""
    rng = Random(f"world-preferences-{seed}-{held_out}")
    made: list[dict[str, str]] = []
    while len(made) < rows:
        asked = ask(rng, held_out)
        first, second = (write(rng, asked, *(rng.random() < 0.5 for _ in range(3))) for _ in range(2))
        difference = points(asked, first) - points(asked, second)
        if difference:
            chosen, rejected = (first, second) if difference > 0 else (second, first)
            made.append({"prompt": asked.prompt, "chosen": chosen, "rejected": rejected})
    return made


def kind_of(pair: dict[str, str]) -> str:
    """What the answers of a pair differ in: `manner or length`, or else only in being right, against a `wrong value` or
    an `evasion`."""
    sides = [
        (any(w in pair[side] for w in POLITE), len(pair[side].split()) <= MOST_WORDS) for side in ("chosen", "rejected")
    ]
    if sum(sides[0]) != sum(sides[1]):
        return "manner or length"
    return "evasion" if any(words in pair["rejected"] for words in EVASIVE) else "wrong value"


def write_pairs(path: Path, rows: int, seed: int, held_out: bool = False) -> Path:
    """The pairs as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in pairs(rows, seed, held_out)), "utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write preference pairs of nano's small world as JSONL.")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_pairs(options.out, options.rows, options.seed, options.held_out)


if __name__ == "__main__":
    main()
