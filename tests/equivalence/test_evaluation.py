"""What an evaluation says does not depend on how its rows were batched."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import segments_of, tiny
from whet.evaluation import models as sides
from whet.evaluation.models import base_and_tuned, kl_by_prompt, text_nll
from whet.model.adapter import add_adapter, causal_lm
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.recipe.schema import Lora

SHAPE = ((5, None), (19, None), (3, None), (9, None), (2, None), (26, None))
READ = (1, 20, 40, 4096)


@pytest.fixture(scope="module", params=["Llama", "Gemma3", "GPT2"])
def model(request: pytest.FixtureRequest) -> Any:
    inner = tiny(request.param)
    install_forest(inner)
    model = add_adapter(inner, Lora(rank=4, alpha=8.0), seed=0)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return model.eval()


@pytest.mark.parametrize("use_forest", [True, False], ids=["forest", "plain"])
def test_likelihoods_do_not_depend_on_the_batch(model: Any, use_forest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = segments_of(*SHAPE)
    results = []
    for tokens in READ:
        monkeypatch.setattr(sides, "READ_TOKENS", tokens)
        results.append([side.segments_nll(segments) for side in base_and_tuned(model, use_forest)])
    for base, tuned in results:
        assert set(base) == set(range(len(SHAPE))) == set(tuned)
        for row, (loss, weight) in base.items():
            assert loss == pytest.approx(results[0][0][row][0], rel=1e-5)
            assert weight == pytest.approx(sum(segments[row].weights), rel=1e-6)
            assert tuned[row][0] == pytest.approx(results[0][1][row][0], rel=1e-5)
            assert tuned[row][0] != pytest.approx(loss, rel=1e-3), "the adapter must matter"


def test_kl_does_not_depend_on_the_batch_and_is_torchs(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [segment.ids for segment in segments_of(*SHAPE)]
    base, tuned = base_and_tuned(model, True)
    found = []
    for tokens in READ:
        monkeypatch.setattr(sides, "READ_TOKENS", tokens)
        found.append(kl_by_prompt(base, tuned, prompts))
    for each in found:
        assert [pair[0] for pair in each] == pytest.approx([pair[0] for pair in found[0]], rel=1e-4)
        assert [pair[1] for pair in each] == [len(ids) - 1 for ids in prompts if len(ids) > 1]
    expected = []
    with torch.no_grad():
        for ids in (ids for ids in prompts if len(ids) > 1):
            tuned_S = causal_lm(model)(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            with model.disable_adapter():
                base_S = causal_lm(model)(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            expected.append(torch.nn.functional.kl_div(tuned_S, base_S, reduction="sum", log_target=True).item())
    assert [nats for nats, _ in found[0]] == pytest.approx(expected, rel=1e-4)


def test_a_text_longer_than_the_context_is_read_to_its_end(model: Any) -> None:
    """Windows overlap by one token, so that every token but the first is predicted exactly once."""
    base, _ = base_and_tuned(model, True)
    texts = ["3 4 5 6 7 8 9 10 11 12 13 14 15", "7", "", "9 8"]

    def encode(text: str) -> list[int]:
        return [int(word) for word in text.split()]

    counts = [tokens for _, tokens in text_nll(base, texts, encode, context=5)]
    assert counts == [12, 0, 0, 1]
    whole = text_nll(base, texts, encode, context=64)
    assert [tokens for _, tokens in whole] == counts
    windows = [encode(texts[0])[start : start + 5] for start in range(0, 12, 4)]
    by_hand = sum(text_nll(base, [" ".join(map(str, ids))], encode, 64)[0][0] for ids in windows)
    assert text_nll(base, texts, encode, context=5)[0][0] == pytest.approx(by_hand, rel=1e-5)
