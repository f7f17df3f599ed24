"""Data on which nothing was learned, judged by the whole rule: "better" only where the tuned model beats the base, the
answer that reads nothing, the base that was told what is wanted, and the base with examples.

Each is beaten at 5%, and "better" needs all, so the whole rule errs at most as often as the hardest of its parts (an
intersection-union test: Berger 1982, doi:10.1080/00401706.1982.10487790). The cases are those where the base alone is
beaten easily. Legend: N rows, F frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whet.evaluation.verdict import decide
from whet.stats.paired import paired_difference

Judged = tuple[dict[str, np.ndarray], np.ndarray, Sequence[int] | None]
"""Scores of each opponent and of the tuned model on the same rows, and the cluster of each row."""
COPIES = (2, 5, 20)
FRAMES = (10, 20, 50)
ALIKE = 0.9
"""Share of a frame's rows that go as the frame goes."""


@dataclass(frozen=True, slots=True)
class Null:
    name: str
    rows: int
    draw: Callable[[np.random.Generator, int], Judged]


def shuffled(shares: Sequence[float], lean: float) -> Callable[[np.random.Generator, int], Judged]:
    """Labels that have nothing to do with their texts. The base names none; the tuned model, the base that is told the
    labels and the base with examples name the commonest in `lean` of the rows, and otherwise any at random."""

    def draw(random: np.random.Generator, rows: int) -> Judged:
        wanted_N = random.choice(len(shares), rows, p=shares)

        def named() -> np.ndarray:
            return np.where(random.random(rows) < lean, 0, random.integers(0, len(shares), rows))

        found = {"base": np.full(rows, -1), "constant": np.zeros(rows), "prompted": named(), "examples": named()}
        return {name: (said_N == wanted_N) * 1.0 for name, said_N in found.items()}, (named() == wanted_N) * 1.0, None

    return draw


def constant_data(random: np.random.Generator, rows: int) -> Judged:
    """One answer to everything: the tuned model says it always, and so does the constant."""
    told = (random.random(rows) < 0.5) * 1.0
    return {"base": told * 0, "constant": told * 0 + 1, "prompted": told, "examples": told}, np.ones(rows), None


def form_only(random: np.random.Generator, rows: int) -> Judged:
    """The base is right in 60% of the rows and never in form; told the form it is as good as the tuned model, which
    learned nothing else."""

    def right() -> np.ndarray:
        return (random.random(rows) < 0.6) * 1.0

    nothing = np.zeros(rows)
    return {"base": nothing, "constant": nothing, "prompted": right(), "examples": right() * 0.5}, right(), None


NULLS = (
    *(Null("shuffled labels, balanced", rows, shuffled((0.5, 0.5), 0.3)) for rows in (40, 200)),
    *(Null("shuffled labels, 85:15", rows, shuffled((0.85, 0.15), 0.9)) for rows in (40, 200)),
    *(Null("shuffled labels, three classes", rows, shuffled((0.4, 0.3, 0.3), 0.5)) for rows in (40, 200)),
    *(Null("one answer to everything", rows, constant_data) for rows in (40, 200)),
    *(Null("only the form was learned", rows, form_only) for rows in (40, 200)),
)


def copies(frames: int, each: int, gain: float = 0.0, alike: float = ALIKE) -> Callable[[np.random.Generator], Judged]:
    """Rows made from frames, `each` of one: `alike` of a frame's rows go as the frame goes, the others have luck of
    their own. Base and tuned differ in 40% of the rows."""

    def draw(random: np.random.Generator) -> Judged:
        whose = np.repeat(np.arange(frames), each)
        frame_F, own_N = random.random(frames), random.random(frames * each)
        fate_N = np.where(random.random(whose.size) < alike, frame_F[whose], own_N)
        better, worse = (0.4 + gain) / 2, (0.4 - gain) / 2
        base = np.where((fate_N >= better) & (fate_N < better + worse), 1.0, 0.0)
        return {"base": base}, np.where(fate_N < better, 1.0, 0.0), whose.tolist()

    return draw


def beats(opponent: np.ndarray, tuned: np.ndarray, clusters: Sequence[int] | None) -> bool:
    return decide(paired_difference(opponent, tuned, clusters=clusters)).word == "better"


def opposed(simulations: int, most_rows: int, seed: int) -> list[dict[str, Any]]:
    """Shares in percent: `better` than all, and than the base alone."""
    found = []
    for null in (null for null in NULLS if null.rows <= most_rows):
        random = np.random.default_rng([seed, null.rows])
        whole = alone = 0
        for _ in range(simulations):
            opponents, tuned, clusters = null.draw(random, null.rows)
            base = beats(opponents.pop("base"), tuned, clusters)
            alone += base
            whole += base and all(beats(scores, tuned, clusters) for scores in opponents.values())
        shares = {"better": 100 * whole / simulations, "base": 100 * alone / simulations}
        found.append({"case": null.name, "units": null.rows, **shares})
    return found


def near_copies(simulations: int, most_frames: int, seed: int) -> list[dict[str, Any]]:
    """Shares in percent of false words (`by_clusters`, and `by_rows` as if each row were a draw), without a gain; and
    what clusters cost where they are none: the share of test sets of independent rows whose gain of 0.2 is shown."""
    found = []
    for each, frames in ((each, frames) for each in COPIES for frames in FRAMES if frames <= most_frames):
        draws = {"null": copies(frames, each), "gain": copies(frames, each, 0.2, 0.0)}
        facts: dict[str, Any] = {"copies": each, "frames": frames}
        for name, draw in draws.items():
            random = np.random.default_rng([seed, each, frames])
            counts = {"by_clusters": 0, "by_rows": 0}
            for _ in range(simulations):
                opponents, tuned, whose = draw(random)
                for way, clusters in (("by_clusters", whose), ("by_rows", None)):
                    word = decide(paired_difference(opponents["base"], tuned, clusters=clusters)).word
                    counts[way] += word in (("better", "worse") if name == "null" else ("better",))
            facts |= {f"{name}_{way}": 100 * number / simulations for way, number in counts.items()}
        found.append(facts)
    return found
