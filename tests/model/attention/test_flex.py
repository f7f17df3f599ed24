"""FlexAttention over the flat axis gives what SDPA gives over padded trees. Forwards only: it has no backward pass on a
processor, and the self-check proves the rest on the GPU of a run."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import roots, segments_of, tiny
from whet.data.batches.forest import build_batch, path_to
from whet.errors import ModelError
from whet.model.architecture_proof import install_forest
from whet.model.attention import flex
from whet.model.attention.forest import layout_of
from whet.model.policy import Policy
from whet.training import self_check as selfcheck
from whet.training.self_check import self_check

DEEP = ((4, None), (2, 0), (3, 0), (2, 2), (5, None), (3, 1), (4, 4), (2, 2))
"""Interleaved: a grandchild stands behind another tree."""


@pytest.mark.parametrize("window", [None, 1, 3, 100])
def test_each_token_sees_its_own_path_and_nothing_else(window: int | None) -> None:
    """Against a definition by brute force, every pair of tokens."""
    segments = segments_of(*DEEP)
    batch = build_batch(segments)
    tokens = len(batch.ids_T)
    visible: Any = flex.block_mask(batch, 128, window).mask_mod
    owner = [(s, i) for s, segment in enumerate(segments) for i in range(len(segment.ids))]
    order = torch.arange(128)
    seen = visible(None, None, order[:, None], order[None])
    for query, token in enumerate(owner):
        path = [(s, i) for s in path_to(segments, token[0]) for i in range(len(segments[s].ids))]
        at = path.index(token)
        expected = {other for place, other in enumerate(path[: at + 1]) if window is None or at - place < window}
        assert {owner[key] for key in range(tokens) if seen[query, key]} == expected, token
    assert not seen[:tokens, tokens:].any() and not seen[tokens:, :tokens].any()
    assert seen.diagonal().all(), "who sees nothing would be not-a-number"


@pytest.mark.parametrize("window", [None, 260])
def test_blocks_of_a_long_batch_are_those_of_all_pairs_and_never_all_pairs_at_once(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that are seen as a whole, in part, and not at all."""
    batch = build_batch(segments_of((300, None), (150, 0), (90, 0), (40, None), (200, 1)))
    tokens, largest, own = 896, [0], flex._blocks

    def watched(visible: Any, *rest: Any) -> Any:
        def counted(*places: torch.Tensor) -> torch.Tensor:
            seen = visible(*places)
            largest.append(seen.numel())
            return seen

        return own(counted, *rest)

    monkeypatch.setattr(flex, "PAIRS", 2 * 128 * tokens)
    monkeypatch.setattr(flex, "_blocks", watched)
    mask = flex.block_mask(batch, tokens, window)
    assert max(largest) <= flex.PAIRS < tokens**2 and len(largest) > 3
    order = torch.arange(tokens)
    visible: Any = mask.mask_mod
    seen = visible(None, None, order[:, None], order[None]).view(7, 128, 7, 128)
    some, whole = seen.any(3).any(1), seen.all(3).all(1)
    found: Any = mask
    for number, indices, wanted in (
        (found.kv_num_blocks, found.kv_indices, some & ~whole),
        (found.full_kv_num_blocks, found.full_kv_indices, whole),
    ):
        listed = [sorted(row[:count].tolist()) for row, count in zip(indices[0, 0], number[0, 0], strict=True)]
        assert listed == [row.nonzero().flatten().tolist() for row in wanted]
        assert wanted.any()
    assert not some.all()


@pytest.mark.parametrize("name", ["Llama", "Mistral", "Gemma2", "Gemma3", "Qwen3", "GPTNeoX"])
def test_hidden_states_are_those_of_the_forest(name: str) -> None:
    """Windows, soft caps, grouped heads. Rounding: 1e-5."""
    model = tiny(name)
    install_forest(model)
    batch = build_batch(segments_of(*DEEP))
    with torch.no_grad():
        forest, flat = Policy(model).hidden(batch), Policy(model, flat=True).hidden(batch)
    torch.testing.assert_close(flat, forest, rtol=1e-5, atol=1e-5)


def test_the_mask_is_made_once_a_batch() -> None:
    layout = layout_of(roots(5, 9), flat=True)
    assert layout.mask(7) is layout.mask(7)
    assert layout.mask(10_000) is layout.mask(None)
    assert layout.added == 128 - 14


def test_dropout_of_attention_is_refused() -> None:
    model = tiny("Llama", attention_dropout=0.5)
    install_forest(model)
    with pytest.raises(ModelError, match="drops attention weights"), torch.no_grad():
        Policy(model.train(), flat=True).hidden(roots(5, 9))


def test_a_device_on_which_it_fails_takes_the_next_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor is such a device: there is no backward pass."""
    monkeypatch.setattr(selfcheck, "flex_runs_on", lambda device: True)
    model = tiny("Llama")
    install_forest(model)
    policy = Policy(model)
    check = self_check(policy, roots(5, 9), "auto")
    assert check.path == "forest" and not policy.flat
    assert "FlexAttention does not run here" in check.reason and not check.passed


@pytest.mark.parametrize("slower", ["flex", "forest"])
def test_the_faster_of_two_right_paths_is_taken(monkeypatch: pytest.MonkeyPatch, slower: str) -> None:
    """The flat pass is played by the forest's, which can go backwards here; what is tested is the choice."""
    model = tiny("Llama")
    install_forest(model)
    policy = Policy(model)
    monkeypatch.setattr(selfcheck, "flex_runs_on", lambda device: True)
    monkeypatch.setattr(Policy, "_forest_hidden", lambda self, batch: _packed(self, batch))
    monkeypatch.setattr(selfcheck, "_seconds", lambda policy, reading, batch: 1.0 + (policy.flat == (slower == "flex")))
    check = self_check(policy, roots(5, 9), "auto")
    assert check.path == ("forest" if slower == "flex" else "flex")
    assert policy.flat == (check.path == "flex") and "s by flex" in check.reason


def _packed(policy: Policy, batch: Any) -> torch.Tensor:
    flat, policy.flat = policy.flat, False
    try:
        return PACKED(policy, batch)
    finally:
        policy.flat = flat


PACKED = Policy._forest_hidden
