"""What people said of an answer, out of the scores and annotations of other tools. What a model or a program said of it
is no feedback of a person, and is left out by whoever asks here."""

from __future__ import annotations

import re

from whet.monitoring.logs.contents.values import moment, name, number
from whet.monitoring.trace import Feedback

GOOD = set("good up thumbs_up positive like liked correct helpful yes true pass accepted".split())
BAD = set("bad down thumbs_down negative dislike disliked incorrect unhelpful no false fail rejected".split())


def opinion(
    topic: object, score: object, label: object, comment: object, by: object, at: object = None
) -> Feedback | None:
    """A thumb where the score is 1, 0 or -1, or the label one of the words for it; another score or label becomes the
    label, with its topic. None where nothing was said."""
    value, word = number(score), name(label)
    good = None
    if word is not None:
        good = _thumb(word)
    elif value is not None and value in (-1, 0, 1):
        good = value > 0

    words = word if word is not None or value is None or good is not None else f"{value:g}"
    shown = None if words is None or good is not None else f"{name(topic) or 'score'}: {words}"
    if good is None and shown is None and name(comment) is None:
        return None
    return Feedback(good=good, label=shown, comment=name(comment), by=name(by), at=moment(at))


def _thumb(word: str) -> bool | None:
    plain = re.sub(r"[\W_]+", "_", word.strip().lower()).strip("_")
    if plain in GOOD or word.strip() in ("👍", "1"):
        return True
    if plain in BAD or word.strip() in ("👎", "0", "-1"):
        return False
    return None
