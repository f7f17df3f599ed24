"""The verdict on data whose truth is known: how often chance is called a gain, how often the interval covers, and
whether the power that is promised before a run is the power that there is.

    python -m bench.shown.statistics          prints the numbers and writes the tables into docs/measuring/statistics.md

Every simulated comparison goes through whet.stats.paired and whet.evaluation.verdict: paired_difference and decide, as
a tune does. All comparisons draw from one seeded generator; the truth of each case stands beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.shown.opposed import near_copies, opposed
from bench.shown.pages import DOCS, table, write_tables
from whet.evaluation.verdict import decide
from whet.stats.paired import paired_difference
from whet.stats.power import detectable_gain, mcnemar_power, promised_gain
from whet.stats.rows_needed import rows_needed

SIMULATIONS = 2_000
WAYS = [(name, way) for name in ("null", "gain") for way in ("clusters", "rows")]
Drawn = tuple[np.ndarray, np.ndarray, list[int] | None]
"""Scores of base and tuned on the same rows, and the cluster of each row."""


@dataclass(frozen=True, slots=True)
class Case:
    """`draw(random, units)` makes one test set; `truth` is the expected tuned minus base."""

    name: str
    units: tuple[int, ...]
    draw: Callable[[np.random.Generator, int], Drawn]
    truth: float = 0.0


def right_or_wrong(better: float, worse: float) -> Callable[[np.random.Generator, int], Drawn]:
    """Scores of 0 and 1; shares of rows that only the tuned model, and only the base, gets right."""

    def draw(random: np.random.Generator, rows: int) -> Drawn:
        fate = random.random(rows)
        rest = (random.random(rows) < 0.5).astype(float)
        tuned = np.where(fate < better, 1.0, np.where(fate < better + worse, 0.0, rest))
        base = np.where(fate < better, 0.0, np.where(fate < better + worse, 1.0, rest))
        return base, tuned, None

    return draw


def overlap(random: np.random.Generator, rows: int, gain: float = 0.0) -> Drawn:
    """Scores within 0..1, as of ROUGE: rows of different difficulty, and each side's own luck."""
    ease = random.beta(2, 2, rows)
    base, tuned = (0.8 * (0.7 * ease + 0.3 * random.beta(2, 2, rows)) for _ in range(2))
    return base, tuned + gain, None


def lopsided(random: np.random.Generator, rows: int) -> Drawn:
    """No gain on average: 3 rows in 4 gain a little, the others lose three times as much, with luck of their own."""
    base = random.uniform(0.4, 0.6, rows)
    change = np.where(random.random(rows) < 0.75, 0.1, -0.3) * random.uniform(0.5, 1.5, rows)
    return base, base + change, None


def log_probability(random: np.random.Generator, rows: int, gain: float = 0.0) -> Drawn:
    """Mean log-probabilities of answers: unbounded, with heavy tails (Student's t, 5 degrees of freedom)."""
    base = -random.gamma(2, 0.6, rows)
    return base, base + gain + 0.2 * random.standard_t(5, rows), None


def sizes(random: np.random.Generator, clusters: int) -> np.ndarray:
    """Rows of each conversation: 2 to some 30, on average 7."""
    return 1 + random.geometric(1 / 6, clusters)


def conversations(random: np.random.Generator, clusters: int, gain: float = 0.0) -> Drawn:
    """Scores within 0..1 of rows from conversations, half of whose luck is shared."""
    whose = np.repeat(np.arange(clusters), sizes(random, clusters))
    shared = random.normal(0, 0.1, clusters)[whose]
    base = random.uniform(0.35, 0.65, whose.size)
    return base, np.clip(base + gain + shared + random.normal(0, 0.1, whose.size), 0, 1), whose.tolist()


def right_in_conversations(random: np.random.Generator, clusters: int) -> Drawn:
    """Scores of 0 and 1 where a conversation tends to go one way: 30% of the rows differ."""
    whose = np.repeat(np.arange(clusters), sizes(random, clusters))
    lean = random.beta(1, 1, clusters)[whose]
    differs, up = random.random(whose.size) < 0.3, random.random(whose.size) < lean
    base = np.where(differs, ~up, True).astype(float)
    return base, np.where(differs, up, True).astype(float), whose.tolist()


def with_gain(draw: Callable[..., Drawn], gain: float) -> Callable[[np.random.Generator, int], Drawn]:
    return lambda random, units: draw(random, units, gain)


ROWS, CLUSTERS = (10, 20, 50, 100), (8, 20, 50)
NULLS = (
    Case("0 or 1, 10% of rows differ", (20, 100, 500), right_or_wrong(0.05, 0.05)),
    Case("0 or 1, 40% of rows differ", (10, 20, 50, 200), right_or_wrong(0.2, 0.2)),
    Case("within 0..1 (ROUGE)", ROWS, overlap),
    Case("within 0..1, lopsided", (20, 50, 100), lopsided),
    Case("log-probabilities", ROWS, log_probability),
    Case("conversations, within 0..1", CLUSTERS, conversations),
    Case("conversations, 0 or 1", CLUSTERS, right_in_conversations),
)
GAINS = (
    Case("0 or 1, gain 0.1", (50, 200), right_or_wrong(0.2, 0.1), 0.1),
    Case("0 or 1, gain 0.3", (20, 50, 200), right_or_wrong(0.35, 0.05), 0.3),
    Case("within 0..1 (ROUGE), gain 0.05", ROWS, with_gain(overlap, 0.05), 0.05),
    Case("log-probabilities, gain 0.1", ROWS, with_gain(log_probability, 0.1), 0.1),
    Case("conversations, gain 0.1", CLUSTERS, with_gain(conversations, 0.1), 0.1),
)


def verdicts(case: Case, units: int, simulations: int, seed: int) -> dict[str, Any]:
    """Shares in percent: `better` and `worse` by the verdict, `covers` by the interval."""
    random = np.random.default_rng([seed, units])
    words, covers = [], 0
    for _ in range(simulations):
        base, tuned, clusters = case.draw(random, units)
        difference = paired_difference(base, tuned, clusters=clusters)
        words.append(decide(difference).word)
        covers += difference.low <= case.truth <= difference.high
    shares = {word: 100 * words.count(word) / simulations for word in ("better", "worse")}
    return {"case": case.name, "units": units, **shares, "covers": 100 * covers / simulations}


def promised_and_found(simulations: int, seed: int) -> list[dict[str, Any]]:
    """Power in percent: what Whet says before a run, or forecasts after one, and the share of simulated test sets
    that do show the gain."""
    found = []
    for rows, gain, differs in ((100, 0.15, 0.3), (100, 0.1, 0.2), (300, 0.08, 0.3), (50, 0.3, 0.5)):
        case = Case(
            f"gain {gain:g}, {100 * differs:g}% differ",
            (rows,),
            right_or_wrong((differs + gain) / 2, (differs - gain) / 2),
        )
        found.append(held_to(case, rows, 100 * mcnemar_power(rows, gain, differs), simulations, seed))
    for rows in (60, 200, 500):
        gain = detectable_gain(rows)
        assert gain is not None, "so many rows can show something"
        case = Case(
            f"the gain that {rows} rows can detect", (rows,), right_or_wrong((0.3 + gain) / 2, (0.3 - gain) / 2)
        )
        found.append(held_to(case, rows, 80.0, simulations, seed))
    return found + clustered_power_found(simulations, seed) + forecasts(simulations, seed)


def clustered_power_found(simulations: int, seed: int) -> list[dict[str, Any]]:
    """The gain that rows in clusters can detect, where the rows of a cluster go the same way."""
    found = []
    for clusters, each in ((20, 5), (40, 5), (100, 2)):
        gain = promised_gain((each,) * clusters)
        assert gain is not None, "so many clusters can show something"
        differs = max(0.3, gain)

        def draw(random: np.random.Generator, units: int, gain=gain, differs=differs, each=each) -> Drawn:
            base, tuned, _ = right_or_wrong((differs + gain) / 2, (differs - gain) / 2)(random, units)
            return np.repeat(base, each), np.repeat(tuned, each), np.repeat(np.arange(units), each).tolist()

        case = Case(f"the gain that {clusters} clusters of {each} rows can detect", (clusters,), draw)
        shown = held_to(case, clusters, 80.0, simulations, seed)
        found.append(shown | {"rows": clusters * each})
    return found


def forecasts(simulations: int, seed: int) -> list[dict[str, Any]]:
    """rows_needed, asked with test sets whose proportions are those of the truth, so that it can be held to 80%."""
    change = np.repeat([1.0, -1.0, 0.0], [70, 40, 290])
    rows = rows_needed(np.where(change < 0, 1.0, 0.0), np.where(change > 0, 1.0, 0.0))
    binary = Case("rows that 0 or 1 would need", (rows,), right_or_wrong(70 / 400, 40 / 400))
    random = np.random.default_rng(seed)
    base, tuned, _ = overlap(random, 100)
    noise = tuned - base - (tuned - base).mean()
    needed = rows_needed(np.zeros(100), 0.02 + noise)
    resampled = Case(
        "rows that scores within 0..1 would need",
        (needed,),
        lambda random, rows: (np.full(rows, 0.5), 0.52 + random.choice(noise, rows), None),
    )
    return [held_to(case, case.units[0], 80.0, simulations, seed) for case in (binary, resampled)]


def held_to(case: Case, rows: int, promised: float, simulations: int, seed: int) -> dict[str, Any]:
    shown = verdicts(case, rows, simulations, seed)
    return {"case": case.name, "rows": rows, "promised": promised, "found": shown["better"] + shown["worse"]}


def run(
    folder: Path, simulations: int = SIMULATIONS, most_units: int = 10**9, most_frames: int = 10**9, seed: int = 1
) -> dict[str, Any]:
    """All cases up to `most_units` rows or clusters and `most_frames`; also kept in `folder` as statistics.json."""
    nulls, gains = (
        [verdicts(case, n, simulations, seed) for case in cases for n in case.units if n <= most_units]
        for cases in (NULLS, GAINS)
    )
    facts = {
        "simulations": simulations,
        "nulls": nulls,
        "gains": gains,
        "opposed": opposed(simulations, most_units, seed),
        "copies": near_copies(simulations, most_frames, seed),
        "power": promised_and_found(simulations, seed),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "statistics.json").write_text(json.dumps(facts, indent=2))
    return facts


def tables(facts: dict[str, Any]) -> dict[str, str]:
    """The tables of docs/measuring/statistics.md by the name of their place there."""
    words = ("better", "worse", "covers")
    return {
        "nulls": table(
            ("no gain in truth", "rows or conversations", '"better"', '"worse"', "interval covers"),
            [[row["case"], row["units"], *(f"{row[word]:.1f}%" for word in words)] for row in facts["nulls"]],
        ),
        "gains": table(
            ("a gain in truth", "rows or conversations", '"better"', "interval covers"),
            [[row["case"], row["units"], f"{row['better']:.1f}%", f"{row['covers']:.1f}%"] for row in facts["gains"]],
        ),
        "opposed": table(
            ("nothing learned", "rows", '"better" than all four', "than the base alone"),
            [[row["case"], row["units"], f"{row['better']:.1f}%", f"{row['base']:.1f}%"] for row in facts["opposed"]],
        ),
        "copies": table(
            (
                "rows from one frame",
                "frames",
                "false words by clusters",
                "by rows",
                "gain of 0.2 shown by clusters, where all rows are independent",
                "by rows",
            ),
            [
                [row["copies"], row["frames"], *(f"{row[f'{name}_by_{way}']:.1f}%" for name, way in WAYS)]
                for row in facts["copies"]
            ],
        ),
        "power": table(
            ("what is asked", "rows", "power promised", "found"),
            [[row["case"], row["rows"], f"{row['promised']:.1f}%", f"{row['found']:.1f}%"] for row in facts["power"]],
        ),
    }


def main() -> None:
    facts = run(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
    write_tables(DOCS / "measuring" / "statistics.md", tables(facts))
    print(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main()
