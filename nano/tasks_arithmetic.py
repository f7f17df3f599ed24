"""Small arithmetic: sums, word problems, comparing, sorting and counting numbers."""

from random import Random

from nano import words as w
from nano.words import NUMBER_WORDS, Pair, between, pick


def arithmetic(rng: Random, level: int) -> Pair:
    return pick(rng, SUMS)(rng)


def plain_sum(rng: Random) -> Pair:
    roll = rng.random()
    if roll < 0.4:
        top = pick(rng, (10, 20, 50, 99))
        a = between(rng, 0, top)
        b = between(rng, 0, min(top, 100 - a))
        sign, name, result = "+", "plus", a + b
    elif roll < 0.75:
        a = between(rng, 1, pick(rng, (10, 20, 50, 100)))
        b = between(rng, 0, a)
        sign, name, result = "-", "minus", a - b
    else:
        a, b = between(rng, 0, 10), between(rng, 0, 10)
        sign, name, result = pick(rng, ("*", "x")), "times", a * b
    ask = pick(
        rng,
        (
            "{a} {s} {b} =",
            "What is {a} {s} {b}?",
            "{a} {s} {b}",
            "Calculate {a} {s} {b}.",
            "What is {a} {n} {b}?",
            "How much is {a} {n} {b}?",
            "{a}{s}{b}=?",
            "Work out {a} {s} {b}.",
        ),
    )
    return ask.format(a=a, b=b, s=sign, n=name), str(result)


def word_problem(rng: Random) -> Pair:
    name, things = (
        w.first_name(rng),
        pick(rng, ("apples", "books", "eggs", "coins", "pencils", "stones", "cards", "plums", "keys", "cups")),
    )
    a, b = between(rng, 2, 30), between(rng, 1, 20)
    if rng.random() < 0.5:
        text = pick(
            rng,
            (
                "{n} has {a} {t} and gets {b} more.",
                "{n} finds {a} {t} and then {b} more.",
                "There are {a} {t} in a box. {n} puts {b} more into it.",
            ),
        )
        result = a + b
    else:
        a, b = max(a, b), min(a, b)
        text = pick(
            rng,
            (
                "{n} has {a} {t} and gives away {b}.",
                "{n} had {a} {t} and lost {b}.",
                "There were {a} {t}. {n} took {b}.",
            ),
        )
        result = a - b
    return f"{text.format(n=name, a=a, b=b, t=things)} How many {things} are there now?", str(result)


def compare(rng: Random) -> Pair:
    top = pick(rng, (10, 100, 100, 1000))
    a = between(rng, 1, top)
    b = between(rng, 1, top)
    if a == b:
        b += 1
    larger = rng.random() < 0.5
    ask = pick(rng, ("Which number is {w}, {a} or {b}?", "What is {w}: {a} or {b}?", "Give the {w} number: {a}, {b}"))
    return ask.format(w="larger" if larger else "smaller", a=a, b=b), str(max(a, b) if larger else min(a, b))


def extremes(rng: Random) -> Pair:
    numbers = rng.sample(range(1, 100), between(rng, 3, 6))
    shown = ", ".join(map(str, numbers))
    ask, result = pick(rng, (("largest", max(numbers)), ("smallest", min(numbers))))
    return pick(rng, (f"Which is the {ask} number: {shown}?", f"{shown}\nGive the {ask} number.")), str(result)


def sort_numbers(rng: Random) -> Pair:
    numbers = rng.sample(range(1, 100), between(rng, 3, 6))
    up = rng.random() < 0.7
    ask = (
        pick(rng, ("Sort from small to large", "Sort in rising order"))
        if up
        else pick(rng, ("Sort from large to small", "Sort in falling order"))
    )
    return f"{ask}: {', '.join(map(str, numbers))}", ", ".join(map(str, sorted(numbers, reverse=not up)))


def count_on(rng: Random) -> Pair:
    start, step, length = between(rng, 0, 60), pick(rng, (1, 1, 2, 5, 10)), between(rng, 3, 6)
    ask = (
        f"Count from {start} in steps of {step}, {NUMBER_WORDS[length]} numbers."
        if step > 1
        else f"Count from {start} to {start + length - 1}."
    )
    return ask, ", ".join(str(start + i * step) for i in range(length))


def next_number(rng: Random) -> Pair:
    a = between(rng, 1, 998)
    return pick(
        rng,
        (
            (f"Which number comes after {a}?", str(a + 1)),
            (f"Which number comes before {a}?", str(a - 1)),
            (f"What is {a} + 1?", str(a + 1)),
        ),
    )


def number_word(rng: Random) -> Pair:
    n = between(rng, 0, 20)
    return (
        (f"Write {n} as a word.", NUMBER_WORDS[n])
        if rng.random() < 0.5
        else (f"Write {NUMBER_WORDS[n]} in digits.", str(n))
    )


SUMS = (plain_sum,) * 8 + (
    word_problem,
    word_problem,
    compare,
    compare,
    extremes,
    sort_numbers,
    count_on,
    next_number,
    number_word,
)
