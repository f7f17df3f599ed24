"""Does batched decoding with a cache read a model as its own forward pass does? Tried once a model, on random tokens.

Finds architectures that keep no such cache, or that left padding shifts, before they write a wrong answer.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor

from whet.errors import ModelError
from whet.generate.decoder import Decoder, Sampling
from whet.model.fit import TOLERANCE

LENGTHS = (4, 9)
"""Of the trial's prompts: unequal, so that one of them is padded."""
STEPS = 4
_proved: WeakSet[Any] = WeakSet()


def prove_decoding(model: Any) -> None:
    """Raise ModelError when prefill and continuation give other logits than the whole text read at once."""
    if model in _proved:
        return
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(vocabulary, (length + STEPS,), generator=generator).tolist() for length in LENGTHS]
    try:
        distance = _distance(model, texts)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise _cannot(model, str(error)) from error
    if not distance <= TOLERANCE[next(model.parameters()).dtype]:
        raise _cannot(model, f"logits differ by {distance:.2%} from those of the text read at once")
    _proved.add(model)


@torch.no_grad()
def _distance(model: Any, texts: list[list[int]]) -> float:
    """Relative difference of logits: the median over steps of the worse row (rounding may flip an expert in one)."""
    prompts = [text[:-STEPS] for text in texts]
    decoder = Decoder(model, prompts, frozenset(), Sampling(max_new_tokens=STEPS), None, range(len(texts)))
    steps: list[Tensor] = []
    for step in range(STEPS):
        steps.append(decoder.next_logits().float())
        for ids, text in zip(decoder.ids, texts, strict=True):
            ids.append(text[step - STEPS])
    worst: list[Tensor] = []
    for row, text in enumerate(texts):
        ids_1L = torch.tensor([text], device=decoder.device)
        own_SV = model(input_ids=ids_1L, use_cache=False).logits[0, -STEPS - 1 : -1].float()
        ours_SV = torch.stack([logits_BV[row] for logits_BV in steps])
        worst.append(((ours_SV - own_SV).norm(dim=-1) / own_SV.norm(dim=-1)).median())
    return float(torch.stack(worst).max())


def _cannot(model: Any, why: str) -> ModelError:
    return ModelError(f"{type(model).__name__} cannot write answers in a batch with a cache: {why}", where="base")
