"""Looking at once and looking in pieces, with the state in a file between them, is the same; the state is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.monitoring.test_drift import asked, desk, kitchen
from whet.monitoring import evidence
from whet.monitoring.expected import Expected
from whet.monitoring.looking import Lookout, look_at
from whet.monitoring.memory import versions
from whet.monitoring.memory.state_file import read_state, write_state
from whet.monitoring.questions import speed
from whet.monitoring.trace import Feedback, Trace
from whet.monitoring.watches import drift
from whet.stats import watching

LABELS = ("card", "transfer", "top-up")


@pytest.fixture(scope="module")
def expected() -> Expected:
    random = Random(1)
    answers = [random.choice(LABELS) for _ in range(100)]
    return Expected(desk(200, seed=9), LABELS, "accuracy", answers, [1.0] * 90 + [0.0] * 10)


def stream(rows: int, change_at: int, seed: int = 4) -> list[Trace]:
    """New prompts, which are answered out of form; people and times that turn for the worse, too."""
    random, new = Random(seed), kitchen(rows)
    texts = [new[n] if n >= change_at and random.random() < 0.3 else text for n, text in enumerate(desk(rows, seed=3))]
    traces = []
    for n, trace in enumerate(asked(texts)):
        later = n >= change_at
        told = {"answer": "Well, hm." if "fridge" in trace.asked else random.choice(LABELS)}
        right = random.random() < (0.5 if later else 0.9)
        told["feedback"] = (Feedback(good=right), Feedback(label=told["answer"] if right else "card"))
        times = {"seconds": (3.0 if later else 1.0) * random.lognormvariate(0, 0.3), "answer_tokens": 20}
        named = {"conversation": f"c{n // 2}" if n % 5 == 0 else None, "at": 1e9 + n}
        traces.append(replace(trace, **told, **times, **named, version="one" if n < 300 else "two"))
    return traces


def in_pieces(traces: Sequence[Trace], expected: Expected, pieces: int, file: Path) -> Lookout:
    """Every tenth piece by a lookout of its own, which knows of those before what is in the file."""
    lookout = Lookout(expected)
    for number, piece in enumerate(np.array_split(np.arange(len(traces)), pieces)):
        if number % 10 == 9:
            write_state(file, lookout.state())
            lookout = Lookout(expected)
            state = read_state(file)
            assert state is not None
            lookout.restore(state)
        lookout.take([traces[n] for n in piece])
    return lookout


@pytest.mark.parametrize("change_at", [250, 10_000])
def test_looking_in_fifty_pieces_is_looking_once(expected: Expected, tmp_path: Path, change_at: int) -> None:
    traces = stream(700, change_at)
    whole = look_at(traces, expected)
    parts = in_pieces(traces, expected, 50, tmp_path / "state.npz").look()
    assert [asdict(alarm) for alarm in parts.alarms] == [asdict(alarm) for alarm in whole.alarms]
    assert {name: asdict(seen) for name, seen in parts.seen.items()} == {n: asdict(s) for n, s in whole.seen.items()}
    assert bool(whole.alarms) is (change_at < 700)


def test_a_state_is_bounded_however_many_requests_there_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rooms for a twentieth of what they are, so that they are full after some hundred requests."""
    monkeypatch.setattr(watching, "MOST", 500)
    monkeypatch.setattr(drift, "MOST", 500)
    for room, name in ((evidence, "LATEST"), (evidence, "AFTER"), (drift, "LATEST"), (speed, "LATEST")):
        monkeypatch.setattr(room, name, 100)
    monkeypatch.setattr(versions, "LATEST", 100)
    traces, sizes = stream(4000, 10_000), []
    lookout = Lookout(Expected(desk(100, seed=9), LABELS, "accuracy", [*LABELS] * 40, [1.0] * 90 + [0.0] * 10))
    for first in (0, 2000, 3000):
        lookout.take(traces[first : 2000 if not first else first + 1000])
        write_state(tmp_path / "state.npz", lookout.state())
        sizes.append((tmp_path / "state.npz").stat().st_size)
    assert sizes[2] - sizes[1] < 0.02 * sizes[1], sizes
