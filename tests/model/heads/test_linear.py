"""A head reads the end of each answer, on every path alike, and a model with one is saved as transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.tiny_models import CONFIGS, grove, segments_of, tiny, tiny_tokenizer
from whet.data.batches.forest import build_batch
from whet.errors import ModelError, ProofError, RunFolderError
from whet.model.adapter import add_adapter, causal_lm, perturbed
from whet.model.architecture_proof import forest_refusal, fuse, install_forest
from whet.model.heads import sequence_classifier as classifier
from whet.model.heads.linear import Scorer, add_head, freeze_output_layer, last_tokens, leaves_of, reference_scores
from whet.model.heads.sequence_classifier import (
    open_reward_model,
    open_scorer,
    refuse_without_class,
    save_classifier,
    score_rows,
)
from whet.model.policy import Policy
from whet.recipe.schema import Full, Lora
from whet.store.atomic import write_json
from whet.types import Batch


def scorer_of(name: str, adapter: Lora | Full, outputs: int = 3) -> Scorer:
    model = tiny(name)
    install_forest(model)
    model = add_adapter(model, adapter, seed=0)
    head = add_head(model, outputs)
    with torch.no_grad():
        head.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(3))
        for parameter in (p for key, p in model.named_parameters() if "lora_B" in key):
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(4))
    return Scorer(Policy(model))


def pairs() -> Batch:
    """Two prompts with two answers each; the last answer goes on after its last supervised token."""
    segments = segments_of((5, None), (3, 0), (6, 0), (4, None), (1, 3), (4, 3))
    for root in (0, 3):
        segments[root].weights = [0.0] * len(segments[root].ids)
    segments[5].weights = [1.0, 1.0, 0.0, 0.0]
    return build_batch(segments)


def test_a_leaf_ends_at_its_last_supervised_token() -> None:
    batch = pairs()
    assert leaves_of(batch) == [1, 2, 4, 5]
    assert last_tokens(batch).tolist() == [7, 13, 18, 20]


def test_an_answer_of_one_token_ends_at_it_though_its_prompt_lies_elsewhere() -> None:
    segments = segments_of((4, None), (3, 0), (1, 0))
    assert last_tokens(build_batch(segments)).tolist() == [6, 7]


def test_a_text_without_supervised_tokens_ends_at_its_last_one() -> None:
    segments = segments_of((5, None), (1, None))
    for segment in segments:
        segment.weights = [0.0] * len(segment.ids)
    assert last_tokens(build_batch(segments)).tolist() == [4, 5]


@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_path_gives_the_scores_and_gradients_of_padded_rows(name: str, adapter: Lora | Full) -> None:
    scorer = scorer_of(name, adapter)
    model = scorer.policy.model
    scorer.policy.use_forest = forest_refusal(causal_lm(model)) is None
    weight = torch.randn(9, 3, generator=torch.Generator().manual_seed(5))

    def read(scores: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        (scores * weight[: len(scores)]).sum().backward()
        grads = {key: p.grad.clone() for key, p in scorer.policy.trainable().items() if p.grad is not None}
        model.zero_grad(set_to_none=True)
        return scores.detach(), grads

    for batch in (pairs(), grove()):
        expected, expected_grads = read(reference_scores(causal_lm(model), batch))
        assert expected.shape == (len(leaves_of(batch)), 3) and expected.abs().min() > 1e-4
        for path in ("plain", "forest", "fused"):
            policy = scorer.policy
            policy.use_forest = path != "plain" and forest_refusal(causal_lm(model)) is None
            if path == "fused" and fuse(model) is not None:
                continue
            found, grads = read(scorer.scores(batch))
            torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4, msg=path)
            assert grads.keys() == expected_grads.keys() and any(key.endswith("score.weight") for key in grads)
            for key, grad in grads.items():
                torch.testing.assert_close(grad, expected_grads[key], rtol=5e-3, atol=5e-3, msg=f"{path}: {key}")


def test_a_value_is_the_head_before_each_token_of_the_answer() -> None:
    scorer, batch = scorer_of("Llama", Full(), outputs=1), pairs()
    with torch.no_grad():
        values = scorer.values(batch)
        assert values.shape == (len(batch.target_N), 1)
        rows = [batch.ids_T[: batch.starts[1]].tolist(), batch.ids_T[: batch.starts[1] + 1].tolist()]
        torch.testing.assert_close(values[:2, 0], score_rows(scorer, rows)[:, 0], rtol=1e-4, atol=1e-5)


def test_a_fresh_head_gives_zero_and_learns_at_once() -> None:
    model = add_adapter(tiny("Qwen2"), Lora(rank=4, alpha=8.0), seed=0)
    add_head(model, 1)
    scorer = Scorer(Policy(model, use_forest=False))
    scores = scorer.scores(pairs())
    assert torch.equal(scores, torch.zeros(4, 1))
    scores.sum().backward()
    assert scorer.head.weight.grad is not None and float(scorer.head.weight.grad.norm()) > 0
    with perturbed(model):
        assert float(scorer.head.weight.norm()) > 0
    assert float(scorer.head.weight.norm()) == 0


def test_the_words_of_a_model_with_a_head_are_not_trained() -> None:
    for name, tied in (("Qwen2", False), ("Llama", True)):
        model = add_adapter(tiny(name), Full(), seed=0)
        add_head(model, 1)
        assert tied or "lm_head.weight" in Policy(model).trainable()
        freeze_output_layer(model)
        trained = Policy(model).trainable()
        assert "lm_head.weight" not in trained and "score.weight" in trained
        assert "model.embed_tokens.weight" in trained


def save(scorer: Scorer, folder: Path, tokenizer: Any, method: str = "reward") -> tuple[torch.Tensor, list[list[int]]]:
    rows = [[5, 9, 11, 2], [7, 3, 3, 8, 12, 2], [4]]
    golden = score_rows(scorer, rows)
    save_classifier(scorer, tokenizer, frozenset({2}), folder, {"problem_type": "regression"})
    tokenizer.save_pretrained(folder)
    head = {"golden_rows": rows, "golden_scores": golden.tolist()}
    write_json(folder / "whet.json", {"dtype": "float32", "method": method, "head": head})
    return golden, rows


@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
@pytest.mark.parametrize("name", ["Llama", "Qwen3", "Gemma2", "GPT2", "Mixtral"])
def test_plain_transformers_gives_the_same_scores_on_padded_rows(
    name: str, adapter: Lora | Full, tmp_path: Path
) -> None:
    tokenizer = tiny_tokenizer()
    golden, rows = save(scorer_of(name, adapter), tmp_path, tokenizer)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    pad = model.config.pad_token_id
    assert pad == tokenizer.pad_token_id and pad != 2
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(found, golden, rtol=1e-4, atol=1e-4)


def test_a_stop_token_for_padding_is_replaced(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    save(scorer_of("Llama", Full()), tmp_path, tokenizer)
    assert tokenizer.pad_token == classifier.PAD and tokenizer.pad_token_id != tokenizer.eos_token_id


def test_a_reward_model_is_opened_and_reads_rows_and_batches(tmp_path: Path) -> None:
    golden, rows = save(scorer_of("Llama", Lora(rank=4, alpha=8.0), outputs=1), tmp_path, tiny_tokenizer())
    reward = open_reward_model(tmp_path)
    torch.testing.assert_close(reward.scores(rows), golden[:, 0], rtol=1e-4, atol=1e-4)
    batch = pairs()
    assert reward.scores(batch).shape == (4,) and reward.values(batch).shape == batch.weight_N.shape
    ends = [[*range(8)], [*range(5), *range(8, 14)], [*range(14, 19)], [*range(14, 18), 19, 20]]
    torch.testing.assert_close(
        reward.scores(batch), reward.scores([batch.ids_T[row].tolist() for row in ends]), rtol=1e-4, atol=1e-4
    )


def test_a_folder_that_scores_otherwise_than_it_was_trained_to_is_refused(tmp_path: Path) -> None:
    golden, rows = save(scorer_of("Llama", Full(), outputs=1), tmp_path, tiny_tokenizer())
    facts = {"dtype": "float32", "method": "reward"}
    write_json(tmp_path / "whet.json", facts | {"head": {"golden_rows": rows, "golden_scores": (golden + 1).tolist()}})
    with pytest.raises(ProofError, match="does not score"):
        open_scorer(tmp_path)
    write_json(tmp_path / "whet.json", facts | {"method": "sft"})
    with pytest.raises(RunFolderError, match="no head"):
        open_reward_model(tmp_path)


def test_a_classifier_is_no_reward_model(tmp_path: Path) -> None:
    save(scorer_of("Llama", Full()), tmp_path, tiny_tokenizer(), method="classify")
    with pytest.raises(RunFolderError, match="no reward model"):
        open_reward_model(tmp_path)


def test_an_architecture_without_a_sequence_classifier_is_refused_before_the_training() -> None:
    model = tiny("Llama")
    refuse_without_class(model, "tiny")
    with pytest.raises(ModelError, match="no sequence classifier"):
        refuse_without_class(tiny("Cohere"), "tiny")
