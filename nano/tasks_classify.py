"""Choosing a label from the options that the request names."""

from random import Random

from nano import words as w
from nano.tasks_json import domain_notice, dumped
from nano.words import Pair, capital, fix_articles, pick

JSON_ASKS = (
    'Classify the message. Answer with JSON {"{k}": ...}. Options: {o}.',
    "Give the {k} as JSON. Choose from {o}.",
    "Which {k}? JSON with the key {k}, one of {o}.",
    'Return {"{k}": "..."} with one of {o}.',
    "Decide the {k} ({o}) and write it as JSON.",
)
WORD_ASKS = (
    "Which {k} fits: {o}?",
    "Choose the {k}: {o}. Answer with one word.",
    "Label the text ({k}): {o}.",
    "Say {h}: {o}.",
    "Is it {o}?",
    "Options for {k}: {o}. Pick one.",
    "{k}? ({o})",
    "Sort this under {o}.",
    "Which of these is right for the {k}: {o}?",
)
LAYOUTS = ("{a}\n\n{t}", "{t}\n{a}", "{a}\nText: {t}", "{a}\n\nMessage: {t}", "{t}\n\n{a}")
MENTIONS = {
    "animal": (
        w.ANIMALS[:18],
        (
            "I saw a {x} today",
            "the {x} is hungry",
            "our {x} ran away",
            "a {x} was sleeping in the grass",
            "have you fed the {x}",
            "the {x} has a new home",
        ),
    ),
    "job": (
        w.JOBS,
        (
            "she works as a {x}",
            "I want to be a {x}",
            "the {x} was very kind",
            "we are looking for a {x}",
            "my uncle was a {x}",
            "ask the {x} about it",
        ),
    ),
    "place": (
        w.PLACES,
        (
            "we meet at the {x}",
            "the {x} is closed",
            "I waited near the {x}",
            "is the {x} far from here",
            "the {x} was full of people",
            "they built a new {x}",
        ),
    ),
    "colour": (
        w.COLOURS,
        ("paint it {x}", "she likes {x} best", "everything was {x}", "I would take the {x} one", "the wall is {x} now"),
    ),
    "weekday": (
        w.WEEKDAYS,
        ("come on {x}", "{x} is too early", "we always meet on {x}", "until {x} then", "I am free on {x}"),
    ),
    "city": (
        w.CITIES,
        (
            "we fly to {x}",
            "{x} is a big town",
            "my brother lives in {x}",
            "the train from {x} is late",
            "have you ever been to {x}",
        ),
    ),
    "month": (
        w.MONTHS,
        (
            "{x} was very cold",
            "we start in {x}",
            "in {x} I have my birthday",
            "it has to wait until {x}",
            "the shop opens in {x}",
        ),
    ),
}


def classify(rng: Random, level: int) -> Pair:
    key, hint, options, label, text = mention(rng) if rng.random() < 0.35 else domain_label(rng, level)
    shown = pick(rng, (", ".join(options), " or ".join(options), " / ".join(options), "|".join(options)))
    as_json = rng.random() < 0.45
    ask = pick(rng, JSON_ASKS if as_json else WORD_ASKS).replace("{k}", key).replace("{h}", hint).replace("{o}", shown)
    answer = dumped({key: label}) if as_json else label
    return pick(rng, LAYOUTS).replace("{a}", capital(ask)).replace("{t}", text), answer


def domain_label(rng: Random, level: int) -> tuple[str, str, list[str], str, str]:
    notice = domain_notice(rng, min(level, 1), labels_wanted=True)
    label = next(want for want in notice.wanted if want.options)
    return label.key, label.hint, list(label.options), str(label.value), notice.message


def mention(rng: Random) -> tuple[str, str, list[str], str, str]:
    """What kind of word occurs; sometimes the labels are invented and explained in the request."""
    kinds = w.some(rng, list(MENTIONS), pick(rng, (2, 3, 4)))
    kind = pick(rng, kinds)
    members, frames = MENTIONS[kind]
    text = fix_articles(capital(pick(rng, frames).replace("{x}", pick(rng, members)))) + "."
    key = pick(rng, ("topic", "kind", "type", "label", "class", "group", "about"))
    if rng.random() < 0.3:
        codes = {name: pick(rng, (w.gibberish, w.made_up))(rng) for name in kinds}
        if len(set(codes.values())) == len(codes):
            return key, "the label", [f"{code} ({name})" for name, code in codes.items()], codes[kind], text
    return key, "what the text is about", kinds, kind, text
