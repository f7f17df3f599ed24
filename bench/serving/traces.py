"""A store of a million traces: how long it takes to find some of them, and how much memory to read them all.

    python -m bench.serving.traces [--traces 1000000] [--database URL] [--json]

Traces without texts of four models, twenty workloads and 10,000 clients, one each 2.5 s, are written as the service
writes them; one in a thousand has feedback. Each look is made three times, and its median is told; the memory is what a
new process holds at most while it reads every trace, above what it held after the first 5,000.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench import machine
from whet.server.access.keys import project_of
from whet.server.database.opening import Database, open_database
from whet.server.traces.asking import Asking
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.keeping import insert_traces
from whet.server.traces.opening import open_traces
from whet.server.traces.reading import TraceFilter, page_of_traces
from whet.server.traces.record import TraceRecord

BATCH, APART, FEEDBACK_EVERY = 5000, 2.5, 1000
REPEATS = 3
MODELS = ("nano", "support@1", "support@2", "support@3")


def fill(database: Database, number: int) -> str:
    """The project's id."""
    rng = random.Random(7)
    with database.write() as connection:
        owner = project_of(connection, "default", database.now(connection))
    for first in range(0, number, BATCH):
        records = [_record(rng, owner, place, number) for place in range(first, min(number, first + BATCH))]
        with database.write() as connection:
            now = database.now(connection)
            insert_traces(connection, [record.row(False, now) for record in records])
    for place in range(0, number, FEEDBACK_EVERY):
        add_feedback(database, owner, f"chatcmpl-{place:024}", NewFeedback(good=rng.random() < 0.8), None)
    return owner


def _record(rng: random.Random, owner: str, place: int, number: int) -> TraceRecord:
    asking = Asking(owner, "key_bench", f"workload-{rng.randrange(20)}", f"client-{rng.randrange(10_000)}")
    model = rng.choice(MODELS)
    return TraceRecord(
        f"chatcmpl-{place:024}",
        "chatcmpl",
        asking,
        model,
        model,
        "fp_0123456789ab",
        began=time.monotonic() - (number - place) * APART,
        seconds=rng.expovariate(2.0),
        first_token_seconds=rng.expovariate(10.0),
        workload=asking.workload,
        prompt_tokens=rng.randrange(20, 400),
        answer_tokens=rng.randrange(1, 200),
        finish_reason="stop",
    )


def looks(database: Database, owner: str, place: str, number: int) -> dict[str, Callable[[], int]]:
    """Each gives how many traces it saw."""
    now = time.time()
    middle = now - number / 2 * APART

    def page(**wanted: Any) -> int:
        return len(page_of_traces(database, TraceFilter(owner, **wanted), 100, "desc", None)[0])

    return {
        "the newest 1,000": lambda: _count(open_traces(place, newest=1000)),
        "the newest 10,000": lambda: _count(open_traces(place, newest=10_000)),
        "an hour in the middle": lambda: _count(open_traces(place, since=middle, until=middle + 3600)),
        "an hour in the middle, of a model": lambda: _count(
            open_traces(place, model=MODELS[1], since=middle, until=middle + 3600)
        ),
        "a page of 100": page,
        "a page of 100, of a workload": lambda: page(workload="workload-3"),
        "a page of 100, of a client": lambda: page(client="client-77"),
        "a page of 100 with feedback": lambda: page(with_feedback=True),
    }


def _count(found: Iterator[Any]) -> int:
    return sum(1 for _ in found)


def timed(act: Callable[[], int]) -> tuple[int, float]:
    """(traces, median seconds)."""
    seconds, seen = [], 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        seen = act()
        seconds.append(time.perf_counter() - began)
    return seen, median(seconds)


def read_all(place: str) -> dict[str, float]:
    """The whole store, once: traces, seconds, and bytes above what the process held before."""
    process, over = psutil.Process(), threading.Event()
    _count(islice(open_traces(place), 5000))
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    seen = _count(open_traces(place))
    took = time.perf_counter() - began
    over.set()
    watcher.join()
    return {"traces": seen, "seconds": round(took, 1), "mebibytes_above": round((peak - before) / 2**20, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="Postgres to fill; default: SQLite in a folder of its own")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "whet.sqlite"
        database = open_database(given.database or f"sqlite:///{file}")
        began = time.perf_counter()
        owner = fill(database, given.traces)
        facts: dict[str, Any] = {"traces": given.traces, "kind": database.kind}
        facts["filled_seconds"] = round(time.perf_counter() - began, 1)
        if not given.database:
            facts["file_mebibytes"] = round(file.stat().st_size / 2**20)

        place = given.database or scratch
        facts["looks"] = {name: timed(look) for name, look in looks(database, owner, place, given.traces).items()}
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # what this process wrote is not in its memory
            facts["all"] = fresh.submit(read_all, place).result()
        database.close()

    if given.json:
        print(json.dumps(facts | {"machine": machine.facts()}))
        return
    print(f"{given.traces:,} traces in {facts['kind']}, written in {facts['filled_seconds']} s", end="")
    print(f", {facts['file_mebibytes']} MiB" if "file_mebibytes" in facts else "")
    for name, (seen, seconds) in facts["looks"].items():
        print(f"{name}: {seen:,} in {1000 * seconds:.1f} ms")
    whole = facts["all"]
    print(f"all of them: {whole['traces']:,} in {whole['seconds']} s, {whole['mebibytes_above']} MiB above")


if __name__ == "__main__":
    main()
