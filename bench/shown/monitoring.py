"""How often `whet monitor` raises a false alarm, and how soon it finds a change: streams whose truth is known.

    python -m bench.shown.monitoring [--streams 1000] [--only drift]    writes the table of docs/running/monitoring.md

Each stream goes through the questions as the verb puts them. Prompts are real (Banking77, MedQuAD and GSM8K in
WHET_DATA) or of the demo's support desk; answers, feedback and times are drawn. A stream without a change is 1,250
requests, which is 50 looks at 25 each; one with a change has it at its begin, or after 500 requests that had none.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from math import ceil

import numpy as np

from bench.sets import DATA
from bench.shown.pages import DOCS, table, write_tables
from whet.demo_data.support_desk import generate
from whet.monitoring.alarm import Question
from whet.monitoring.evidence import ALPHA
from whet.monitoring.expected import Expected
from whet.monitoring.looking import LOOKING
from whet.monitoring.trace import Feedback, Trace
from whet.stats.paired import wilson

KNOWN, LOOKS, EACH = 500, 50, 25
LATER = 500
WITHIN = 300
LABELS = ("card", "transfer", "top-up")
Random = np.random.Generator
Stream = tuple[list[Trace], Expected]


@dataclass(frozen=True, slots=True)
class Case:
    """`draw(random, change_at)`: a stream; without a change where that is None."""

    question: Question
    name: str
    draw: Callable[[Random, int | None], Stream]
    changes: tuple[int, ...] = (0, LATER)
    """Where the change is put; none for a case that never changes."""


@cache
def texts(name: str) -> list[str]:
    if name == "banking":
        return [row["text"] for row in csv.DictReader(open(DATA / "banking77" / "train.csv", encoding="utf-8"))]
    if name == "support":
        return [row["prompt"] for row in generate(6000, 0)]
    file = {"medical": "medquad/medquad.jsonl", "maths": "gsm8k/train.jsonl"}[name]
    return [json.loads(line)["question"] for line in open(DATA / file, encoding="utf-8")]


def prompts(random: Random, change_at: int | None, known: str, other: str, share: float = 0.2) -> Stream:
    """Known prompts, and from the change on a share of another topic."""
    length = KNOWN + (LOOKS * EACH if change_at is None else change_at + WITHIN)
    drawn = [texts(known)[n] for n in random.permutation(len(texts(known)))[:length]]
    live = drawn[KNOWN:]
    if change_at is not None:
        for place in range(change_at, len(live)):
            if random.random() < share:
                live[place] = texts(other)[random.integers(len(texts(other)))]
    return [_asked(n, text) for n, text in enumerate(live)], Expected(drawn[:KNOWN])


def answers(random: Random, change_at: int | None, before: float, after: float, tested: int = 100) -> Stream:
    """Answers of a classifier; a share of them is in no form."""
    expected = Expected((), LABELS, "accuracy", [_label(random, before) for _ in range(tested)], [1.0] * tested)
    traces = []
    for n in range(_length(change_at)):
        wrong = after if change_at is not None and n >= change_at else before
        traces.append(replace(_asked(n, "x"), answer=_label(random, wrong), finish_reason="stop"))
    return traces, expected


def thumbs(random: Random, change_at: int | None, before: float, after: float) -> Stream:
    traces = []
    for n in range(_length(change_at)):
        bad = random.random() < (after if change_at is not None and n >= change_at else before)
        traces.append(replace(_asked(n, "x"), answer="yes", feedback=(Feedback(good=not bad),)))
    return traces, Expected()


def labels(random: Random, change_at: int | None, before: float, after: float, tested: int = 150) -> Stream:
    expected = Expected((), LABELS, "accuracy", (), [float(random.random() < before) for _ in range(tested)])
    traces = []
    for n in range(_length(change_at)):
        right = random.random() < (after if change_at is not None and n >= change_at else before)
        said = (Feedback(label="card" if right else "transfer"),)
        traces.append(replace(_asked(n, "x"), answer="card", feedback=said))
    return traces, expected


def times(random: Random, change_at: int | None, factor: float, memory: float) -> Stream:
    """Seconds with heavy tails; those of neighbours depend on each other by `memory`, as a load does that comes and
    goes."""
    length = LOOKS * EACH if change_at is None else change_at + WITHIN
    noise, load = random.normal(size=length), 0.0
    traces = []
    for n in range(length):
        load = memory * load + (1 - memory**2) ** 0.5 * noise[n]
        slow = factor if change_at is not None and n >= change_at else 1.0
        tokens = int(random.integers(20, 60))
        seconds = slow * tokens * 0.01 * float(np.exp(0.3 * load + 0.3 * random.normal()))
        times = {"seconds": seconds, "first_token_seconds": seconds / 10, "answer_tokens": tokens, "prompt_tokens": 50}
        traces.append(replace(_asked(n, "x"), **times))
    return traces, Expected()


CASES = (
    Case("drift", "Banking77, 20% medical questions", partial(prompts, known="banking", other="medical")),
    Case("drift", "support desk, 20% bank questions", partial(prompts, known="support", other="banking")),
    Case("drift", "Banking77, 20% sums", partial(prompts, known="banking", other="maths")),
    Case("form", "2% out of form, then 12%", partial(answers, before=0.02, after=0.12)),
    Case("feedback", "10% thumbs down, then 25%", partial(thumbs, before=0.1, after=0.25), (LATER,)),
    Case("scores", "90% right, then 75%", partial(labels, before=0.9, after=0.75)),
    Case("speed", "times, then twice as long", partial(times, factor=2.0, memory=0.0), (LATER,)),
    Case("speed", "times that hang together (0.9), then twice", partial(times, factor=2.0, memory=0.9), (LATER,)),
)


def measured(case: Case, streams: int) -> Iterator[list[object]]:
    """A line without a change, and one for each place of it."""
    random = np.random.default_rng(0)
    found = [_alarm_at(case, *case.draw(random, None)) is not None for _ in range(streams)]
    yield [case.question, case.name, "none", streams, _share(sum(found), streams), "", ""]

    for change_at in case.changes:
        fewer = ceil(streams / 5)
        delays, early = [], 0
        for _ in range(fewer):
            alarm = _alarm_at(case, *case.draw(random, change_at))
            early += alarm is not None and alarm < change_at
            if alarm is not None and alarm >= change_at:
                delays.append(alarm - change_at)
        where = "at the begin" if not change_at else f"after {change_at}"
        usual = f"{np.median(delays):.0f}" if delays else ""
        yield [case.question, case.name, where, fewer, _share(early, fewer), _share(len(delays), fewer), usual]


def _alarm_at(case: Case, traces: Sequence[Trace], expected: Expected) -> int | None:
    """The trace that made the evidence enough."""
    alarm = LOOKING[case.question](traces, expected, ALPHA).alarm
    return None if alarm is None else alarm.evidence["enough_at_trace"]


def _length(change_at: int | None) -> int:
    return LOOKS * EACH if change_at is None else change_at + WITHIN


def _asked(place: int, text: str) -> Trace:
    return Trace(str(place), f"made:{place}", messages=[{"role": "user", "content": text}])


def _label(random: Random, wrong: float) -> str:
    return "I am not sure." if random.random() < wrong else LABELS[random.integers(3)]


def _share(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count / of:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--only", help="one question")
    given = parser.parse_args()
    lines = []
    for case in CASES:
        if given.only in (None, case.question):
            began = time.perf_counter()
            for line in measured(case, given.streams):
                print(*line, f"{time.perf_counter() - began:.0f} s", sep=" | ", flush=True)
                lines.append(line)
    if given.only is None:
        heads = ("question", "stream", "change", "streams", "false alarms", f"found within {WITHIN}", "after, median")
        write_tables(DOCS / "running" / "monitoring.md", {"streams": table(heads, lines)})


if __name__ == "__main__":
    main()
