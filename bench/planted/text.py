"""Defects that stand in one row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random

from bench.planted.form import Plant, Record, chosen
from bench.planted.personal import PERSONAL, secret

Change = Callable[[Random, str], str]


def in_answer(change: Change, share: float = 0.1) -> Plant:
    """The last answer of some rows is changed."""
    return _in_turn(-1, change, share)


def in_question(change: Change, share: float = 0.1) -> Plant:
    return _in_turn(-2, change, share)


def in_either(change: Change, share: float = 0.1) -> Plant:
    def plant(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
        bad = chosen(random, rows, share)
        for index in sorted(bad):
            turn = rows[index]["messages"][random.choice((-1, -2))]
            turn["content"] = change(random, turn["content"])
        return rows, bad

    return plant


def _in_turn(turn: int, change: Change, share: float) -> Plant:
    def plant(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
        bad = chosen(random, rows, share)
        for index in sorted(bad):
            message = rows[index]["messages"][turn]
            message["content"] = change(random, message["content"])
        return rows, bad

    return plant


def put(random: Random, text: str, piece: str) -> str:
    """The text with a piece between two of its words."""
    words = text.split(" ")
    words.insert(random.randint(1, len(words)), piece)
    return " ".join(words)


def garbled(random: Random, text: str) -> str:
    word = random.choice(["Jürgen’s", "naïve", "“quick”", "café", "it’s", "Müller", "señor", "garçon", "10 €", "5–6"])
    codec = random.choice(["windows-1252", "windows-1252", "latin-1"])
    return put(random, text, word.encode("utf-8").decode(codec, errors="replace"))


def unseen(random: Random, text: str) -> str:
    at = random.randrange(1, len(text))
    return (
        text[:at]
        + random.choice(["\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e", "\x07", "\x08", "\x1b[1m"])
        + text[at:]
    )


def marked_up(random: Random, text: str) -> str:
    piece = random.choice(
        ["<br>", "<br />", "<b>now</b>", '<a href="https://orrin.io/x">here</a>', "&nbsp;", "parts &amp; service",
         "</p>", "<div class='note'>", "&quot;off&quot;", '<span style="color: red">', "&#39;", "<li>"]
    )  # fmt: skip
    return put(random, text, piece)


def stock_phrase(random: Random, text: str) -> str:
    before = [
        "As an AI language model, I do not own one, but here is what I know.",
        "Certainly! Here is what you can do.",
        "Sure, here are some steps.",
        "I'm just an AI and cannot see your machine.",
        "As of my last knowledge update in 2021, this holds.",
    ]
    after = [
        "I hope this helps!",
        "Let me know if you have any other questions.",
        "If you have any further questions, please feel free to ask.",
        "I was trained by OpenAI.",
        "I don't have personal experiences with it.",
    ]
    return f"{random.choice(before)} {text}" if random.random() < 0.5 else f"{text} {random.choice(after)}"


def refused(random: Random, text: str) -> str:
    return random.choice(
        [
            "I'm sorry, but I can't assist with that request.",
            "I cannot provide help with this.",
            "Sorry, I can't help with that.",
            "I apologize, but I am unable to answer this question.",
            "I am not able to provide that information.",
            "Unfortunately, I cannot complete this task.",
            "I’m sorry, I can’t help you with that.",
        ]
    )


def cut(random: Random, text: str) -> str:
    """Up to the middle of a sentence: between the words of the last third, never at the end of one."""
    words = text.split(" ")
    ends = [n for n in range(len(words) // 2, len(words)) if re.search(r"[\w,]\Z", words[n - 1])]
    return " ".join(words[: random.choice(ends)])


FOREIGN = (
    "Bitte ziehen Sie zuerst den Stecker und lassen Sie das Gerät abkühlen. Danach nehmen Sie den Filter heraus und "
    "spülen ihn.",
    "Veuillez d'abord débrancher l'appareil et le laisser refroidir. Ensuite, retirez le filtre et rincez-le à l'eau "
    "chaude.",
    "Primero desenchufe el aparato y déjelo enfriar. Después saque el filtro y enjuáguelo con agua tibia durante un "
    "minuto.",
    "Scollegate prima l'apparecchio e lasciatelo raffreddare. Poi togliete il filtro e sciacquatelo con acqua tiepida.",
    "Haal eerst de stekker uit het stopcontact en laat het apparaat afkoelen. Neem daarna de filter eruit en spoel hem "
    "af.",
    "Najpierw wyjmij wtyczkę z gniazdka i pozwól urządzeniu ostygnąć. Następnie wyjmij filtr i opłucz go ciepłą wodą.",
    "Сначала выньте вилку из розетки и дайте прибору остыть. Затем достаньте фильтр и промойте его тёплой водой.",
    "まずプラグを抜いて、本体が冷めるまでお待ちください。その後フィルターを取り外し、ぬるま湯で洗ってください。元に戻してから、もう一度電源を入れてください。",
)


def foreign(random: Random, text: str) -> str:
    return random.choice(FOREIGN)


def longer(random: Random, text: str) -> str:
    words = text.split(" ")
    lines = [" ".join(random.sample(words, len(words))) for _ in range(random.randint(60, 90))]
    return ". ".join(lines) + "."


def spelled(random: Random, text: str) -> str:
    pool = random.choice(["返品三十日以内承知製造番号確認電源修理", "ഉപകരണം പ്രവർത്തിക്കുന്നില്ല", "𐌰𐌱𐌲𐌳𐌴𐌵𐌶𐌷"])
    return f"{text} {''.join(random.choices(pool.replace(' ', ''), k=len(text) // 2))}."


def with_personal(random: Random, text: str) -> str:
    return put(random, text, PERSONAL[random.choice(list(PERSONAL))](random))


def with_secret(random: Random, text: str) -> str:
    return put(random, text, secret(random))


def disordered(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    bad = chosen(random, rows)
    for index in sorted(bad):
        messages = rows[index]["messages"]
        way = random.randrange(4)
        if way == 0:
            messages.insert(1, {"role": "user", "content": "Hello?"})
        elif way == 1:
            messages.append({"role": "assistant", "content": "And one more thing."})
        elif way == 2:
            del messages[1]
        else:
            messages.insert(2, dict(messages[0]))
    return rows, bad


def without_answer(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Empty answers, and place-holders in so few rows that they cannot be a label."""
    bad = sorted(chosen(random, rows))
    holders = max(1, len(rows) // 200)
    for number, index in enumerate(bad):
        held = random.choice(["TODO", "nan", "[insert answer here]", "N/A", "..."])
        rows[index]["messages"][-1]["content"] = held if number < holders else random.choice(["", "  ", "\n"])
    return rows, set(bad)


def without_words(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    bad = chosen(random, rows)
    for index in sorted(bad):
        rows[index]["messages"][random.choice((0, -2))]["content"] = random.choice(["", " ", "\n\n"])
    return rows, bad


def other_form(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """All answers become JSON, but of some: those are prose, JSON with words around it, or lack a key."""
    bad = chosen(random, rows)
    for index, row in enumerate(rows):
        turn = row["messages"][-1]
        value = {
            "reason": turn["content"][:40],
            "part": random.choice(["lid", "hose"]),
            "urgent": random.random() < 0.5,
        }
        way = random.randrange(3) if index in bad else None
        if way == 1:
            turn["content"] = f"Here is the object: {json.dumps(value)}"
        elif way == 2:
            del value["part"]
        if way != 0 and way != 1:
            turn["content"] = json.dumps(value)
    return rows, bad


def other_dates(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    """Every answer gets a date of one style, but of some."""
    bad = chosen(random, rows)
    for index, row in enumerate(rows):
        year, month, day = random.randint(2023, 2026), random.randint(1, 12), random.randint(1, 28)
        others = [
            f"{day:02d}/{month:02d}/{year}",
            f"{day}.{month}.{year}",
            f"{day} March {year}",
            f"June {day}, {year}",
        ]
        date = random.choice(others) if index in bad else f"{year}-{month:02d}-{day:02d}"
        row["messages"][-1]["content"] += f" It ships on {date}."
    return rows, bad


def other_system(random: Random, rows: list[Record]) -> tuple[list[Record], set[int]]:
    bad = chosen(random, rows)
    for index in sorted(bad):
        turn = rows[index]["messages"][0]
        changes = [
            ("friendly", "freindly"),
            (".", ""),
            ("plain and", "plain,"),
            ("You are", "you are"),
            (" a maker", " maker"),
        ]
        turn["content"] = turn["content"].replace(*random.choice(changes))
    return rows, bad


PLANTS: dict[str, Plant] = {
    "boilerplate": in_answer(stock_phrase),
    "control-characters": in_either(unseen),
    "empty-turn": without_words,
    "html": in_either(marked_up),
    "language": in_answer(foreign, share=0.04),
    "long-rows": in_answer(longer, share=0.02),
    "missing-answer": without_answer,
    "mixed-dates": other_dates,
    "mixed-formats": other_form,
    "mojibake": in_either(garbled),
    "personal-data": in_either(with_personal),
    "refusal": in_answer(refused),
    "role-order": disordered,
    "secrets": in_either(with_secret),
    "system-variants": other_system,
    "tokenizer-gaps": in_answer(spelled),
    "truncated": in_answer(cut, share=0.04),
}
