"""Who is asked: base or tuned model on this machine, or a model at a URL. All greedy, all through a transcript."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Protocol

from whet.data.render.renderer import Renderer
from whet.evaluation.heldout import generate_answers
from whet.evaluation.models import EvaluatedModel
from whet.evaluation.prompts import FittedPrompts
from whet.evaluation.transcript import Transcript, key_of
from whet.generation.chat_client import ChatClient
from whet.generation.collection.spending import worst_case
from whet.model.base import Base
from whet.observer import Count
from whet.recipe.sections.compare import RemoteModel
from whet.types import Completion, Message


class Answerer(Protocol):
    """Answers all prompts, in their order; `done` is told how many answers there are."""

    def __call__(
        self, arm: str, prompts: FittedPrompts, tokens: int, transcript: Transcript, done: Count
    ) -> list[Completion]: ...


@dataclass(frozen=True, slots=True)
class LocalAnswerer:
    """`side` has a memory. Seconds are those of a batch, shared by its answers."""

    side: EvaluatedModel
    loaded: Base
    renderer: Renderer

    def __call__(
        self, arm: str, prompts: FittedPrompts, tokens: int, transcript: Transcript, done: Count
    ) -> list[Completion]:
        assert self.side.memory is not None
        generate_answers(self.side, self.loaded, prompts.tokens, self.renderer, tokens, done)
        found = [transcript[key_of(self.side.memory.identity, ids, tokens)] for ids in prompts.tokens]
        return [replace(answer, text=answer.text.strip()) for answer in found]


@dataclass(frozen=True, slots=True)
class RemoteAnswerer:
    """Seconds are those of a request, from sending it to its answer."""

    settings: RemoteModel

    def __call__(
        self, arm: str, prompts: FittedPrompts, tokens: int, transcript: Transcript, done: Count
    ) -> list[Completion]:
        asked = self.settings
        remote = ChatClient(asked.url, asked.model, asked.key, asked.seconds, asked.retries)
        who = f"{remote.url} {remote.model}"
        keys = [key_of(who, messages, tokens) for messages in prompts.messages]
        wanted = {key: asked for key, asked in zip(keys, prompts.messages, strict=True) if key not in transcript}
        number = len(keys) - len(wanted)
        done(number)

        with ThreadPoolExecutor(self.settings.concurrency) as pool:
            waiting = {pool.submit(ask_remote, remote, messages, tokens): key for key, messages in wanted.items()}
            try:
                for future in as_completed(waiting):
                    transcript.add(arm, {waiting[future]: future.result()})
                    number += 1
                    done(number)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

        return [transcript[key] for key in keys]


def ask_remote(remote: ChatClient, messages: Sequence[Message], tokens: int) -> Completion:
    began = time.perf_counter()
    completion = remote.reply(messages, tokens)
    seconds = time.perf_counter() - began

    if completion.estimated:
        most = worst_case(messages, tokens)
        completion = replace(completion, prompt_tokens=most.prompt_tokens, answer_tokens=most.answer_tokens)
    return replace(completion, text=completion.text.strip(), seconds=seconds)
