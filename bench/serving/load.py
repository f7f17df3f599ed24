"""The service under load: 64 clients, 8 adapters over one base, for minutes.

    python -m bench.serving.load [--base nano] [--clients 64] [--seconds 600] [--beside-transformers] [--json]

Each adapter signs its answers, so an answer by a wrong one is found. Then the same questions are asked one at a time,
and, with --beside-transformers, of `transformers serve` with the base alone (it serves no adapters). Clients are the
official one (openai, streaming). Tokens are those that the servers report. Adapters are trained once, in --folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from bench import machine
from bench.serving.processes import transformers_serving, whet_serving
from bench.serving.signed import SIGNS, answer_of, question, signed_run

ALONE = 200
"""Requests that are asked one at a time."""
PORT = 18231
LONGEST = 40


@dataclass(slots=True)
class Seen:
    """What clients saw."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    tokens: int = 0
    wrong: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"requests": len(self.whole), "failed": len(self.failed), "wrong": self.wrong}
        for name, values in (("first_token", self.first), ("answer", self.whole)):
            for share in (50, 99):
                facts[f"{name}_p{share}_s"] = float(np.percentile(values, share)) if values else None
        return facts | {"tokens": self.tokens, "tokens_per_second": self.tokens / self.seconds}


async def ask(client: AsyncOpenAI, model: str, asked: str, sign: str | None, seen: Seen) -> None:
    """One answer, streamed."""
    began = time.perf_counter()
    text, first = "", None
    try:
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": asked}],
            temperature=0,
            max_tokens=LONGEST,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                first = first or time.perf_counter() - began
                text += chunk.choices[0].delta.content
            if chunk.usage:
                seen.tokens += chunk.usage.completion_tokens
    except Exception as error:  # each failure is counted, and the first ones are shown
        seen.failed.append(f"{type(error).__name__}: {error}")
        return

    seen.first.append(first or time.perf_counter() - began)
    seen.whole.append(time.perf_counter() - began)
    seen.wrong += sign is not None and text.strip() != answer_of(sign)


async def crowd(url: str, models: Sequence[tuple[str, str | None]], clients: int, seconds: float) -> Seen:
    """So many clients, each asking again as soon as it has its answer."""
    seen, end = Seen(), time.monotonic() + seconds

    async def one(client: AsyncOpenAI, number: int) -> None:
        rng = Random(number)
        while time.monotonic() < end:
            model, sign = rng.choice(models)
            await ask(client, model, question(rng), sign, seen)

    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        began = time.perf_counter()
        await asyncio.gather(*(one(client, number) for number in range(clients)))
        seen.seconds = time.perf_counter() - began
    return seen


async def alone(url: str, models: Sequence[tuple[str, str | None]], requests: int) -> Seen:
    """The same kind of questions, each after the answer to the one before."""
    seen, rng = Seen(), Random(0)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        began = time.perf_counter()
        for _ in range(requests):
            model, sign = rng.choice(models)
            await ask(client, model, question(rng), sign, seen)
        seen.seconds = time.perf_counter() - began
    return seen


def measured(given: argparse.Namespace) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    signs = SIGNS[: given.adapters]
    runs = [str(signed_run(sign, given.base, given.folder)) for sign in signs]
    tuned: list[tuple[str, str | None]] = [(sign, sign) for sign in signs]
    plain: list[tuple[str, str | None]] = [(given.base, None)]
    with tempfile.TemporaryDirectory() as scratch:
        with whet_serving([given.base, *runs], Path(scratch) / "home", "--workers", "0") as (url, process):
            asyncio.run(crowd(url, [*tuned, *plain], 8, 3))  # opens every model
            rows["mixed"] = asyncio.run(crowd(url, tuned, given.clients, given.seconds)).facts()
            rows["mixed"]["rss_bytes"] = process.memory_info().rss
            rows["base alone"] = asyncio.run(crowd(url, plain, given.clients, given.beside_seconds)).facts()
            rows["one at a time"] = asyncio.run(alone(url, tuned, ALONE)).facts()

    if given.beside_transformers:
        options = ["--continuous-batching"] if given.continuous else []
        with transformers_serving(given.hub_base, PORT, *options) as url:
            other: list[tuple[str, str | None]] = [(given.hub_base, None)]
            asyncio.run(alone(url, other, 3))
            rows["transformers serve"] = asyncio.run(crowd(url, other, given.clients, given.beside_seconds)).facts()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--hub-base", default="whet/model/nano", help="the same base, as transformers takes it")
    parser.add_argument("--adapters", type=int, default=len(SIGNS))
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--beside-seconds", type=float, default=60)
    parser.add_argument("--beside-transformers", action="store_true")
    parser.add_argument("--continuous", action="store_true", help="transformers serve with its continuous batching")
    parser.add_argument("--folder", type=Path, default=Path("build/serving"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    rows = measured(given)
    if given.json:
        print(json.dumps({"machine": machine.facts(), "rows": rows}))
        return
    for name, facts in rows.items():
        print(
            name,
            *(f"{key} {value:,.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items()),
        )


if __name__ == "__main__":
    main()
