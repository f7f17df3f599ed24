"""What is known of one candidate so far: before it is asked, as it is, and rung by rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.evaluation.comparison.arm_results import server_cost
from whet.evaluation.comparison.arms import KNOWN, REMOTE_EFFORT
from whet.recipe.sections.compare import RemoteModel
from whet.selection.asking import Asked
from whet.selection.candidates import Candidate
from whet.selection.choice_facts import AskedName, RungFacts
from whet.selection.halving import Estimate
from whet.selection.recommendation import Option
from whet.selection.volume import machine_usd
from whet.stats.paired import mean_interval

WORDS: dict[AskedName, str] = {
    "as_it_is": "as it is",
    "prompted": "with a prompt",
    "examples": "with three examples",
}
EFFORT: dict[AskedName, int] = {
    "as_it_is": KNOWN["zero-shot"].effort,
    "prompted": KNOWN["prompted"].effort,
    "examples": KNOWN["few-shot-nearest"].effort,
}


@dataclass(slots=True)
class Try:
    """`seen` is what `look` says of a base; of a server nothing is known. `out`: it is asked and tuned no more."""

    candidate: Candidate
    seen: dict[str, Any] = field(default_factory=dict)
    asked: dict[AskedName, Asked] = field(default_factory=dict)
    not_asked: dict[AskedName, str] = field(default_factory=dict)
    rungs: list[RungFacts] = field(default_factory=list)
    tuned: Asked | None = None
    """After its last rung."""
    run: str | None = None
    """In which it was asked as it is."""
    out: bool = False
    why: str = ""

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def remote(self) -> RemoteModel | None:
        return self.candidate.remote

    @property
    def settings(self) -> dict[str, Any]:
        return self.seen.get("settings", {})

    @property
    def share(self) -> float:
        """Of the training rows, in its last rung; 0 before the first."""
        return self.rungs[-1]["share"] if self.rungs else 0.0

    def leave(self, why: str) -> None:
        """It is asked and tuned no more; what was measured of it counts."""
        self.out, self.why = True, why

    # ---- time, as planned; 0 where it is not known

    @property
    def _time(self) -> dict[str, float]:
        return self.seen.get("time") or {}

    @property
    def estimate(self) -> Estimate:
        time = self._time
        return Estimate(time.get("training", 0.0) + time.get("keep", 0.0), time.get("evaluation", 0.0) / 2)

    @property
    def asking_seconds(self) -> float:
        return self._time.get("opponents", 0.0) + self.estimate.asking

    @property
    def verdict_seconds(self) -> float:
        return sum(self._time.get(part, 0.0) for part in ("evaluation", "opponents", "forgetting"))

    def expected_seconds(self, share: float) -> float:
        """Of a rung: by the one before it, or else as planned."""
        if not self.rungs:
            return self.estimate.rung(share)
        return self.rungs[-1]["seconds"] * share / self.share

    # ---- results

    def add_rung(
        self, run: str, share: float, told: dict[str, Any], seed: int, clusters: Sequence[object] | None
    ) -> None:
        """`told` is what `tune_and_ask` gives, `clusters` what each validation row belongs to."""
        asked = Asked(**told["asked"])
        self.tuned = asked
        self.rungs.append(
            {
                "run": run,
                "share": share,
                "rows": told["rows"],
                "steps": told["steps"],
                "score": asked.score,
                "interval": list(mean_interval(asked.values, seed, clusters)),
                "seconds": told["seconds"],
                "peak_memory": told["peak_memory"],
                "seconds_per_answer": asked.seconds,
                "prompt_tokens": asked.prompt_tokens,
                "answer_tokens": asked.answer_tokens,
                "usd_per_1000": None,
            }
        )

    def usd(self, asked: Asked, price_per_hour: float | None, answers_per_month: int | None) -> float | None:
        """Dollars of a thousand answers; None where they are not known."""
        if self.remote is not None:
            return server_cost(self.remote, asked.prompt_tokens, asked.answer_tokens)
        return machine_usd(asked.seconds, price_per_hour, answers_per_month)

    def options(self, price_per_hour: float | None, answers_per_month: int | None, last: float) -> list[Option]:
        """Its ways; the tune only if it came to the `last` share that any came to."""
        found = []
        for way, asked in self.asked.items():
            usd = self.usd(asked, price_per_hour, answers_per_month)
            found.append(self._option(asked, usd, way))
        if self.tuned is not None and self.share == last:
            usd = self.usd(self.tuned, price_per_hour, answers_per_month)
            found.append(self._option(self.tuned, usd, None))
        return found

    def _option(self, asked: Asked, usd: float | None, way: AskedName | None) -> Option:
        if way is None:
            name, label, effort, run = "tuned", f"{self.name}, tuned", KNOWN["tuned"].effort, self.rungs[-1]["run"]
            if self.share < 1:
                label += f" on {100 * self.share:.3g}% of the rows"
        else:
            name = "examples" if way == "examples" else "base"
            label, effort, run = f"{self.name} {WORDS[way]}", EFFORT[way], self.run
            if self.remote is not None:
                name, effort, run = "api", effort + REMOTE_EFFORT, None

        tokens = asked.prompt_tokens + asked.answer_tokens
        parameters = self.seen.get("parameters", 0)
        return Option(
            self.name, name, way, label, asked.values, asked.prompt_tokens, tokens, parameters, usd, effort, run
        )
