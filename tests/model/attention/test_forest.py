"""Who may see whom, drawn out; and what the forest refuses instead of ignoring."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.tiny_models import grove, roots, segments_of, tiny
from whet.data.batches.forest import build_batch, path_to
from whet.errors import ModelError
from whet.model.architecture_proof import install_forest
from whet.model.attention import forest as attention
from whet.model.attention.forest import forest, layout_of
from whet.model.policy import Policy

SHAPES = [
    ((4, None), (2, 0), (3, 0), (2, 2), (5, None)),
    ((6, None), (6, None)),
    ((7, None), (2, None)),
]


@pytest.mark.parametrize("window", [None, 1, 3, 6, 100])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_token_sees_its_own_path_and_nothing_else(shape: tuple, window: int | None) -> None:
    """Against a definition by brute force: ancestors on the path, not after it, not out of the window."""
    segments = segments_of(*shape)
    layout = layout_of(build_batch(segments))
    owner = [(s, i) for s, segment in enumerate(segments) for i in range(len(segment.ids))]
    slot = range(len(owner)) if layout.scatter_T is None else layout.scatter_T.tolist()[: len(owner)]
    mask = layout.mask(window)
    longest = layout.longest
    if mask is None:
        mask = torch.ones(1, 1, longest, longest, dtype=torch.bool).tril()
    mask = mask.expand(layout.trees, 1, longest, longest)
    for query, token in enumerate(owner):
        path = [(s, i) for s in path_to(segments, token[0]) for i in range(len(segments[s].ids))]
        at = path.index(token)
        expected = {other for place, other in enumerate(path[: at + 1]) if window is None or at - place < window}
        row, line = divmod(slot[query], longest)
        near = [(place, other) for place, other in zip(slot, owner, strict=True) if place // longest == row]
        assert {other for place, other in near if mask[row, 0, line, place % longest]} == expected, token


def test_padding_always_sees_something() -> None:
    """A query that may see nothing would be not-a-number, and its gradient would reach everyone."""
    for window in (None, 2):
        mask = layout_of(grove()).mask(window)
        assert mask is not None and mask.any(-1).all()


def test_masks_are_made_once_a_batch() -> None:
    layout = layout_of(grove())
    assert layout.mask(5) is layout.mask(5)
    assert layout.mask(10_000) is layout.mask(None)


def test_equal_roots_cost_no_copy_and_no_mask() -> None:
    layout = layout_of(roots(8, 8, 8))
    assert layout.gather_RL is None and layout.scatter_T is None and layout.mask(None) is None


FOREIGN = {
    "position_bias": ({"position_bias": torch.zeros(1)}, "position_bias"),
    "sinks": ({"s_aux": torch.zeros(4)}, "s_aux"),
    "looks ahead": ({"is_causal": False}, "looks ahead"),
    "own mask": ({"attention_mask": torch.ones(1, 1, 8, 8, dtype=torch.bool)}, "changes its mask"),
}


@pytest.mark.parametrize(("given", "says"), FOREIGN.values(), ids=FOREIGN)
def test_what_the_forest_does_not_carry_is_refused(given: dict[str, Any], says: str) -> None:
    query = torch.randn(1, 4, 8, 8)
    call: dict[str, Any] = {"attention_mask": None} | given
    with forest(layout_of(roots(4, 4))), pytest.raises(ModelError, match=says):
        attention._forest_attention(SimpleNamespace(), query, query, query, **call)  # type: ignore[arg-type]


def test_cross_attention_is_refused() -> None:
    query, key = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 5, 8)
    with forest(layout_of(roots(4, 4))), pytest.raises(ModelError, match="line of tokens to itself"):
        attention._forest_attention(SimpleNamespace(), query, key, key, None)  # type: ignore[arg-type]


def test_a_forest_ends_with_its_block_even_after_an_error() -> None:
    model = tiny("Llama")
    install_forest(model)
    batch = roots(5, 9)
    broken = roots(5, 9)
    broken.ids_T[0] = 10_000
    with torch.no_grad():
        before = model(input_ids=batch.ids_T[None]).logits
        with pytest.raises(IndexError):
            Policy(model).logprobs(broken)
        assert torch.equal(model(input_ids=batch.ids_T[None]).logits, before)


def test_dropout_in_attention_drops() -> None:
    """Training with attention dropout must not be evaluation in disguise, with and without a softcap."""
    for name in ("Llama", "Gemma2"):
        model = tiny(name, attention_dropout=0.5)
        install_forest(model)
        policy, batch = Policy(model), grove()
        with torch.no_grad():
            assert torch.equal(policy.logprobs(batch), policy.logprobs(batch))
            model.train()
            assert not torch.equal(policy.logprobs(batch), policy.logprobs(batch))
