"""Writes MODEL/general.jsonl: general prompts for nano, which a tune may rehearse so that it forgets less.

    python -m nano.general --model whet/model/nano

Each skill's prompts come from the stream of the corpus, never from the held-out one, and none occurs in
MODEL/skills.jsonl. Beginnings of texts stand beside them: most of what nano has read is prose. `answer` is the
world's own, for measuring.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from nano.skills import skills
from nano.world import stream_seed
from whet.store.atomic import write_text

SEED = 23
PER_SKILL = 180
OPENINGS = (
    "The", "It was", "When the", "In the", "She", "He had", "They", "There was", "One of", "At the", "My", "For a",
    "After", "Before", "As soon as", "The old", "A man", "A woman", "His", "Her", "I had", "We", "You", "But",
    "And then", "No one", "Most", "On the", "From the", "If you", "To make", "Once", "Every", "The first", "The last",
    "Outside,",
    "\"What", "\"I", "\"Are you", "Because", "Although", "That night", "In those days", "The house", "The sea",
    "Some", "Money", "Water", "The king", "Children",
)  # fmt: skip
"""Of sentences in any English book."""


def general(suite: set[str]) -> list[dict[str, Any]]:
    """The rows. `suite` holds the prompts that are measured after a tune, and must not be learned."""
    items = skills(stream_seed(SEED, "train"), PER_SKILL)
    prompts = [{"skill": skill, **item} for skill, found in items.items() for item in found]
    fresh = [item for item in prompts if item["messages"][0]["content"] not in suite]
    return fresh + [{"text": opening} for opening in OPENINGS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    model = parser.parse_args().model
    suite = {json.loads(line)["messages"][0]["content"] for line in (model / "skills.jsonl").read_text().splitlines()}
    write_text(model / "general.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in general(suite)))


if __name__ == "__main__":
    main()
