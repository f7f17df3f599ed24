"""Prompts that changed, and prompts that did not."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from whet.demo_data.support_desk import generate
from whet.monitoring.expected import Expected
from whet.monitoring.prompt_features import PromptFeatures
from whet.monitoring.questions import drift
from whet.monitoring.trace import Feedback, Trace
from whet.monitoring.watches.drift import CLASSIFIER, NOVELTY, DriftWatch

FOODS = "bread cheese soup rice apples fish pasta beans carrots salad".split()


def desk(rows: int, seed: int = 0) -> list[str]:
    return [row["prompt"] for row in generate(rows, seed)]


def kitchen(rows: int, seed: int = 0) -> list[str]:
    random = Random(seed)
    return [
        f"How long does {random.choice(FOODS)} with {random.choice(FOODS)} keep in the fridge, {n} days?"
        for n in range(rows)
    ]


def asked(texts: list[str], **facts: object) -> list[Trace]:
    return [
        Trace(f"t{n}", f"log:{n}", messages=[{"role": "user", "content": text}], **facts)  # type: ignore[arg-type]
        for n, text in enumerate(texts)
    ]


def mixed(share: float, begin: int, rows: int, seed: int = 5) -> list[str]:
    random, other = Random(seed), kitchen(rows)
    return [
        other[n] if n >= begin and random.random() < share else text for n, text in enumerate(desk(rows, seed=seed))
    ]


@pytest.fixture(scope="module")
def expected() -> Expected:
    return Expected(desk(300, seed=9))


def test_prompts_of_the_same_kind_raise_nothing(expected: Expected) -> None:
    seen = drift.look(asked(desk(500, seed=3)), expected, 0.05)
    assert seen.alarm is None and seen.watched
    assert seen.facts["auc_interval"][0] < 0.58


def test_a_fifth_of_another_topic_is_found_named_and_dated(expected: Expected) -> None:
    seen = drift.look(asked(mixed(0.2, 200, 500)), expected, 0.05)
    assert seen.alarm is not None
    assert 150 <= seen.alarm.first <= 260
    assert seen.alarm.evidence["enough_at_trace"] < 300
    assert all("fridge" in example["asked"] for example in seen.alarm.examples)
    assert any("fridge" in kind["words"] or "keep" in kind["words"] for kind in seen.alarm.rate["kinds"])
    assert seen.alarm.suggestion == "collect"


def test_new_prompts_with_right_answers_are_worth_a_tune(expected: Expected) -> None:
    traces = asked(mixed(0.5, 0, 300), feedback=(Feedback(corrected="Three days."),))
    alarm = drift.look(traces, expected, 0.05).alarm
    assert alarm is not None and alarm.suggestion == "retrain"


def test_fewer_topics_than_before_are_a_change_too(expected: Expected) -> None:
    """Nothing new is asked, so only the classifier can tell."""
    narrow = [text for text in desk(3000, seed=4) if "return" in text.lower()][:400]
    watch = DriftWatch(expected.prompts)
    watch.see(narrow)
    assert watch.crossed is not None and watch.crossed.name == CLASSIFIER


def test_one_conversation_is_one_observation(expected: Expected) -> None:
    """A single customer who asks on and on about something else is no change of the traffic."""
    one = asked(kitchen(200), conversation="c1")
    others = asked(desk(200, seed=3))
    seen = drift.look([*one, *others], expected, 0.05)
    assert seen.traces == 201 and seen.alarm is None


def test_who_looks_twice_sees_the_same(expected: Expected) -> None:
    first, again = (drift.look(asked(mixed(0.2, 0, 200)), expected, 0.05) for _ in range(2))
    assert first == again


def test_looking_after_each_prompt_is_looking_once(expected: Expected) -> None:
    texts = mixed(0.2, 50, 200)
    whole, pieces = DriftWatch(expected.prompts), DriftWatch(expected.prompts)
    whole.see(texts)
    for text in texts:
        pieces.see([text])
    assert [w.most for w in whole.watches.values()] == [w.most for w in pieces.watches.values()]


def test_the_classifier_never_ranks_what_it_learned_from() -> None:
    """The same 40 prompts again and again: one that had seen them would tell them from the known ones at once."""
    watch = DriftWatch(desk(300, seed=9))
    watch.see(desk(300, seed=3))
    learned, ranked = ({row.tobytes() for row in rows} for rows in (watch._learned, watch._ranked))
    assert learned & ranked == set() and len(watch._learned) + len(watch._ranked) == 300


def test_novelty_is_the_share_of_unknown_words_and_pairs() -> None:
    features = PromptFeatures(["the red cat", "the red dog"])
    novelty, _ = features.of(["the red cat", "a blue bird", "the red bird", ""])
    assert novelty.tolist() == pytest.approx([0.0, 1.0, 2 / 5, 0.0])


def test_words_in_any_script_and_odd_prompts_are_read() -> None:
    features = PromptFeatures(desk(60))
    texts = ["", " ", "\x00", "退款在哪里", "🙂🙂", "a" * 4000, "\ud800", "1 2 3"]
    novelty, numbers = features.of(texts)
    assert np.isfinite(numbers).all() and ((novelty >= 0) & (novelty <= 1)).all()


def test_too_few_prompts_are_said_not_judged(expected: Expected) -> None:
    assert "50 are needed" in drift.look(asked(desk(100)), Expected(desk(49)), 0.05).sentence
    few = drift.look(asked(desk(19)), expected, 0.05)
    assert not few.watched and "19 live prompts" in few.sentence


def test_both_scores_are_watched() -> None:
    assert set(DriftWatch(desk(60)).watches) == {NOVELTY, CLASSIFIER}
