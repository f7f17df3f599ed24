"""Copying from the context: repeat, look up, remember."""

from random import Random

from nano import words as w
from nano.words import Pair, and_list, between, capital, fill, pick

REPEAT_ASKS = [
    "Repeat: {x}",
    "Repeat this exactly: {x}",
    "Copy the following text.\n{x}",
    "Say {x}",
    "Write this again: {x}",
    "Please copy: {x}",
    "Echo {x}",
    "{x}\nRepeat the line above.",
    "Type exactly this: {x}",
    "Give back the text: {x}",
    "Output the following and nothing else:\n{x}",
    "Copy this code: {x}",
    "Write down {x}",
    "repeat after me: {x}",
    "The text is: {x}\nWrite the text.",
    'Print "{x}" without the quotes.',
    "Here is a line:\n\n{x}\n\nCopy it.",
]
KEY_MAKERS = (w.first_name, w.made_up, w.common_word, w.thing, w.city, w.full_name, w.gibberish, w.mixed_code)
VALUE_MAKERS = (
    w.code,
    w.code,
    w.number,
    w.number,
    w.made_up,
    w.full_name,
    w.city,
    w.thing,
    w.gibberish,
    w.clock_time,
    w.date,
    w.price,
)
PAIR_SHAPES = [
    "{k} is {v}.",
    "{k}: {v}",
    "{k} = {v}",
    "{k} -> {v}",
    "The code of {k} is {v}.",
    "{k} has {v}.",
    "{v} belongs to {k}.",
    "{k} got {v}.",
    "{k} - {v}",
    "For {k} we noted {v}.",
    "{k} stands for {v}.",
    "{k} | {v}",
    "{v} is for {k}.",
    '"{k}": "{v}"',
    "The entry for {k} is {v}.",
    "{k} ({v})",
    "Next to {k} it says {v}.",
    "{k} chose {v}.",
    "{k} goes with {v}.",
]
LOOKUP_ASKS = [
    "What is {k}?",
    "What belongs to {k}?",
    "{k}?",
    "Which value does {k} have?",
    "Give me the value of {k}.",
    "What is the entry for {k}?",
    "Find {k}.",
    "Look up {k}.",
    "What goes with {k}?",
    "What did we note for {k}?",
    "Tell me the value for {k}.",
    "and {k}?",
]
REVERSE_ASKS = [
    "Which one has {v}?",
    "What does {v} belong to?",
    "Who or what goes with {v}?",
    "Which key has the value {v}?",
    "{v} is the value of what?",
]
INTROS = [
    "",
    "",
    "",
    "Here is a list.\n",
    "Notes:\n",
    "Read this:\n",
    "Given:\n",
    "Table:\n",
    "Please remember:\n",
    "These are the entries.\n",
]


def repeated_line(rng: Random, level: int) -> str:
    roll = rng.random()
    if roll < 0.35:
        return w.token(rng)
    count = between(rng, 2, 3 + 3 * level)
    if roll < 0.55:
        return ", ".join([w.person(rng) for _ in range(count)])
    if roll < 0.75:
        return pick(rng, (" ", ", ", " ", "-", " / ", "; ")).join([w.token(rng) for _ in range(count)])
    if roll < 0.88:
        return " ".join([w.common_word(rng) for _ in range(count + 2)])
    return " ".join([w.digits(rng, between(rng, 1, 5)) for _ in range(count)])


def repeat(rng: Random, level: int) -> Pair:
    line = repeated_line(rng, level)
    if rng.random() < 0.15:
        times = between(rng, 2, 3)
        ask = pick(rng, ("Write {x} {n} times.", "Repeat {x} {n} times.", "Say this {n} times: {x}"))
        return fill(ask, n={2: "two", 3: "three"}[times], x=line), "\n".join([line] * times)
    return fill(pick(rng, REPEAT_ASKS), x=line), line


def pair_table(rng: Random, count: int) -> list[tuple[str, str]]:
    key_maker, value_maker = pick(rng, KEY_MAKERS), pick(rng, VALUE_MAKERS)
    table: dict[str, str] = {}
    seen: set[str] = set()
    while len(table) < count:
        key, value = key_maker(rng), value_maker(rng)
        if key not in table and value not in seen:
            table[key] = value
            seen.add(value)
    return list(table.items())


def pairs_text(rng: Random, table: list[tuple[str, str]]) -> str:
    if rng.random() < 0.65:
        shape, joint = pick(rng, PAIR_SHAPES), pick(rng, ("\n", "\n", " ", " "))
        if joint == " " and not shape.endswith("."):
            joint = pick(rng, (", ", "; "))
        return joint.join([fill(shape, k=k, v=v) for k, v in table])
    return " ".join([capital_if_word(fill(pick(rng, PAIR_SHAPES[4:6] + PAIR_SHAPES[6:7]), k=k, v=v)) for k, v in table])


def capital_if_word(text: str) -> str:
    return text if text[:1].islower() else capital(text)


def table_size(rng: Random, level: int) -> int:
    return between(rng, *((1, 3), (2, 7), (4, 16))[level])


def lookup(rng: Random, level: int) -> Pair:
    table = pair_table(rng, table_size(rng, level))
    body = pairs_text(rng, table)
    key, value = pick(rng, table)
    if rng.random() < 0.2:
        question, answer = fill(pick(rng, REVERSE_ASKS), v=value), key
    else:
        question, answer = fill(pick(rng, LOOKUP_ASKS), k=key), value
    if rng.random() < 0.12:
        return f"{question}\n\n{body}", answer
    return f"{pick(rng, INTROS)}{body}{pick(rng, (chr(10), chr(10) * 2, ' '))}{question}", answer


def lookup_many(rng: Random, level: int) -> list[Pair]:
    """The table once, then several questions: the distance to the table grows with each turn."""
    table = pair_table(rng, table_size(rng, level) + 2)
    asked = w.some(rng, table, min(len(table), 2 + level))
    turns = []
    for turn, (key, value) in enumerate(asked):
        question = fill(pick(rng, LOOKUP_ASKS), k=key)
        turns.append((f"{pick(rng, INTROS)}{pairs_text(rng, table)}\n{question}" if turn == 0 else question, value))
    return turns


def remember(rng: Random, level: int) -> list[Pair]:
    """Told in one turn, small talk between, asked later."""
    table = pair_table(rng, 1 + level)
    told = and_list([f"{k} is {v}" for k, v in table])
    key, value = pick(rng, table)
    start = (
        pick(rng, ("Remember this: {x}.", "Please remember that {x}.", "Note: {x}.", "For later: {x}.")),
        pick(rng, ("I will remember that.", "Noted.", "All right, I have it.")),
    )
    between_turns = [small_talk(rng) for _ in range(level)]
    end = (
        pick(rng, ("What was {k}?", "So, what is {k}?", "Now tell me {k}.", "Which value did I give you for {k}?")),
        value,
    )
    return [(fill(start[0], x=told), start[1]), *between_turns, (fill(end[0], k=key), end[1])]


def small_talk(rng: Random) -> Pair:
    return pick(
        rng,
        (
            ("How are you?", "I am fine, thank you."),
            ("Thanks.", "You are welcome."),
            ("It is raining today.", "Then take an umbrella."),
            ("I had soup for lunch.", "That sounds good."),
            ("What can you do?", "I can read, copy and answer questions."),
            ("I am a little tired.", "Then have a rest."),
        ),
    )


def copy_text(rng: Random, level: int) -> str:
    """Raw repetition without any instruction: what induction heads learn from."""
    roll = rng.random()
    if roll < 0.4:
        unit = [w.token(rng) for _ in range(between(rng, 2 + 3 * level, 4 + 6 * level))]
        joint = pick(rng, (" ", ", ", "; ", " "))
        line = joint.join(unit)
        return pick(rng, ("\n", " | ", "\n", "\n\n", " . ")).join([line] * between(rng, 2, 3))
    if roll < 0.7:
        table = pair_table(rng, table_size(rng, level))
        shape = pick(rng, PAIR_SHAPES)
        joint = pick(rng, ("\n", " ")) if shape.endswith(".") else "\n"
        again = table[:]
        rng.shuffle(again)
        return joint.join([fill(shape, k=k, v=v) for k, v in table + again])
    if roll < 0.85:
        lines = [w.token(rng) for _ in range(table_size(rng, level))]
        return "\n".join([f"{line} {pick(rng, ('=', '->', ':'))} {line}" for line in lines])
    pool = [w.token(rng) for _ in range(between(rng, 2, 4))]
    return " ".join([pick(rng, pool) for _ in range(6 + 10 * level)])
