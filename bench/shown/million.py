"""How long a page of `whet monitor` takes with a million traces in the store, and how much memory it needs.

    python -m bench.shown.million [--traces 1000000] [--home FOLDER]

Makes a service's store (prompts and answers of the demo's support desk, a second apart), tunes nano for one step, lets
`whet watch` look at all of it once, and asks for pages after that, with some requests since. Each stage is a process of
its own, whose seconds, processor seconds and largest memory are printed. What is there already is gone on from.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from whet.demo_data.support_desk import generate

BATCH = 5000
NAME = "million"
SINCE = 100
"""Requests that come between two looks."""


def make_run(home: Path) -> None:
    import whet

    if (home / "runs" / NAME).exists():
        return
    data = home / "desk.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(400, 0)), "utf-8")
    whet.train(str(data), run_root=home / "runs", name=NAME, steps=1, keep=False, dtype="float32")


def add_traces(home: Path, until: int) -> None:
    """So that there are as many, the last of them now."""
    from sqlalchemy import func, select

    from whet.server.access.keys import project_of
    from whet.server.database.opening import open_database
    from whet.server.database.tables import traces
    from whet.server.traces.keeping import insert_traces

    database, random, rows = open_database(f"sqlite:///{home / 'whet.sqlite'}"), Random(0), generate(6000, 7)
    with database.write() as connection:
        owner = project_of(connection, "default", 1.0)
        there = connection.execute(select(func.count()).select_from(traces)).scalar_one()
        now = database.now(connection)
    for first in range(there, until, BATCH):
        numbers = range(first, min(until, first + BATCH))
        made = [_trace(owner, number, now - (until - number), rows, random) for number in numbers]
        with database.write() as connection:
            insert_traces(connection, made)
    database.close()


def _trace(owner: str, number: int, at: float, rows: list[dict[str, Any]], random: Random) -> dict[str, Any]:
    row, tokens = rows[number % len(rows)], random.randint(20, 60)
    seconds = tokens * 0.01 * random.lognormvariate(0, 0.3)
    content = {"messages": [{"role": "user", "content": row["prompt"]}], "answer": str(row["completion"])}
    return {
        "id": f"chatcmpl-{number:09}",
        "project": owner,
        "key": None,
        "kind": "chatcmpl",
        "at": at,
        "model": "desk",
        "version": "desk@1",
        "fingerprint": None,
        "workload": None,
        "client": None,
        "conversation": None,
        "finish_reason": "stop",
        "valid": None,
        "error": None,
        "prompt_tokens": 60,
        "answer_tokens": tokens,
        "seconds": seconds,
        "first_token_seconds": seconds / 10,
        "feedback": 0,
        "bytes": 1200,
        "content": content | {"tools": None, "tool_calls": None, "schema": None},
    }


def look(home: Path) -> None:
    """A pass of the watch."""
    import whet
    from whet.server.traces.opening import ServiceSource

    result = whet.watch(NAME, ServiceSource(home), run_root=home / "runs")
    print(f"  {result['new_traces']:,} new, {result['traces']:,} in all, {len(result['alarms'])} alarms")


def page(home: Path) -> None:
    """As the command line does it, once Python has started and imported."""
    import whet
    from whet.server.traces.opening import ServiceSource

    whet.api  # noqa: B018 - what it imports is not of the page
    began, busy = time.perf_counter(), time.process_time()
    result = whet.monitor(NAME, ServiceSource(home), run_root=home / "runs")
    took, worked = time.perf_counter() - began, time.process_time() - busy
    print(f"  {result['traces']:,} requests on the page: {took:.2f} s, {worked:.2f} s of a processor")


def stage(name: str, work: Callable[[], None]) -> None:
    """In a process of its own."""
    print(f"{name}:", flush=True)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(work,))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def _measured(work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {time.perf_counter() - began:.1f} s, at most {largest:,.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="where all of it is kept; default: a folder that goes with the end")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        stage("a run", partial(make_run, home))
        stage("the store", partial(add_traces, home, given.traces))
        stage("the first pass", partial(look, home))
        for number in range(1, 4):
            stage(f"{SINCE} more", partial(add_traces, home, given.traces + number * SINCE))
            stage("a page", partial(page, home))
        stage("a pass", partial(look, home))
        (state,) = (home / "watches").glob("*/state.npz")
        print(f"the state: {state.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
