"""Several messages with the same keys: as a conversation, or as examples to follow."""

from random import Random

from nano import words as w
from nano.domains import DOMAINS
from nano.tasks_json import Notice, Pair, answer_of, build_notice, instruction, numbers_are_int
from nano.words import between, pick


def series(rng: Random, level: int, count: int) -> list[Notice]:
    """Several messages with the same keys in the same domain."""
    domain = pick(rng, DOMAINS)
    as_int = numbers_are_int(rng)
    fields = w.some(rng, domain.fields, between(rng, 1, min(3, 1 + level)))
    labels = w.some(rng, domain.labels, 1) if rng.random() < 0.7 else []
    taken: set[str] = set()
    # build_notice chooses among the keys of a part, so each part is first cut down to one key.
    fields = [field._replace(keys=(one_key(rng, field.keys, taken),)) for field in fields]
    labels = [label._replace(keys=(one_key(rng, label.keys, taken),)) for label in labels]
    return [build_notice(rng, level, fields, labels, as_int) for _ in range(count)]


def one_key(rng: Random, keys: tuple[str, ...], taken: set[str]) -> str:
    key = next((key for key in w.some(rng, keys, len(keys)) if key not in taken), keys[0] + "_2")
    taken.add(key)
    return key


def extract_series(rng: Random, level: int) -> tuple[str, list[Pair]]:
    """One instruction in the system turn, then one or several bare messages of the same keys."""
    notices = series(rng, level, between(rng, 1, 2 + level))
    order = notices[0].wanted
    ask, style = instruction(rng, order, always_null=True)
    return ask, [(notice.message, answer_of(notice, order, style)) for notice in notices]


def extract_by_example(rng: Random, level: int) -> Pair:
    """The keys are shown by examples only."""
    notices = series(rng, min(level, 1), between(rng, 2, 2 + (level == 2)))
    order = notices[0].wanted
    heads = pick(
        rng, (("Message: ", "\nJSON: "), ("", "\n"), ("In: ", "\nOut: "), ("", " -> "), ("Text: ", "\nAnswer: "))
    )
    shown = [f"{heads[0]}{notice.message}{heads[1]}{answer_of(notice, order, 'plain')}" for notice in notices[:-1]]
    start = pick(rng, ("", "", "Go on like this.", "Follow the example.", "Example:", "Do the same."))
    for want in order:
        if want.options:  # examples cannot show every option
            start = f"{start} {want.key}: {' or '.join(want.options)}.".lstrip()
    start += "\n\n" if start else ""
    question = f"{heads[0]}{notices[-1].message}{heads[1].rstrip()}"
    return start + "\n\n".join([*shown, question]), answer_of(notices[-1], order, "plain")
