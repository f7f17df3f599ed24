"""A model and a tokenizer of transformers, asked as their users ask them: what the consumers in this process share."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from whet.errors import ModelError
from whet.model.base import UNREADABLE
from whet.release.consumers.protocol import Served, Written
from whet.release.consumers.template_date import standing_still
from whet.types import Message


class Asked:
    """A Consumer over a loaded model. `generation` is the GenerationConfig that its files give; `clock` the date that
    its template writes."""

    def __init__(self, name: str, model: Any, tokenizer: Any, generation: Any, clock: str = "") -> None:
        self.name, self.clock = name, clock
        self.model: Any = model.eval()
        self.tokenizer, self.generation = tokenizer, generation

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int]:
        return rendered(self.tokenizer, messages, tools, answering=True, clock=self.clock)

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text)["input_ids"])

    @torch.no_grad()
    def logprobs(self, prompt_ids: list[int], answer_ids: list[int]) -> list[float]:
        ids_1L = self._tensor([*prompt_ids, *answer_ids])
        logits_LV = self.model(input_ids=ids_1L, use_cache=False).logits[0, len(prompt_ids) - 1 : -1].float()
        chosen_L1 = ids_1L[0, len(prompt_ids) :, None]
        return logits_LV.log_softmax(-1).gather(1, chosen_L1).squeeze(1).tolist()

    @torch.no_grad()
    def greedy(self, prompt_ids: list[int], limit: int) -> Written:
        ids_1L = self._tensor(prompt_ids)
        written = self.model.generate(
            input_ids=ids_1L,
            attention_mask=torch.ones_like(ids_1L),
            generation_config=self.generation,
            max_new_tokens=limit,
            do_sample=False,
            repetition_penalty=1.0,  # some bases ask for one; what is compared are the likeliest tokens
        )

        ids = written[0, len(prompt_ids) :].tolist()
        if ids and ids[-1] in ends_of(self.generation):
            return Written(ids[:-1], ids[-1])
        return Written(ids, None)

    def close(self) -> None:
        self.model = None
        gc.collect()

    def _tensor(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor([list(ids)], device=next(self.model.parameters()).device)


class AskedForScores:
    """A Scorer over a loaded sequence classifier."""

    def __init__(self, name: str, model: Any, tokenizer: Any, clock: str = "") -> None:
        self.name, self.clock = name, clock
        self.model: Any = model.eval()
        self.tokenizer = tokenizer

    def render(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> list[int]:
        return rendered(self.tokenizer, messages, tools, answering=False, clock=self.clock)

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text)["input_ids"])

    @torch.no_grad()
    def scores(self, ids: list[int]) -> list[float]:
        ids_1L = torch.tensor([ids], device=next(self.model.parameters()).device)
        return self.model(input_ids=ids_1L).logits[0].float().tolist()

    def close(self) -> None:
        self.model = None
        gc.collect()


def rendered(
    tokenizer: Any, messages: Sequence[Message], tools: list[dict[str, Any]] | None, answering: bool, clock: str
) -> list[int]:
    """By the chat template that came with the model, as of the day of `clock`."""
    with standing_still(clock):
        return list(
            tokenizer.apply_chat_template(
                list(messages), tools=tools, add_generation_prompt=answering, tokenize=True, return_dict=False
            )
        )


def ends_of(generation: Any) -> list[int]:
    """Tokens at which transformers stops writing."""
    ends = generation.eos_token_id
    if ends is None:
        return []
    if isinstance(ends, int):
        return [ends]
    return list(ends)


def computing_in(model: Any, served: Served) -> Any:
    """The same numbers in float32 where the golden answers were computed so."""
    if served.compute != "float32":
        return model
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.float()
    return model


@contextmanager
def opening(name: str, served: Served) -> Iterator[None]:
    """What a library raises while it opens a model becomes a ModelError in one line."""
    try:
        yield
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        fix = "the files are not what this consumer reads: export again"
        raise ModelError(f"{name} cannot open this model: {reason}", where=str(served.folder), fix=fix) from error
