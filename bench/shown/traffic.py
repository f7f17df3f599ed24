"""How often an A/B test of versions that are alike decides for one of them, and how soon one that differs is found.

    python -m bench.shown.traffic [--streams 1000]    writes the table of docs/running/traffic.md

A stream is what people say, thumb by thumb, of two versions of a model; it goes through what `whet models traffic`
does, and is looked at after each thumb. Streams without a difference have 2,000 clients, those with one 4,000.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.shown.pages import DOCS, table, write_tables
from whet.monitoring.trace import Feedback
from whet.monitoring.trials import Said, opinions_of
from whet.server.traces.asking import Asking
from whet.server.traffic.sharing import identity_of, place_of
from whet.stats import two_streams
from whet.stats.paired import wilson

ALIKE, APART = 2000, 4000
"""Clients of a stream."""
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    share: float
    draw: Callable[[Random, float], list[Said]]
    differs: bool = False
    better: bool = False
    """Where it differs: whether the new version is the better one."""


def thumbs(
    random: Random,
    share: float,
    clients: int = ALIKE,
    live: float = 0.8,
    new: float = 0.8,
    night: float = 0.0,
    quiet: float = 1.0,
) -> list[Said]:
    """One a client. At night, every other hundred, both versions are liked less by `night`; of the clients of the new
    version only the share `quiet` says anything."""
    said = []
    stream = random.integers(1 << 60)
    for number in range(clients):
        is_new = is_met(f"{stream}-{number}", share)
        rate = (new if is_new else live) - night * (number // 100 % 2)
        good = bool(random.random() < rate)
        if not is_new or random.random() < quiet:
            said.append(Said("new" if is_new else "live", str(number), Feedback(good=good), None))
    return said


def with_loud_client(random: Random, share: float) -> list[Said]:
    """One client of the new version, who is not content, says so after each thumb of the others."""
    loud = Said("new", "loud", Feedback(good=False), None)
    return [piece for honest in thumbs(random, share, 1000) for piece in (honest, loud)]


def is_met(client: str, share: float) -> bool:
    """As the service shares clients."""
    return place_of("bench@2", identity_of(Asking("bench", None, client=client), None)) < share  # type: ignore[arg-type]


CASES = (
    Case("80% content with both", 0.5, thumbs),
    Case("50% content with both", 0.5, partial(thumbs, live=0.5, new=0.5)),
    Case("97% content with both", 0.5, partial(thumbs, live=0.97, new=0.97)),
    Case("80% content with both", 0.1, thumbs),
    Case("both fall by 40 points each night", 0.5, partial(thumbs, night=0.4)),
    Case("of the new one's clients a third speaks", 0.5, partial(thumbs, quiet=1 / 3)),
    Case("one loud client with 1,000 thumbs", 0.5, with_loud_client),
    Case("80% and 90%", 0.5, partial(thumbs, clients=APART, new=0.9), True, True),
    Case("80% and 70%", 0.5, partial(thumbs, clients=APART, new=0.7), True),
    Case("80% and 70%", 0.1, partial(thumbs, clients=APART, new=0.7), True),
    Case("80% and 75%", 0.5, partial(thumbs, clients=APART, new=0.75), True),
    Case("80% and 50%", 0.1, partial(thumbs, clients=APART, new=0.5), True),
)


def measured(case: Case, streams: int) -> list[object]:
    """A line of the table; where there is a difference, a fifth of the streams are enough to see it."""
    random = np.random.default_rng(0)
    right, wrong, clients = 0, 0, []
    if case.differs:
        streams = max(1, streams // 5)
    for _ in range(streams):
        decision = decided(case.draw(random, case.share), case.share)
        if decision is None:
            continue
        new_is_better, heard = decision
        if case.differs and new_is_better == case.better:
            right += 1
            clients.append(heard)
        else:
            wrong += 1
    usual = f"{np.median(clients):,.0f}" if clients else ""
    found = shown(right, streams) if case.differs else ""
    return [case.name, f"{case.share:.0%}", streams, shown(wrong, streams), found, usual]


def decided(said: list[Said], share: float) -> tuple[bool, int] | None:
    """Whether the new version was found the better one, and after how many clients; None where it went on to the
    end."""
    values = opinions_of(said, ()).values
    compared = two_streams.compare(values, share)
    if compared.larger is None or compared.enough_at is None:
        return None
    few, many = 1, len(values)
    while few < many:  # a longer stream only adds to what a shorter one gave
        middle = (few + many) // 2
        if len(two_streams.differences(values[:middle], share)) >= compared.enough_at:
            many = middle
        else:
            few = middle + 1
    return compared.larger, few


def shown(count: int, of: int) -> str:
    low, high = wilson(count, of)
    return f"{count / of:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    streams = parser.parse_args().streams
    two_streams.MEANS_M = np.array([0.0])  # without the interval, which takes most of the time and decides nothing
    lines = []
    for case in CASES:
        lines.append(measured(case, streams))
        print(*lines[-1], sep=" | ", flush=True)
    heads = ("content with the live and the new one", "share", "streams", "wrong decisions", "right", "clients, median")
    write_tables(DOCS / "running" / "traffic.md", {"streams": table(heads, lines)})


if __name__ == "__main__":
    main()
