"""A model with a head as a folder that plain transformers loads, and back: `AutoModelForSequenceClassification`.

The adapter is merged, because a sequence classifier and its labels are one model to the programs that read them. The
folder's whet.json carries the scores that the trained model gave a few golden rows, and opening it proves them again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from whet.building import building
from whet.data.batches.loader import in_order
from whet.errors import ModelError, ProofError, RunFolderError
from whet.model.adapter import HEAD, causal_lm, merge_adapter
from whet.model.architecture_proof import install_paths, unfuse
from whet.model.base import UNREADABLE, saved_tokenizer, straight_to
from whet.model.heads.linear import Scorer
from whet.model.policy import Policy, evaluating
from whet.model.precision import device
from whet.store.atomic import sha256_file
from whet.store.reading import read_json_file
from whet.types import Batch, Segment

READ_TOKENS = 4096
"""Tokens in one forward pass."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
"""Largest difference of a score, in units of the largest golden score and at least of 1, that rounding explains: a
merged weight is rounded once more than an adapter beside its base."""
PAD = "<|pad|>"


def refuse_without_class(model: Any, name: str) -> None:
    """Raise ModelError, before anything is trained, for an architecture without a sequence classifier to save as."""
    inner = causal_lm(model)
    try:
        with torch.device("meta"):
            built = _empty(copy.deepcopy(inner.config))
        shape = tuple(getattr(built, HEAD).weight.shape)
        known = shape == (built.config.num_labels, inner.config.get_text_config().hidden_size)
        known = known and getattr(built, HEAD).bias is None and type(built.base_model) is type(inner.base_model)
    except (AttributeError, ValueError, TypeError, RuntimeError):
        known = False

    if not known:
        raise ModelError(
            f"transformers has no sequence classifier with a plain head for {inner.config.model_type}",
            where="base",
            value=name,
            fix="use another base, such as one of the Llama, Mistral, Qwen or Gemma families",
        )


def save_classifier(
    scorer: Scorer, tokenizer: Any, stop_ids: frozenset[int], folder: Path, config: dict[str, Any]
) -> None:
    """Write trunk and head as a sequence classifier; `config` goes into its config.json. The adapter is merged into the
    model in memory, which is of no more use after that."""
    unfuse(scorer.policy.model)
    head = scorer.head
    inner = merge_adapter(scorer.policy.model)
    settings = copy.deepcopy(inner.config)
    settings.update({"num_labels": head.out_features, **config})
    pad = settle_pad(tokenizer, stop_ids)

    with torch.device("meta"):
        built = _empty(settings)
    setattr(built, built.base_model_prefix, inner.base_model)
    setattr(built, HEAD, head)

    if pad >= built.get_input_embeddings().weight.shape[0]:
        built.resize_token_embeddings(pad + 1, mean_resizing=False)
    built.config.get_text_config().pad_token_id = pad
    built.save_pretrained(folder, safe_serialization=True)


def _empty(config: Any) -> Any:
    from transformers import AutoModelForSequenceClassification

    with building():
        return AutoModelForSequenceClassification.from_config(config)


def settle_pad(tokenizer: Any, stop_ids: frozenset[int]) -> int:
    """The id of a padding token that never ends a text; the tokenizer gets one where it has none, or has a stop token.

    transformers scores the last token that is not padding: with the stop token for padding (as many bases have it)
    every answer would be scored one token too early.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id in stop_ids:
        tokenizer.add_special_tokens({"pad_token": PAD})
    pad: Any = tokenizer.pad_token_id
    return int(pad)


def score_rows(scorer: Scorer, rows: Sequence[Sequence[int]]) -> Tensor:
    """Scores of token rows at their last token, shape (R, K), in the order of the rows, on the CPU."""
    return _read_rows(scorer, rows, scorer.scores, scorer.head.out_features)


def hidden_rows(scorer: Scorer, rows: Sequence[Sequence[int]]) -> Tensor:
    """What the head reads of token rows at their last token, shape (R, D), in float32, on the CPU."""
    return _read_rows(scorer, rows, scorer.hidden, scorer.head.in_features)


@torch.no_grad()
def _read_rows(scorer: Scorer, rows: Sequence[Sequence[int]], read: Callable[[Batch], Tensor], width: int) -> Tensor:
    segments = [Segment(list(ids), [0.0] * len(ids), number) for number, ids in enumerate(rows)]
    read_RW = torch.zeros(len(rows), width)
    with evaluating(scorer.policy.model):
        for batch in in_order(segments, READ_TOKENS):
            read_RW[torch.tensor(batch.rows)] = read(batch).float().cpu()
    return read_RW


def open_scorer(folder: Path, use_kernels: bool = True) -> tuple[Scorer, Any, dict[str, Any]]:
    """(scorer, tokenizer, whet.json) of a model folder that a run with a head left, on this machine's device.

    Raises RunFolderError for a folder that is none, or was damaged; ModelError for what transformers cannot load;
    ProofError where it does not score as it did when it was trained.
    """
    facts = _facts(folder)
    scorer = Scorer(Policy(_load(folder, getattr(torch, facts["dtype"]))))

    scorer.policy.use_forest = install_paths(scorer.policy.model, use_kernels)
    _prove_scores(scorer, facts["head"], folder)
    return scorer, saved_tokenizer(folder), facts


def _facts(folder: Path) -> dict[str, Any]:
    if not (folder / "whet.json").is_file():
        raise RunFolderError("there is no trained model here: whet.json is missing", where=str(folder))
    facts = read_json_file(folder / "whet.json", "dtype", "method")
    if "head" not in facts:
        fix = "give the model/ folder of a run with method: reward or classify"
        raise RunFolderError("this model has no head: it writes words", where=str(folder), fix=fix)

    for name, digest in facts.get("weights_sha256", {}).items():
        if not (folder / name).is_file() or sha256_file(folder / name) != digest:
            raise RunFolderError("this file of weights is missing or damaged", where=str(folder / name))

    return facts


def _load(folder: Path, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForSequenceClassification

    try:
        with building():
            loaded: Any = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **straight_to(device())
            )
    except UNREADABLE as error:
        raise ModelError(f"it cannot be loaded: {error}", where=str(folder)) from error

    model, report = loaded
    if report["missing_keys"]:
        raise ModelError(f"the tensor {sorted(report['missing_keys'])[0]} is missing", where=str(folder))
    return model.eval()


def _prove_scores(scorer: Scorer, head: dict[str, Any], folder: Path) -> None:
    golden = torch.tensor(head["golden_scores"])
    now = score_rows(scorer, head["golden_rows"])
    distance = float((now - golden).abs().max() / golden.abs().max().clamp_min(1.0))

    allowed = TOLERANCE[next(scorer.policy.model.parameters()).dtype]
    if not distance <= allowed:
        raise ProofError(
            f"the saved model does not score as the trained one did: {distance:.1e} apart, allowed {allowed:g}",
            where=str(folder),
            fix="train again with dtype: float32, or restore the folder",
        )


@dataclass(slots=True)
class RewardModel:
    """A trained reward model: higher is better. It reads whole rows of token ids, prompt and answer with its stop
    token, as its own tokenizer and chat template write them."""

    scorer: Scorer
    tokenizer: Any

    @torch.no_grad()
    def scores(self, rows: Sequence[Sequence[int]] | Batch) -> Tensor:
        """One reward a row at its last token, shape (R,); of a batch, one a leaf, in the order of `leaves_of`."""
        if isinstance(rows, Batch):
            with evaluating(self.scorer.policy.model):
                return self.scorer.scores(rows)[:, 0]
        return score_rows(self.scorer, rows)[:, 0]

    @torch.no_grad()
    def values(self, batch: Batch) -> Tensor:
        """The reward expected before each supervised token, shape (N,)."""
        with evaluating(self.scorer.policy.model):
            return self.scorer.values(batch)[:, 0]


def open_reward_model(folder: Path | str) -> RewardModel:
    """The reward model in `folder` (a run's model/). Raises RunFolderError where it holds none, and as open_scorer."""
    scorer, tokenizer, facts = open_scorer(Path(folder))
    if facts["method"] != "reward":
        fix = "give the model/ folder of a run with method: reward"
        raise RunFolderError("this is no reward model", where=str(folder), value=facts["method"], fix=fix)
    return RewardModel(scorer, tokenizer)
