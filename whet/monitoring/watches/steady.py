"""Scores that are to stay as they were: watched beside what was known before, or beside the first live traces.

A score that nothing was known of takes its first BASELINE observations as its reference, and is watched from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypedDict

from whet.monitoring.evidence import Crossing, Evidence, ScoreWatch
from whet.stats.paired import mean_interval

BASELINE = 100
Observation = tuple[int, Mapping[str, float]]
"""The place of the trace, and its scores."""


class Rate(TypedDict):
    """The mean of a score before and since a change, each with its 95% interval."""

    reference: float
    reference_interval: tuple[float, float]
    reference_rows: int
    live: float
    live_interval: tuple[float, float]
    traces: int


@dataclass(frozen=True, slots=True)
class Watched:
    """`places` and `values` of each score are those that were watched, `references` those that they were held to."""

    evidence: Evidence
    references: dict[str, list[float]]
    places: dict[str, list[int]]
    values: dict[str, list[float]]

    def crossing_of(self, watch: ScoreWatch) -> tuple[Crossing, int, int]:
        """(the crossing, the trace that made the evidence enough, the trace since which it speaks)."""
        crossing = watch.crossing
        assert crossing is not None
        places = self.places[watch.name]
        return crossing, places[crossing.seen - 1], places[crossing.since]

    def rate(self, name: str, since: int) -> Rate:
        live = [value for place, value in zip(self.places[name], self.values[name], strict=True) if place >= since]
        reference = self.references[name]
        return {
            "reference": fmean(reference),
            "reference_interval": mean_interval(reference),
            "reference_rows": len(reference),
            "live": fmean(live),
            "live_interval": mean_interval(live),
            "traces": len(live),
        }


def watch(
    observations: Sequence[Observation],
    known: Mapping[str, Sequence[float]],
    alpha: float,
    shares: int,
    baseline: int = BASELINE,
) -> Watched:
    """`shares` as Evidence. A score with fewer observations than its baseline is not watched yet."""
    references = {name: list(values) for name, values in known.items() if len(values)}
    early: dict[str, list[float]] = {}
    places: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    for place, scores in observations:
        for name, score in scores.items():
            if name not in references and len(early.setdefault(name, [])) < baseline:
                early[name].append(score)
                continue
            places.setdefault(name, []).append(place)
            values.setdefault(name, []).append(score)

    references |= {name: found for name, found in early.items() if name in values}
    used = {name: references[name] for name in values}
    evidence = Evidence(used, alpha, shares)
    for name, found in values.items():
        for value in found:
            evidence.see({name: value})
    return Watched(evidence, used, places, values)
