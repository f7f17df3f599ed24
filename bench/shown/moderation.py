"""Made-up comments for moderation, each with the rules that it breaks: none, one or several.

    python -m bench.shown.moderation --rows 1500 --out comments.jsonl

A comment is ordinary sentences, and for each broken rule one sentence that breaks it. Ordinary sentences use the same
words (a knife that is sold, a loser of a match, a prize at a fair), so that single words do not decide.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

NAMES = ("Tom", "Priya", "Lars", "Amina", "Jun", "Elena", "Marco", "Sofie", "Kofi", "Yara")
THINGS = ("kettle", "bicycle", "lamp", "tent", "camera", "guitar", "printer", "coat", "knife", "drill")
PLACES = ("station", "library", "market", "school", "harbour", "park", "office", "garden")
ORDINARY = (
    "I bought a {thing} at the {place} last week.",
    "{name} and I met at the {place} and talked about the {thing}.",
    "Does anyone know when the {place} opens?",
    "The {thing} works well, but the handle is a bit short.",
    "Thanks to {name} for the good answer.",
    "Our team was the loser of the match at the {place}, but it was fun.",
    "{name} won a prize for the {thing} at the fair.",
    "Please kill the lights when you leave the {place}.",
    "I would click the left button to start the {thing}.",
    "The phone at the {place} is out of order.",
    "This is the most stupid {thing} design, the lid does not close.",
    "My number in the queue was twelve, so I waited at the {place}.",
    "Free entry to the {place} on Sunday, says the notice.",
    "I will find you a better {thing} if this one breaks.",
)
BROKEN = {
    "insult": (
        "{name}, you are a loser and everybody knows it.",
        "Only a stupid person like {name} would write this.",
        "{name} is too dim to use a {thing}.",
        "Shut up, {name}, nobody wants to read you.",
        "What an idiot you are, {name}.",
    ),
    "threat": (
        "I will find you at the {place}, {name}, and you will be sorry.",
        "Watch your back at the {place}, {name}.",
        "{name}, I know where you live and I am coming with a {thing}.",
        "One more word and I will hurt you, {name}.",
        "You will not leave the {place} in one piece, {name}.",
    ),
    "spam": (
        "Click here for a free {thing}, only today!",
        "Earn {number} a day from home, write to my channel!",
        "Best price for a {thing}, visit my shop now!",
        "You won a prize, claim your free {thing} on my page!",
        "Follow my channel and get {number} coins for nothing!",
    ),
    "personal-data": (
        "{name}'s phone number is 07{number}{number}.",
        "{name} lives at {number} {place} road, second floor.",
        "Write to {name} at {name}.{number}@mail.net.",
        "The password of {name} is {thing}{number}.",
        "{name} was born on the {day} of May and the card ends in {number}.",
    ),
}


def comments(rows: int, seed: int) -> list[dict[str, object]]:
    """`rows` of {"text", "label"}, where the label is a list of broken rules, the same for the same seed."""
    rng = Random(f"moderation-{seed}")
    made = []
    for _ in range(rows):
        broken = sorted(rng.sample(sorted(BROKEN), rng.choices((0, 1, 2), (5, 4, 1))[0]))
        patterns = [rng.choice(BROKEN[rule]) for rule in broken]
        patterns += rng.sample(ORDINARY, rng.randint(0 if patterns else 1, 3))
        rng.shuffle(patterns)
        made.append({"text": " ".join(_filled(rng, pattern) for pattern in patterns), "label": broken})
    return made


def _filled(rng: Random, pattern: str) -> str:
    return pattern.format(
        name=rng.choice(NAMES),
        thing=rng.choice(THINGS),
        place=rng.choice(PLACES),
        number=rng.randint(100, 9999),
        day=rng.randint(1, 31),
    )


def write_comments(path: Path, rows: int, seed: int) -> Path:
    """The comments as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in comments(rows, seed)), "utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write made-up comments for moderation as JSONL.")
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write_comments(options.out, options.rows, options.seed)


if __name__ == "__main__":
    main()
