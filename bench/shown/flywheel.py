"""What `whet flywheel` advises from a log of 2,000 requests in which the right advice is known.

    python -m bench.shown.flywheel                  writes the table of docs/choosing/flywheel.md: nano and stand-ins
    python -m bench.shown.flywheel real [BASE]      prints that of one real base, which takes much longer

| workload | what the big model is asked | what it answers | right |
| --- | --- | --- | --- |
| medical | yes or no of a question (medquad in WHET_DATA) | what the base itself says | base is enough |
| numbers | messages with an order number | the number alone, which no prompt says | few-shot is enough |
| desk | the demo's messages | strict JSON with four keys | tune |
| bank | 60 of Banking77 (in WHET_DATA) | an intent | left: too few |

The base is the real one of bench/real_base.py unless another is named. System prompts hold the date of the request (of
medical one date: the base would answer otherwise on another day), the lines stand in random order, some requests failed
or were cut, and some prompts hold an address of mail.
"""

from __future__ import annotations

import csv
import json
import os
import random
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from bench.real_base import real_base
from bench.shown.pages import DOCS, write_tables
from whet.api import collect, export, flywheel, train
from whet.demo_data import words
from whet.demo_data.support_desk import generate
from whet.generation import teacher

BEGIN, DAYS, DAY = 1_790_000_000, 20, "21 September 2026"
LONGEST, DRAWN = 48, 5
"""Tokens of an answer of the base itself; one that is longer is no answer to such a question, which is why more
questions are asked than are needed: so many times more."""
SIZES = {"medical": 500, "numbers": 500, "desk": 940, "bank": 60}
GOAL = 0.75
PRICES = {"price_in": 2.5, "price_out": 10.0}
STAND_IN_GOAL = 0.7
QUICK: dict[str, Any] = {"keep": False, "evaluate.forgetting": False, "evaluate.against": ["base"]}
BRIEF = QUICK | {"epochs": 2}
"""A base of 135 million parameters learns enough in these for the advice, and within an hour on one core."""
UNTUNED = {"steps": 1, "evaluate.every": 1}
TOPICS = "parcel refund repair invoice login allergy ticket rental visa garden tyre recipe".split()
CODES = "amber birch coral delta ember flint".split()
RIGHT = {"medical": "base is enough", "numbers": "few-shot is enough", "desk": "tune", "bank": "left"}
SYSTEM = {
    "medical": "Answer yes or no. It is {day}.",
    "numbers": "You are the first line of a shop's support. It is {day}.",
    "desk": "You read the mail of a support desk ({day}).",
    "bank": "You route questions to a bank, {day}.",
}
FORMS = ("I have a question about order {number}, the {product}.", "Where is my {product}? It is order {number}.")
Pair = tuple[str, str]


def desk(rows: int, seed: int = 11) -> list[Pair]:
    return [(row["prompt"], row["completion"]) for row in generate(rows, seed)]


def numbers(rows: int, seed: int = 12) -> list[Pair]:
    draw, found = random.Random(seed), []
    for _ in range(rows):
        number, product = f"{draw.randrange(10_000, 100_000)}", draw.choice(words.PRODUCTS)
        found.append((draw.choice(FORMS).format(number=number, product=product), number))
    return found


def bank(rows: int, data: Path) -> list[Pair]:
    with (data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        read = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return random.Random(13).sample(read, rows)


def medical(rows: int, data: Path, base: str, folder: Path) -> list[Pair]:
    """Short questions, with what the base itself answers in the precision in which it is compared, on the same day."""
    with (data / "medquad" / "medquad.jsonl").open(encoding="utf-8") as file:
        asked = sorted({json.loads(line)["question"] for line in file})
    drawn = random.Random(14).sample([text for text in asked if len(text) < 90], DRAWN * rows)
    told = SYSTEM["medical"].format(day=DAY)
    prompts = []
    for text in drawn:
        put = f"Is this question about a treatment? {text} Answer yes or no."
        prompts.append({"messages": [{"role": "system", "content": told}, {"role": "user", "content": put}]})

    with mock.patch.object(teacher, "choose_dtype", lambda *given: (torch.float32, "as compared")):
        collect(prompts, teacher=base, out=folder / "own.jsonl", max_tokens=LONGEST, run_root=folder)
    pairs = []
    for row in map(json.loads, (folder / "own.jsonl").read_text("utf-8").splitlines()):
        if row["provenance"]["usage"]["answer_tokens"] < LONGEST:
            pairs.append((row["messages"][-2]["content"], row["messages"][-1]["content"]))
    return pairs[:rows]


def write_log(path: Path, workloads: dict[str, list[Pair]], seed: int = 0) -> Path:
    """As a gateway in front of OpenAI's API writes it."""
    draw, lines = random.Random(seed), []
    for name, pairs in workloads.items():
        for place, (asked, answer) in enumerate(pairs):
            at = BEGIN + 86_400 * DAYS * place / len(pairs) + draw.random()
            day = DAY if name == "medical" else datetime.fromtimestamp(at, UTC).strftime("%d %B %Y")
            lines.append(line(draw, at, SYSTEM[name].format(day=day), asked, answer))
    draw.shuffle(lines)
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return path


def line(draw: random.Random, at: float, system: str, asked: str, answer: str) -> dict[str, Any]:
    """One request; two in a hundred fail, and two are cut."""
    chance = draw.random()
    if 0.04 < chance < 0.06 and not system.startswith(SYSTEM["medical"][:20]):
        asked += " (mail: someone@example.org)"
    messages = [{"role": "system", "content": system}]
    request = {"model": "big", "messages": [*messages, {"role": "user", "content": asked}]}
    told = {"timestamp": at, "latency_ms": draw.gauss(1500, 200), "request": request}
    if chance < 0.02:
        return told | {"response": None, "error": {"type": "RateLimitError"}}
    cut = chance < 0.04
    said = {"role": "assistant", "content": answer[: len(answer) // 2] if cut else answer}
    usage = {"prompt_tokens": len(system + asked) // 4 + 8, "completion_tokens": len(answer) // 4 + 1}
    choice = {"message": said, "finish_reason": "length" if cut else "stop"}
    return told | {"response": {"model": "big", "choices": [choice], "usage": usage}}


def whole_log(folder: Path, data: Path, base: str) -> Path:
    pairs = {
        "medical": medical(SIZES["medical"], data, base, folder),
        "numbers": numbers(SIZES["numbers"]),
        "desk": desk(SIZES["desk"]),
        "bank": bank(SIZES["bank"], data),
    }
    return write_log(folder / "log.jsonl", pairs)


def name_of(entry: dict[str, Any]) -> str:
    """Which workload an entry is, by its system prompt."""
    return next(name for name, system in SYSTEM.items() if entry["system"].startswith(system.partition("{")[0]))


def run(folder: Path, data: Path, base: str, **keys: Any) -> dict[str, Any]:
    """The log of 2,000 requests with one base."""
    log = whole_log(folder, data, base)
    return flywheel(
        log, base=base, agreement=GOAL, run_root=folder / "runs", dtype="float32", **PRICES, **BRIEF, **keys
    )


def advised(folder: Path, pairs: list[Pair], **keys: Any) -> dict[str, Any]:
    """What is said of one workload."""
    log = write_log(folder / "log.jsonl", {"desk": pairs})
    (found,) = flywheel(log, agreement=STAND_IN_GOAL, run_root=folder / "runs", **QUICK | keys)["workloads"]
    return found


def merged(run: str, folder: Path) -> str:
    """A base that has learned what a run did."""
    return str(export(run, "merged", out=folder / f"merged-{run}", run_root=folder / "runs")["folder"])


def tuning_case(folder: Path) -> dict[str, Any]:
    """The demo's messages to strict JSON, which nano cannot do before it has learned it."""
    return advised(folder, desk(900))


def base_case(folder: Path, learned: str) -> dict[str, Any]:
    """Other messages, and for a base the model of that run."""
    return advised(folder, desk(300, seed=77), base=merged(learned, folder), **UNTUNED)


def few_shot_case(folder: Path) -> dict[str, Any]:
    """For a base a nano that has learned to answer as was answered just before; and topics whose answers no prompt
    tells."""
    draw, rows = random.Random(0), []
    for _ in range(900):
        code, messages = draw.choice(CODES), []
        for turn in range(4):
            messages.append({"role": "user", "content": told(draw, draw.choice(TOPICS))})
            messages.append({"role": "assistant", "content": code} | ({"weight": 0} if turn == 0 else {}))
        rows.append({"messages": messages})
    copying = train(rows, name="copying", run_root=folder / "runs", keep=False)

    code_of = {topic: CODES[number % len(CODES)] for number, topic in enumerate(TOPICS)}
    pairs = []
    for _ in range(300):
        topic = draw.choice(TOPICS)
        pairs.append((f"{topic} {topic} {told(draw, topic)}", code_of[topic]))
    return advised(folder, pairs, base=merged(copying["run"], folder), **UNTUNED)


def told(draw: random.Random, topic: str) -> str:
    return f"{topic} {' '.join(draw.choice(TOPICS) + str(draw.randrange(999)) for _ in range(6))}"


def stand_ins(folder: Path) -> dict[str, dict[str, Any]]:
    """The entries of the three cases, by what they show."""
    tuning = tuning_case(folder)
    return {
        "desk; nano": tuning,
        "desk; nano with what that run learned": base_case(folder, tuning["run"]),
        "topics; a nano that answers as was answered before": few_shot_case(folder),
    }


def table(entries: dict[str, dict[str, Any]]) -> str:
    """Each way of each workload, and the advice."""
    rows = ["| workload; base | test rows | way | agrees | 95% interval | at least | advice |"]
    rows.append("| --- | ---: | --- | ---: | --- | ---: | --- |")
    for name, entry in entries.items():
        advice = f"**{entry['advice']}**"
        head = f"| {name} | {entry['rows']['test']:,} |"
        for way in entry["arms"]:
            scores = [f"{100 * value:.1f}%" for value in (way["score"], *way["interval"], way["bad_end"])]
            score, low, high, least = scores
            rows.append(f"{head} {way['name']} | {score} | {low} to {high} | {least} | {advice} |")
            head, advice = "| | |", ""
        if not entry["arms"]:
            rows.append(f"{head} | | | | {advice}: {entry['reason']} |")
    return "\n".join(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        if sys.argv[1:2] == ["real"]:
            base = sys.argv[2] if sys.argv[2:] else str(real_base())
            found = run(Path(temporary), Path(os.environ["WHET_DATA"]), base)
            print(table({f"{name_of(entry)} (right: {RIGHT[name_of(entry)]})": entry for entry in found["workloads"]}))
            print(f"\n> {found['sentence']}")
        else:
            write_tables(DOCS / "choosing" / "flywheel.md", {"stand-ins": table(stand_ins(Path(temporary)))})
