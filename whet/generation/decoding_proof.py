"""Is a model read for writing as its own forward pass reads it? Tried once a model, on random tokens, never assumed.

`prove_decoding`: batches through transformers with a cache; finds architectures that keep no such cache, or that left
padding shifts. `fast_reader`: the decoder in few operations (decoder_layers.py), which is not used where it differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor

from whet.errors import ModelError
from whet.generation.answers_in_progress import AnswersInProgress
from whet.generation.decoder import Decoder
from whet.generation.decoder_layers import CachedDecoder, read_model
from whet.generation.prefill import SHARED, Prompt
from whet.generation.sampling import Sampling, TokenSampler
from whet.model.architecture_proof import TOLERANCE
from whet.model.fused.install import FusedLayer
from whet.model.lora import is_lora

LENGTHS = (4, 9)
"""Of the trial's prompts: unequal, so that one of them is padded."""
STEPS = 4
Reading = tuple[Any, ...]
"""What a proof holds for: dtype, copied weights or not, and which layers have an adapter that is on."""
_proved: WeakSet[Any] = WeakSet()
_refusals: WeakKeyDictionary[Any, dict[Reading, str | None]] = WeakKeyDictionary()


def prove_decoding(model: Any) -> None:
    """Raise ModelError when prefill and continuation give other logits than the whole text read at once."""
    if model in _proved:
        return
    texts = _texts(model, LENGTHS)

    try:
        own, ours = _own_logits(model, texts), _decoded(model, texts)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise _cannot(model, str(error)) from error

    distance = _distance(ours, own)
    if not distance <= TOLERANCE[next(model.parameters()).dtype]:
        raise _cannot(model, f"logits differ by {distance:.2%} from those of the text read at once")
    _proved.add(model)


def fast_reader(model: Any, copies: bool) -> CachedDecoder | None:
    """The model's own reader, proved; None where there is none. `copies` lets it lay the weights out anew.

    A reader that was expected to work and does not is warned of, once a model.
    """
    layers = read_model(model)
    if isinstance(layers, str):
        return None

    reader = CachedDecoder(model, layers, copies)
    known = _refusals.setdefault(model, {})

    reading = (next(model.parameters()).dtype, copies, *_adapted(layers))
    if reading not in known:
        known[reading] = _refusal(model, reader, any(_adapted(layers)))
        if known[reading]:
            warnings.warn(f"{type(model).__name__} is written with the slower reader: {known[reading]}", stacklevel=3)

    return None if known[reading] else reader


def has_adapter(model: Any) -> bool:
    """Is there an adapter, and is it switched on?"""
    return any(is_lora(module) and not module.disable_adapters for module in model.modules())


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """Within this block the model answers as its base."""
    switched = [module for module in model.modules() if is_lora(module) and not module.disable_adapters]
    needing = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}

    for module in switched:
        module.enable_adapters(False)

    try:
        yield
    finally:
        for module in switched:
            module.enable_adapters(True)
        for parameter in model.parameters():  # PEFT's switch freezes and thaws on its own
            parameter.requires_grad_(id(parameter) in needing)


def _refusal(model: Any, reader: CachedDecoder, adapted: bool) -> str | None:
    """Two texts that begin alike and two others; with an adapter, half of them as the base reads them."""
    texts = _texts(model, (*LENGTHS, SHARED + 5, SHARED + 8))
    texts[3][: SHARED + 2] = texts[2][: SHARED + 2]
    texts += [texts[2]]
    on = [True, not adapted, True, True, not adapted]

    try:
        own = _own_logits(model, texts)
        if adapted:
            with adapters_off(model):
                base = _own_logits(model, texts)
            own = [mine if flag else plain for mine, plain, flag in zip(own, base, on, strict=True)]
        distance = _distance(_read(reader, texts, on), own)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        return str(error)

    if distance <= TOLERANCE[next(model.parameters()).dtype]:
        return None
    return f"its logits differ by {distance:.2%} from those of the text read at once"


def _texts(model: Any, lengths: Sequence[int]) -> list[list[int]]:
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(vocabulary, (length + STEPS,), generator=generator).tolist() for length in lengths]


@torch.no_grad()
def _own_logits(model: Any, texts: list[list[int]]) -> list[Tensor]:
    """Of each text read at once: logits (STEPS, V) of its last tokens."""
    device = next(model.parameters()).device
    return [
        model(input_ids=torch.tensor([text], device=device), use_cache=False).logits[0, -STEPS - 1 : -1].float()
        for text in texts
    ]


def _decoded(model: Any, texts: list[list[int]]) -> list[Tensor]:
    sampling = Sampling(max_new_tokens=STEPS)
    record = AnswersInProgress(None, [text[:-STEPS] for text in texts], frozenset(), sampling, None)
    decoder = Decoder(model, record, TokenSampler(sampling, range(len(texts))), range(len(texts)))

    steps: list[Tensor] = []
    for step in range(STEPS):
        steps.append(decoder.next_logits().float())
        for answer, text in enumerate(texts):
            record.add(answer, text[step - STEPS], 0.0)

    return list(torch.stack(steps, 1))


def _read(reader: CachedDecoder, texts: list[list[int]], on: list[bool]) -> list[Tensor]:
    cache = reader.cache(len(texts), max(map(len, texts)))
    prompts = [Prompt(text[:-STEPS], int(flag)) for text, flag in zip(texts, on, strict=True)]
    steps = [reader.prefill(prompts, cache).float()]
    for step in range(STEPS - 1):
        steps.append(reader.step([text[step - STEPS] for text in texts], on, cache).float())
    return list(torch.stack(steps, 1))


def _distance(ours: list[Tensor], own: list[Tensor]) -> float:
    """Relative difference of logits: the median over steps of the worse row (rounding may flip an expert in one)."""
    pairs = zip(ours, own, strict=True)
    worst = [((mine - theirs).norm(dim=-1) / theirs.norm(dim=-1)).median() for mine, theirs in pairs]
    return float(torch.stack(worst).max())


def _adapted(layers: Sequence[FusedLayer]) -> list[bool]:
    return [
        product.adapted
        for layer in layers
        for product in (*layer.attention.reads, layer.attention.output, layer.mlp.gate, layer.mlp.up, layer.mlp.down)
    ]


def _cannot(model: Any, why: str) -> ModelError:
    return ModelError(f"{type(model).__name__} cannot write answers in a batch with a cache: {why}", where="base")
