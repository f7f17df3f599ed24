"""From the start of the service to its first answer, and what it holds in memory while nobody asks.

    python -m bench.serving.start [--base nano] [--repeats 3] [--json]

Seconds from the start of the process to the end of the first answer (20 tokens), of a service whose home is empty; and
its resident memory half a minute later, less the bytes of the base's weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from openai import OpenAI

from bench import machine
from bench.serving.processes import whet_serving
from whet.model.base import NANO

IDLE_SECONDS = 30.0


def once(base: str, idle: float) -> tuple[float, int]:
    """(seconds, bytes)."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        with whet_serving([base], Path(scratch) / "home") as (url, process):
            client = OpenAI(base_url=url, api_key="none", max_retries=0)
            asked = [{"role": "user", "content": "Where is my order?"}]
            client.chat.completions.create(model=base, messages=asked, max_tokens=20)  # type: ignore[arg-type]
            seconds = time.perf_counter() - began
            time.sleep(idle)
            return seconds, process.memory_info().rss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    folder = NANO if given.base == "nano" else Path(given.base)
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    seen = [once(given.base, IDLE_SECONDS if number == 0 else 0) for number in range(given.repeats)]
    facts: dict[str, Any] = {
        "seconds": [round(seconds, 2) for seconds, _ in seen],
        "median_seconds": round(median(seconds for seconds, _ in seen), 2),
        "idle_bytes": seen[0][1],
        "weights_bytes": weights,
        "above_weights_mib": round((seen[0][1] - weights) / 2**20),
    }
    if given.json:
        print(json.dumps(facts | {"machine": machine.facts()}))
        return
    print(f"first answer after {facts['median_seconds']} s {facts['seconds']}")
    print(f"idle {facts['above_weights_mib']} MiB above {weights / 2**20:.0f} MiB of weights")


if __name__ == "__main__":
    main()
