"""The demo's task: free-text messages to a support desk, to be turned into strict JSON.

    {"intent": "refund", "product": "Orrin kettle", "order_number": "48213", "urgency": "high"}

The answer always follows from the message: the intent from one sentence, the product and the order number
as written (null when there is no number), the urgency from a fixed set of sentences (normal when there is none).
Prices, dates, telephone numbers and other products stand in the way.
"""

from __future__ import annotations

import json
import random

from whet.demo_data import words

SHORTEST, LONGEST = 15, 45
"""Words in a message."""


def generate(rows: int, seed: int) -> list[dict[str, str]]:
    """`rows` dictionaries {"prompt": message, "completion": json}, the same for the same seed on every machine."""
    rng = random.Random(seed)
    return [one_row(rng) for _ in range(rows)]


def one_row(rng: random.Random) -> dict[str, str]:
    intent = rng.choice(list(words.INTENTS))
    product = rng.choice(words.PRODUCTS)

    if rng.random() >= 0.07:
        number = f"{rng.randrange(10_000, 100_000)}"
    else:
        number = None

    urgency = rng.choices(["normal", "high", "low"], [5, 3, 2])[0]
    message = compose(rng, intent, product, number, urgency)
    while len(message.split()) > LONGEST:
        message = compose(rng, intent, product, number, urgency)
    answer = {"intent": intent, "product": product, "order_number": number, "urgency": urgency}

    return {"prompt": message, "completion": json.dumps(answer)}


def compose(rng: random.Random, intent: str, product: str, number: str | None, urgency: str) -> str:
    """A message of 15 to 45 words."""
    inside = number is not None and rng.random() < 0.5
    if inside:
        order = rng.choice(words.ORDER_INSIDE).format(number=number)
    else:
        order = ""

    request = rng.choice(words.INTENTS[intent]).format(product=product, order=order)
    extra = []

    if not inside:
        extra.append(rng.choice(words.ORDER_APART).format(number=number) if number else rng.choice(words.NO_ORDER))
    if urgency != "normal":
        extra.append(rng.choice(words.URGENT if urgency == "high" else words.RELAXED))

    if rng.random() < 0.6:
        extra.append(distractor(rng))

    if rng.random() < 0.08:
        other = rng.choice([name for name in words.PRODUCTS if name != product])
        extra.append(rng.choice(words.OTHER_PRODUCT).format(other=other))

    rng.shuffle(extra)
    sentences = [tidy(request), *(sentence for sentence in extra if sentence)]

    if rng.random() < 0.15:
        sentences = [*sentences[1:], sentences[0]]
    pad(rng, sentences)
    text = frame(rng, " ".join(sentences))

    if rng.random() < 0.25:
        text = misspell(rng, text)
    if rng.random() < 0.25:
        return lower(text, product)
    return text


def pad(rng: random.Random, sentences: list[str]) -> None:
    """Adds filler: always until 15 words are reached, sometimes one sentence more."""
    filler = rng.sample(words.PADDING, len(words.PADDING))
    while count(sentences) < SHORTEST or (rng.random() < 0.3 and count(sentences) < 30):
        sentences.insert(rng.randint(1, len(sentences)), filler.pop())


def count(sentences: list[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def frame(rng: random.Random, body: str) -> str:
    greeting = rng.choice(words.GREETINGS)
    closing = rng.choice(words.CLOSINGS).format(name=rng.choice(words.NAMES))
    return " ".join(part for part in (greeting, body, closing) if part)


def tidy(request: str) -> str:
    """A sentence with a capital letter and one mark at its end."""
    request = request.rstrip(",").replace(",,", ",")
    question = request.startswith(("how ", "where ", "can ", "could ", "which "))
    return request[0].upper() + request[1:] + ("?" if question else ".")


def distractor(rng: random.Random) -> str:
    return rng.choice(words.DISTRACTORS).format(
        price=f"{rng.randrange(9, 400)}.{rng.choice(['00', '50', '90', '99'])} euros",
        date=f"{rng.randrange(1, 29)} {rng.choice(['March', 'May', 'June', 'August', 'October', 'December'])}",
        phone=f"0{rng.randrange(10, 99)} {rng.randrange(100, 1000)} {rng.randrange(1000, 10_000)}",
        count=rng.randrange(2, 9),
        year=rng.randrange(2009, 2025),
    )


def misspell(rng: random.Random, text: str) -> str:
    """Swaps two inner letters of one or two words that decide nothing."""
    parts = text.split(" ")
    safe = [i for i, word in enumerate(parts) if word.isalpha() and word.islower() and word in SAFE]
    for i in rng.sample(safe, min(len(safe), rng.randint(1, 2))):
        word = parts[i]
        at = rng.randrange(1, len(word) - 2)
        parts[i] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(parts)


def lower(text: str, product: str) -> str:
    """Everything in lower case but the product, so that the answer can still be read off."""
    before, found, after = text.partition(product)
    return before.lower() + found + after.lower()


SAFE = {
    "please", "ordered", "would", "still", "should", "could", "their", "there", "another", "something", "before",
    "already", "looked", "website", "recommended", "wrote", "about", "answered", "usually", "customer", "since",
    "number", "bought", "help", "with", "this", "have", "that", "what", "which", "next", "know", "your", "shop",
}  # fmt: skip
