"""A teacher's answers to the prompts of a file, or of rows, as rows to learn from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from whet.data.read.in_memory import holds_rows, written
from whet.generation.collection.collector import RateLimit, read_prompts, refuse_unreadable_name, requests_of
from whet.generation.collection.collector import collect as collect_answers
from whet.generation.collection.rows_file import CollectSettings
from whet.generation.collection.spending import SpendingLimit
from whet.generation.engine import Sampling
from whet.generation.teacher import open_answerer
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python
from whet.reports.result import Result
from whet.store.run import DEFAULT_ROOT


@in_python
def collect(
    prompts: str | Path | Iterable[Any],
    teacher: str,
    out: Path | str,
    model: str | None = None,
    system: str | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 512,
    budget_tokens: int | None = None,
    budget_usd: float | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    per_minute: float | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> Result:
    """A teacher's answers to the prompts of a file, or of rows, as rows in `out`. The same call again goes on where it
    stopped."""
    observer, out = observer or Silent(), Path(out)
    budget = SpendingLimit(budget_tokens, budget_usd, price_in, price_out)
    sampling, pace = Sampling(max_tokens, temperature), RateLimit(per_minute)
    refuse_unreadable_name(out)

    observer.phase("reading the prompts")
    if holds_rows(prompts):
        prompts = written(prompts, run_root, "prompts")
    conversations = read_prompts(str(prompts), system)

    observer.phase("opening the teacher")
    source, name = open_answerer(teacher, model, run_root)
    settings = CollectSettings(teacher, name, system, samples, sampling.temperature, sampling.max_new_tokens)
    requests = requests_of(conversations, settings)

    observer.phase("collecting answers", len(requests))
    result = collect_answers(requests, source, settings, out, budget, pace, observer)
    observer.done()

    return Result(result)
