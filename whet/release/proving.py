"""A released model is asked the golden prompts through its real consumers, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from whet.errors import InputError, ModelError
from whet.observer import Observer
from whet.release.catalogue import open_consumer, open_scorer, why_missing
from whet.release.consumers.protocol import Consumer, Served
from whet.release.diagnosis import Fault, diagnose
from whet.release.forms.protocol import ROUNDING, Bound
from whet.release.golden import Golden
from whet.release.proof import Proof, TaskScore, prove
from whet.release.readings import read_cases, read_scores
from whet.reports.proof_facts import ConsumerFacts

AskTask = Callable[[Consumer], TaskScore | None]
"""Measures the task on validation rows through a consumer; None where it cannot be measured."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one consumer proved."""

    consumer: str
    proof: Proof | None
    """None where it could not open the model."""
    faults: list[Fault]

    @property
    def passed(self) -> bool:
        return not self.faults and self.proof is not None and self.proof.passed

    def facts(self) -> ConsumerFacts:
        """For proof.json."""
        told: dict[str, Any] = {"consumer": self.consumer, "passed": self.passed}
        if self.proof is not None:
            told |= asdict(self.proof)
            if self.proof.task is not None:
                told["task"]["kept"] = self.proof.task.kept
        told["faults"] = [asdict(fault) for fault in self.faults]
        return cast(ConsumerFacts, told)


def prove_through(
    golden: Golden, name: str, served: Served, bound: Bound, observer: Observer, ask_task: AskTask | None = None
) -> Outcome:
    """Opens the model through a consumer, asks it everything, and judges it."""
    observer.phase(f"asking {name} the golden prompts", max(len(golden.cases), len(golden.scores)))
    served = replace(served, clock=golden.clock)
    try:
        if golden.scores:
            with closing(open_scorer(name, served)) as scorer:
                readings, task = read_scores(golden, scorer, observer), None
        else:
            with closing(open_consumer(name, served)) as consumer:
                readings = read_cases(golden, consumer, observer)
                task = ask_task(consumer) if ask_task else None
    except ModelError as error:
        fault = Fault("cannot-open", "difference", f"{error.what}.", error.fix or "export again")
        return Outcome(name, None, [fault])

    proof = prove(golden, readings, loosened(bound, golden), task)
    return Outcome(name, proof, diagnose(golden, readings, proof))


def loosened(bound: Bound, golden: Golden) -> Bound:
    """Where the golden answers are not of float32, what two libraries round otherwise is allowed, too."""
    least = ROUNDING.get(golden.dtype, ROUNDING["bfloat16"])
    return Bound(_looser(bound.mean, least.mean), _looser(bound.largest, least.largest), bound.fraction)


def _looser(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return None
    return max(one, other)


def installed(names: Sequence[str]) -> list[str]:
    """The consumers that are there. Raises InputError, with what to install, where none is."""
    missing = {name: why_missing(name) for name in names}
    there = [name for name, why in missing.items() if why is None]
    if not there:
        fix = "; or ".join(why for why in missing.values() if why)
        raise InputError(f"nothing that reads this form is installed here ({', '.join(names)})", fix=fix)
    return there
