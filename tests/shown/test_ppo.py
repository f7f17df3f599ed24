"""ppo with a reward model: the true rate on held-out questions doubles, and the KL term holds it nearer its base."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench.shown import ppo
from bench.shown.world_preferences import ask, write
from whet.store.run import Run

MOST_KL = 5.0
"""Nats an answer."""


def test_the_rule_tells_a_right_polite_and_short_answer() -> None:
    rng = Random(3)
    asked = ask(rng, False)
    row = {"prompt": asked.prompt, "right": asked.right, "sentence": asked.sentence, "wrong": asked.wrong}
    answers = [write(rng, asked, *flags) for flags in ((True, True, True), (False, True, True), (True, True, False))]
    assert ppo.rule([[]] * 3, answers, [row] * 3) == [1.0, 0.0, 0.0]


@pytest.mark.slow
def test_the_true_rate_at_least_doubles_with_the_kl_term(tmp_path: Path) -> None:
    found = ppo.run(tmp_path)
    held = found["kl 0.4"]
    assert held["model"] > found["start"]["model"] and held["function"] >= 2 * found["start"]["function"], found
    free = found["kl 0"]
    assert held["kl_answer"] < MOST_KL < free["kl_answer"], found
    assert free["model"] > held["model"] and free["function"] < held["function"], "the reward model is gamed without it"
    runs = {name: Run.open(tmp_path / "runs" / name.replace(" ", "-")) for name in ppo.KLS}
    assert ppo.draw(runs, tmp_path / "ppo.svg").is_file()
