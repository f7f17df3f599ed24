"""Forgetting is a question of noninferiority, in nats per byte of a fixed text."""

from __future__ import annotations

import pytest

from whet.errors import DataError, NonFiniteError
from whet.evaluate import forgetting


def model(nats_per_byte: float, wobble: float = 0.0) -> forgetting.Nll:
    return lambda texts: [
        (len(t.encode()) * (nats_per_byte + wobble * (i % 3 - 1)), len(t) // 4) for i, t in enumerate(texts)
    ]


def test_the_general_text_is_original_prose_of_about_three_kilobytes() -> None:
    texts = forgetting.general_texts()
    assert len(texts) >= 12 and 2500 < sum(map(len, texts)) < 4500
    assert all(text == text.strip() and "\n" not in text for text in texts)


def test_the_numbers_are_per_byte_whatever_the_tokenizer() -> None:
    found = forgetting.measure(model(0.9), model(1.0), texts=["a\u00e9", "bcd e"], kl_base_tuned_per_token=0.25)
    nll = found["general_nll_per_byte"]
    assert (nll["base"], nll["tuned"], nll["change"]) == pytest.approx((0.9, 1.0, 0.1))
    assert found["kl_base_tuned_per_token"] == 0.25


@pytest.mark.parametrize(
    ("rise", "word"), [(0.0, "kept"), (0.005, "kept"), (0.018, "unclear"), (0.05, "lost"), (-0.1, "kept")]
)
def test_only_an_interval_below_the_margin_clears_the_tune(rise: float, word: str) -> None:
    found = forgetting.measure(model(0.9), model(0.9 + rise, wobble=0.012))
    assert found["word"] == word
    assert "margin is +2%" in found["statement"] and "95% interval" in found["statement"]


def test_one_text_can_not_clear_a_tune() -> None:
    assert forgetting.measure(model(0.9), model(0.9), texts=["one short text"])["word"] == "unclear"


def test_nonsense_is_refused() -> None:
    with pytest.raises(DataError):
        forgetting.measure(model(1), model(1), texts=[])
    with pytest.raises(DataError):
        forgetting.measure(model(1), model(1), texts=["a", ""])
    with pytest.raises(DataError, match="tuned"):
        forgetting.measure(model(1), lambda texts: [(1.0, 1)])
    with pytest.raises(NonFiniteError, match="base"):
        forgetting.measure(model(float("nan")), model(1))
    with pytest.raises(NonFiniteError):
        forgetting.measure(model(1), model(1), kl_base_tuned_per_token=float("inf"))
