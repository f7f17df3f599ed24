"""A model to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from whet.data.render.renderer import Renderer
from whet.errors import InputError, nearest
from whet.generation.engine import Sampling, stream
from whet.model.base import load_base, load_config, saved_tokenizer
from whet.model.open import open_trained
from whet.model.precision import choose_dtype, device
from whet.model.saved_model import read_facts
from whet.recipe.bases import is_base, refuse_missing_base
from whet.recipe.keywords import in_python
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT
from whet.types import Message


@dataclass(slots=True)
class ChatSession:
    """A model to talk to."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    renderer: Renderer = field(repr=False)
    context: int

    def reply(self, messages: list[Message], sampling: Sampling | None = None, **options: Any) -> Iterator[str]:
        """The answer to the conversation, piece by piece. `options` are those of a Sampling (`temperature`, `top_p`,
        `top_k`, `max_new_tokens`, `seed`). Raises InputError for what the model can not be asked."""
        known = [one.name for one in fields(Sampling)]
        unknown = next((name for name in options if name not in known), None)
        if unknown:
            what = f"an answer takes no {unknown!r}{nearest(unknown, known)}"
            raise InputError(what, where="reply", fix=f"give some of {', '.join(known)}")
        sampling = sampling or Sampling(**options)
        self.renderer.refuse_foreign(messages, None)
        prompt = self.renderer.prompt_ids(messages, None)
        yield from stream(self.model, self.tokenizer, prompt, self.renderer.stop_ids, sampling, self.context)


@in_python
def chat(model: str, run_root: Path | str = DEFAULT_ROOT) -> ChatSession:
    """Open a run, a named model, or a base (nano, a folder, a Hub name). The template must be the trained one."""
    if is_base(model):
        refuse_missing_base(model)
        dtype, _ = choose_dtype("auto", load_config(model).hidden_size, device())
        base = load_base(model, dtype, where=device())
        return ChatSession(base.model, base.tokenizer, Renderer(base.tokenizer), base.context)

    run = model_registry.find_run(model, run_root)
    facts = read_facts(run.model)
    if "head" in facts:
        what = "this model gives scores, not words"
        raise InputError(what, value=model, fix="use it with transformers: AutoModelForSequenceClassification")

    tokenizer = saved_tokenizer(run.model)
    renderer = Renderer(tokenizer, clock=datetime.fromisoformat(facts["clock"]))
    opened = open_trained(run, renderer=renderer, trust_remote_code=run.recipe.trust_remote_code, path="fused")
    return ChatSession(opened.model, tokenizer, renderer, opened.base.context)
