"""Filling templates, replacing words and writing mails from given fields."""

from random import Random

from nano import words as w
from nano.words import Pair, fill, pick

FORMS = [
    "Dear {name}, your {item} is ready. Please come on {day}. The code is {code}.",
    "{name} from {city} asked about the {item}.",
    "To: {name}\nCity: {city}\nWe send the {item} on {day}.",
    "Hello {name}! Thank you for your letter from {city}. Your number is {code}.",
    "On {day} {name} will bring the {item} to {city}.",
    "Ticket {code} for {name}, {day}.",
    "The {item} ({code}) belongs to {name}.",
    "{name} and the {item}: meet in {city} on {day}.",
    "Dear {name},\nplease keep the code {code}.\nBest wishes from {city}",
]


def form_values(rng: Random) -> dict[str, str]:
    return {
        "name": w.person(rng),
        "item": w.thing(rng),
        "day": pick(rng, w.WEEKDAYS),
        "code": w.code(rng),
        "city": w.city(rng),
    }


def fill_form(rng: Random, level: int) -> Pair:
    values = form_values(rng)
    form = pick(rng, FORMS)
    used = [key for key in values if "{" + key + "}" in form]
    rng.shuffle(used)
    given = pick(rng, ("\n", ", ", "; ")).join([f"{key}{pick(rng, (': ', '='))}{values[key]}" for key in used])
    answer = fill(form, **values)
    ask = pick(
        rng,
        (
            "Fill in the template",
            "Complete the text with the given fields",
            "Put the values into the text",
            "Write the finished text",
        ),
    )
    opening, closing = pick(rng, (("{", "}"), ("[", "]"), ("<", ">"), ("{", "}")))
    shown = form.replace("{", "\0").replace("}", closing).replace("\0", opening)
    return pick(
        rng, (f"{ask}.\nTemplate: {shown}\nFields: {given}", f"{given}\n\n{ask}:\n{shown}", f"{ask}: {shown}\n{given}")
    ), answer


def replace_word(rng: Random, level: int) -> Pair:
    values, other = form_values(rng), form_values(rng)
    form = pick(rng, FORMS)
    key = pick(rng, [key for key in values if "{" + key + "}" in form])
    text = fill(form, **values)
    ask = pick(rng, ("Replace {a} with {b}", "Write {b} instead of {a}", "Change {a} to {b}"))
    return f"{fill(ask, a=values[key], b=other[key])}: {text}", text.replace(values[key], other[key])


MAIL = "Dear {name},\nI am writing about the {item} ({code}). I will be in {city} on {day}.\nBest wishes"
MAIL_ASKS = ("Write an email from these fields.", "Write a short mail.", "Make a letter from this.")


def letter(rng: Random, level: int) -> Pair:
    """An e-mail from given fields; the wording of the mail is fixed by the request, so only copying is left."""
    values = form_values(rng)
    answer = fill(MAIL, **values)
    order = list(values)
    rng.shuffle(order)
    given = "\n".join([f"{key}: {values[key]}" for key in order])
    return (
        f"{pick(rng, MAIL_ASKS)}\n{given}",
        answer,
    )
