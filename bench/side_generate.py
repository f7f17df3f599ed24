"""Text generation: Whet's engine, or transformers' `generate`, on the same prompts, greedy, a fixed number of tokens.

    python -m bench.side_generate build/bench generate-nano-8 whet

No stop token is given, so every answer has exactly `new_tokens` tokens on every side, and the rate is answers x
new_tokens / seconds, reading the prompts included. One whole round warms up: in the first, Whet proves its reader (0.1
s on nano, 0.4 s on 135m, once a model). Random weights (135m) make near-ties, so the texts of two sides may part;
nano's are compared (`digest`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from bench.measure import digest, finish, seconds_alive
from bench.tasks import BY_NAME, Task

Write = Callable[[list[list[int]], int], list[list[int]]]
"""(prompts, new tokens) -> the tokens of each answer."""


def whet_writer(folder: Path, task: Task) -> tuple[Write, str]:
    from bench.material import base_name
    from whet.generation.engine import Sampling, generate
    from whet.model.base import load_base

    name, dtype = base_name(folder, task.model), faster_dtype(folder, task)
    base = load_base(name, dtype)

    def write(prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        sampling = Sampling(max_new_tokens=new_tokens)
        answers = generate(base.model, base.tokenizer, prompts, frozenset(), sampling, context=base.context)
        return [answer.ids for answer in answers]

    return write, str(dtype).removeprefix("torch.")


def faster_dtype(folder: Path, task: Task) -> torch.dtype:
    """The one in which this machine multiplies faster, as Whet measures it."""
    from bench.material import base_name
    from whet.model.base import load_config
    from whet.model.precision import choose_dtype

    return choose_dtype("auto", load_config(base_name(folder, task.model)).hidden_size, torch.device("cpu"))[0]


def transformers_writer(folder: Path, task: Task, cache: str | None, dtype: torch.dtype | None) -> tuple[Write, str]:
    """Left-padded, with an attention mask, as `generate` is documented; in the saved dtype unless given."""
    from transformers import AutoModelForCausalLM

    from bench.material import base_path

    model = AutoModelForCausalLM.from_pretrained(base_path(folder, task.model), dtype=dtype or "auto")

    def write(prompts: list[list[int]], new_tokens: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=new_tokens,
                eos_token_id=-1,  # no token has this id: nothing stops early
                pad_token_id=0,
                cache_implementation=cache,
            )
        return out[:, longest:].tolist()

    return write, f"{str(model.dtype).removeprefix('torch.')}, {cache or 'dynamic'} cache"


def best_writer(folder: Path, task: Task) -> tuple[Write, str]:
    """In the faster dtype of this machine, with the cache that was faster in a whole round."""
    dtype = faster_dtype(folder, task)
    prompts = read_prompts(folder, task)
    timed = []
    for cache in (None, "static"):
        write, settings = transformers_writer(folder, task, cache, dtype)
        write(prompts, task.new_tokens)
        began = time.perf_counter()
        write(prompts, task.new_tokens)
        timed.append((time.perf_counter() - began, settings, write))
    _, settings, write = min(timed, key=lambda one: one[0])
    return write, settings


def read_prompts(folder: Path, task: Task) -> list[list[int]]:
    return json.loads((folder / f"{task.name}.prompts.json").read_text())


WRITERS: dict[str, Callable[[Path, Task], tuple[Write, str]]] = {
    "whet": whet_writer,
    "transformers-default": lambda folder, task: transformers_writer(folder, task, None, None),
    "transformers-best": best_writer,
}


def measure(folder: Path, task: Task, side: str) -> None:
    write, dtype = WRITERS[side](folder, task)
    prompts = read_prompts(folder, task)
    write(prompts, task.new_tokens)
    ready = seconds_alive()
    began = time.perf_counter()
    answers = write(prompts, task.new_tokens)
    seconds = time.perf_counter() - began
    wrong = [len(answer) for answer in answers if len(answer) != task.new_tokens]
    if wrong:
        raise RuntimeError(f"{side}: answers of {wrong} tokens instead of {task.new_tokens}")
    found = digest((answer, [True] * len(answer)) for answer in answers)
    rate = len(answers) * task.new_tokens / seconds
    finish(tokens_per_second=rate, settings=dtype, first_step_seconds=ready, answers_digest=found)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), BY_NAME[sys.argv[2]], sys.argv[3])
