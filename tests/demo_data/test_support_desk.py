"""The demo's answers always follow from its messages: an independent reader finds every one of them."""

from __future__ import annotations

import json
import re

from whet.demo_data import words
from whet.demo_data.support_desk import generate

ROWS = generate(3000, seed=1)

SIGNS = {
    "refund": r"money back|refund",
    "late_delivery": r"not arrived|due last week|delivery of my .* is late|waiting for the .* to arrive|has not moved",
    "damaged_item": r"broken|crack|damaged|smashed|scratches",
    "wrong_item": r"\belse\b|wrong thing|different item|mixed it up|item in place",
    "cancel_order": r"cancel|stop the order",
    "change_address": r"address",
    "invoice_copy": r"invoice|the bill",
    "technical_help": r"get the .* to work|reset|switch on|manual of|which settings",
}

HIGH = re.compile(r"\w+ is urgent|answer today|immediately|can not wait|as soon as possible")
LOW = re.compile(r"no hurry|take \w+ time|no rush|not urgent|a moment is fine")
OTHER = re.compile(rf"the ({'|'.join(words.PRODUCTS)}) (and it works fine|i \w+ last year|from you never)", re.I)
"""A second product that is only mentioned."""


def read(message: str) -> dict[str, str | None]:
    """The answer, read from the message by rules of its own."""
    text = message.lower()
    intents = [intent for intent, sign in SIGNS.items() if re.search(sign, text)]
    assert len(intents) == 1, (intents, message)
    about = OTHER.sub("", message)
    products = [product for product in words.PRODUCTS if product in about]
    assert len(products) == 1, (products, message)
    numbers = re.findall(r"(?<!\d)\d{5}(?!\d)", message)
    assert len(numbers) <= 1, message
    high, low = bool(HIGH.search(text)), bool(LOW.search(text))
    assert not (high and low), message
    urgency = "high" if high else "low" if low else "normal"
    return {"intent": intents[0], "product": products[0], "order_number": (numbers or [None])[0], "urgency": urgency}


def test_every_answer_can_be_read_off_its_message() -> None:
    wrong = []
    for row in ROWS:
        expected = json.loads(row["completion"])
        if read(row["prompt"]) != expected:
            wrong.append((row["prompt"], expected))
    assert not wrong, wrong[:3]


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    assert generate(50, 3) == generate(50, 3) == generate(80, 3)[:50]
    assert generate(50, 3) != generate(50, 4)


def test_rows_are_varied_and_of_the_promised_length() -> None:
    lengths = [len(row["prompt"].split()) for row in ROWS]
    assert min(lengths) >= 15 and max(lengths) <= 45
    assert len({row["prompt"] for row in ROWS}) > 2900
    answers = [json.loads(row["completion"]) for row in ROWS]
    assert {a["intent"] for a in answers} == set(words.INTENTS)
    assert {a["product"] for a in answers} == set(words.PRODUCTS)
    missing = sum(a["order_number"] is None for a in answers) / len(answers)
    assert 0.05 < missing < 0.09
    assert 0.2 < sum(row["prompt"].lower().startswith(row["prompt"][:5]) for row in ROWS) / len(ROWS) < 0.4


def test_answers_are_json_in_the_default_style() -> None:
    assert all(json.dumps(json.loads(row["completion"])) == row["completion"] for row in ROWS)
