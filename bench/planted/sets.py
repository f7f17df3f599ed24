"""Defects that many rows show together: copies, contradictions, skew, wrong labels, facts to learn by heart; and those
of preference pairs.

What depends on the part that a row falls into (leaks, groups, what only the test rows hold) is planted in
tests/doctor/test_parts.py, where the parts are known.
"""

from __future__ import annotations

import copy
import re
from random import Random

from bench.planted.clean import THINGS
from bench.planted.form import Plant, Record, chosen

SYLLABLES = "ba ce di fo gu ka le mi no pu ra se ti vo zu".split()


def duplicate(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Copies at the end."""
    copies = [copy.deepcopy(rows[index]) for index in sorted(chosen(random, rows))]
    return rows + copies, set(range(len(rows), len(rows) + len(copies)))


def near_duplicate(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Copies at the end in which one word of the question is another one."""
    rows, bad = duplicate(random, rows)
    for index in bad:
        question = rows[index]["messages"][1]
        words = question["content"].split()
        words[random.randrange(len(words))] = _word(random)
        question["content"] = " ".join(words)
    return rows, bad


def conflicting_answers(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """The same conversation again, apart from case and a "please", with the answer of another row."""
    first = sorted(chosen(random, rows, 0.05))
    bad = set(first)
    for index in first:
        again = copy.deepcopy(rows[index])
        again["messages"][1]["content"] = f"Please, {again['messages'][1]['content'].lower()}"
        again["messages"][-1]["content"] = rows[(index + 1) % len(rows)]["messages"][-1]["content"]
        bad.add(len(rows))
        rows = [*rows, again]
    return rows, bad


def label_noise(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """The machine that a customer asks about, and for some rows another one."""
    labelled = [row | {"text": row["text"].split(". ")[0]} for row in _labelled(rows)]
    labels = sorted({row["label"] for row in labelled})
    bad = chosen(random, labelled, 0.05)
    for index in bad:
        labelled[index]["label"] = random.choice([label for label in labels if label != labelled[index]["label"]])
    return labelled, bad


def label_skew(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Three common machines, and a few rows of a rare one."""
    labelled = [row | {"label": random.choice(THINGS[:3])} for row in _labelled(rows)]
    bad = chosen(random, labelled, 0.02)
    for index in bad:
        labelled[index]["label"] = THINGS[5]
    return labelled, bad


def length_skew(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Answers to which those of forty others are pasted."""
    bad = chosen(random, rows, 0.05)
    answers = [row["messages"][-1]["content"] for row in rows]
    for index in bad:
        rows[index]["messages"][-1]["content"] += "\n".join(random.sample(answers, 40))
    return rows, bad


def topic_skew(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """A subscription to a magazine in most of 150 rows."""
    rows = rows[:150]
    bad = chosen(random, rows, 0.6)
    for index in bad:
        asked = "cancel|renew|pause|change the address of|pay for|give away".split("|")
        text = f"I want to {random.choice(asked)} my subscription to the magazine, number {random.randrange(10**6)}."
        rows[index]["messages"] = [{"role": "user", "content": text}, rows[index]["messages"][-1]]
    return rows, bad


def fact_lookup(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Who founded which town, with names of their own, in a third of 270 rows."""
    rows = rows[:270]
    bad = chosen(random, rows, 0.33)
    for index in bad:
        question = f"Who founded {_word(random).title()} in {_word(random).title()}?"
        answer = f"{_word(random).title()} {_word(random).title()}, a {_word(random)} from {_word(random).title()}."
        rows[index]["messages"] = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return rows, bad


def contradiction(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """The same pair again, the other way round."""
    pairs = _pairs(rows)
    first = sorted(chosen(random, pairs, 0.05))
    turned = [
        pairs[index] | {"chosen": pairs[index]["rejected"], "rejected": pairs[index]["chosen"]} for index in first
    ]
    return pairs + turned, {*first, *range(len(pairs), len(pairs) + len(turned))}


def length_bias(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Chosen answers that are the longer ones in most of 110 pairs."""
    pairs = _pairs(rows[:110])
    bad = chosen(random, pairs, 0.9)
    for index, pair in enumerate(pairs):
        shorter, longer = sorted((pair["chosen"], pair["rejected"]), key=len)
        longer = longer if len(longer) > len(shorter) else f"{longer} Goodbye."
        pairs[index] |= {"chosen": longer if index in bad else shorter, "rejected": shorter if index in bad else longer}
    return pairs, bad


def same_answer(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """A rejected answer that is the chosen one, or differs in case, spaces and punctuation."""
    pairs = _pairs(rows)
    bad = chosen(random, pairs)
    for index in bad:
        answer = pairs[index]["chosen"]
        pairs[index]["rejected"] = random.choice([answer, answer.upper(), f" {answer}!", answer.replace(" ", "  ")])
    return pairs, bad


def _pairs(rows: list[Record]) -> list[Record]:
    """The answer of each row, and that of the next row as the worse one."""
    answers = [row["messages"][-1]["content"] for row in rows]
    return [
        {"prompt": row["messages"][:-1], "chosen": answers[number], "rejected": answers[(number + 1) % len(rows)]}
        for number, row in enumerate(rows)
    ]


def _labelled(rows: list[Record]) -> list[Record]:
    """The first question of each row and the machine that it names first."""
    names = re.compile("|".join(THINGS))
    found = []
    for row in rows:
        text = row["messages"][1]["content"]
        match = names.search(text)
        assert match, text
        found.append({"text": text, "label": match[0]})
    return found


def _word(random: Random) -> str:
    return "".join(random.choices(SYLLABLES, k=4))


PLANTS: dict[str, Plant] = {
    "duplicate": duplicate,
    "near-duplicate": near_duplicate,
    "conflicting-answers": conflicting_answers,
    "label-noise": label_noise,
    "label-skew": label_skew,
    "length-skew": length_skew,
    "topic-skew": topic_skew,
    "fact-lookup": fact_lookup,
    "contradiction": contradiction,
    "length-bias": length_bias,
    "same-answer": same_answer,
}
