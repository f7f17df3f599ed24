"""packed = padded and a tree = separate rows, for each architecture: loss and every gradient.

The reference is the architecture's own eager attention with full logits, one right-padded row a path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.tiny_models import CONFIGS, grove, loss_and_gradients, roots, segments_of, tiny
from whet.data.batches.forest import build_batch, path_to
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import forest_refusal, install_forest
from whet.model.attention.forest import FOREST
from whet.model.policy import Policy, reference_logprobs
from whet.recipe.schema import Full, Lora
from whet.types import Batch, Segment

MLP = {"gate_proj", "up_proj", "down_proj"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
ADAPTED = {
    "Phi3": {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    "GPT2": {"c_attn", "c_proj", "c_fc"},
    "GPTNeoX": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "Mixtral": ATTENTION | {"experts", "base_layer"},
}
"""What all-linear reaches. `base_layer`: the second of the two stacked tensors of Mixtral's experts."""
BATCHES: dict[str, Callable[[], Batch]] = {
    "equal roots": lambda: roots(14, 14, 14),
    "unequal roots": lambda: roots(3, 17, 9, 2),
    "one root": lambda: roots(15),
    "trees": grove,
}


def adapted(name: str) -> Any:
    """LoRA on all linear layers, with B away from zero so that A gets a gradient."""
    model = add_adapter(tiny(name), Lora(rank=4, alpha=8.0), seed=0)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=random))
    return model.eval()


def compare(model: Any, batch: Batch) -> None:
    causal_lm(model).set_attn_implementation("eager")
    loss, gradients = loss_and_gradients(reference_logprobs(causal_lm(model), batch), batch, model)
    install_forest(causal_lm(model))
    assert causal_lm(model).config._attn_implementation == FOREST
    forest_loss, forest_gradients = loss_and_gradients(Policy(model).logprobs(batch), batch, model)
    assert forest_loss == pytest.approx(loss, rel=2e-5)
    for name, expected in gradients.items():
        distance = (forest_gradients[name] - expected).norm() / expected.norm().clamp_min(1e-6)
        assert distance < 2e-3, f"the gradient of {name} differs by {distance:.1e}"


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", CONFIGS)
def test_forest_is_padded_rows(name: str, batch: Callable[[], Batch]) -> None:
    compare(add_adapter(tiny(name), Full(), 0), batch())


@pytest.mark.parametrize("name", CONFIGS)
def test_forest_is_padded_rows_with_lora(name: str) -> None:
    model = adapted(name)
    reached = {n.split(".lora_")[0].rsplit(".", 1)[-1] for n, _ in model.named_parameters() if "lora_" in n}
    assert reached == ADAPTED.get(name, ATTENTION | MLP)
    assert all("lora_" in n for n, p in model.named_parameters() if p.requires_grad)
    compare(model, grove())


@pytest.mark.parametrize("name", ["Llama", "Gemma2", "GPT2"])
def test_outside_a_forest_the_model_is_its_own(name: str) -> None:
    """Installing the forest must not change what the model computes for anyone else."""
    model = tiny(name)
    ids = torch.randint(3, 60, (2, 13), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[0, 9:] = 0
    model.set_attn_implementation("eager")
    with torch.no_grad():
        own = model(input_ids=ids, attention_mask=mask).logits
        install_forest(model)
        after = model(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(after[mask.bool()], own[mask.bool()], rtol=1e-4, atol=1e-4)


def test_a_tree_is_its_paths_as_separate_roots() -> None:
    """Chosen and rejected share a prompt in the tree; written out as two full rows they give the same numbers."""
    shape = ((9, None), (4, 0), (7, 0), (5, 2), (3, 2))
    segments = segments_of(*shape)
    policy = Policy(tiny("Llama"))
    install_forest(policy.model)
    with torch.no_grad():
        batch = build_batch(segments)
        owners = zip(batch.segment_N.tolist(), places(batch), strict=True)
        tree = dict(zip(owners, policy.logprobs(batch), strict=True))
        for leaf in (1, 3, 4):
            path = path_to(segments, leaf)
            ids = [token for s in path for token in segments[s].ids]
            before = len(ids) - len(segments[leaf].ids)
            weights = [0.0] * before + segments[leaf].weights
            alone = policy.logprobs(build_batch([Segment(ids, weights, 0)]))
            expected = torch.stack([tree[leaf, i] for i in range(len(segments[leaf].ids))])
            torch.testing.assert_close(alone, expected, rtol=1e-5, atol=1e-5)


def places(batch: Batch) -> list[int]:
    """Offset of each supervised token in its segment."""
    counts: dict[int, int] = {}
    found = []
    for segment in batch.segment_N.tolist():
        first = 1 if batch.parents[segment] is None else 0
        found.append(counts.setdefault(segment, first))
        counts[segment] += 1
    return found


def test_a_row_is_read_the_same_whoever_its_neighbours_are() -> None:
    """No leak: changing one row of a pack leaves the others as they were, to the last bit."""
    policy = Policy(tiny("Mistral"))
    install_forest(policy.model)
    segments = segments_of((8, None), (11, None), (8, None))
    with torch.no_grad():
        first = build_batch(segments)
        one = policy.logprobs(first)
        segments[1].ids = [5] * 11
        other = policy.logprobs(build_batch(segments))
    untouched = first.segment_N != 1
    assert torch.equal(one[untouched], other[untouched])
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", ["Llama", "Gemma3", "GPT2"])
def test_the_plain_path_is_the_reference_too(name: str) -> None:
    model = add_adapter(tiny(name), Full(), 0)
    batch = grove()
    loss, gradients = loss_and_gradients(reference_logprobs(model, batch), batch, model)
    plain_loss, plain_gradients = loss_and_gradients(Policy(model, use_forest=False).logprobs(batch), batch, model)
    assert plain_loss == pytest.approx(loss, rel=1e-5)
    for parameter_name, expected in gradients.items():
        torch.testing.assert_close(plain_gradients[parameter_name], expected, rtol=1e-3, atol=1e-5)


def test_bfloat16_forest_is_as_near_to_float32_as_padded_bfloat16() -> None:
    batch = grove()
    with torch.no_grad():
        exact = reference_logprobs(tiny("Llama"), batch)
        model = tiny("Llama").to(torch.bfloat16)
        padded = reference_logprobs(model, batch)
        install_forest(model)
        packed = Policy(model).logprobs(batch)
    assert forest_refusal(model) is None
    assert float((packed - exact).norm()) < 1.5 * float((padded - exact).norm()) + 0.05
