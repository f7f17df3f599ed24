"""Measures a finished nano and writes its card: skills with intervals, and how well it predicts text.

    python -m nano.card --model whet/model/nano --books FOLDER

Writes MODEL/README.md (the table), MODEL/card.json (the numbers) and MODEL/skills.jsonl (the small suite that Whet
measures before and after every tune of this base). Items come from the held-out stream of the corpus.
"""

from __future__ import annotations

import argparse
import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from nano.books import books, text_of
from nano.world import documents, skills, stream_seed
from whet.data.render.encoding import Document
from whet.data.render.renderer import Renderer
from whet.evaluation.forgetting.skills import TOKENS, grade
from whet.evaluation.models import EvaluatedModel, text_nll
from whet.generation.engine import Sampling, generate
from whet.model.architecture_proof import install_forest
from whet.model.base import Base, load_base
from whet.model.policy import Policy
from whet.stats.paired import wilson
from whet.store.atomic import write_json, write_text
from whet.types import Row

SUITE_SEED, CARD_SEED = 11, 7
BOOK_CHARACTERS = 60_000
"""Of each held-out book."""
SUITE_ITEMS = 40
"""Items of each skill in the suite that ships: 240 in all can clear a loss of 6 points, in some seconds."""


def measure_skills(base: Base, renderer: Renderer, per_skill: int) -> dict[str, dict[str, float]]:
    """Share of exactly right answers for each skill, with Wilson intervals; for json the share of valid JSON too."""
    items = flat(skills(stream_seed(CARD_SEED, "heldout"), per_skill))
    prompts = [renderer.prompt_ids(item["messages"], None) for item in items]
    sampling = Sampling(max_new_tokens=TOKENS)
    answers = generate(base.model, base.tokenizer, prompts, renderer.stop_ids, sampling, context=base.context)
    table: dict[str, dict[str, float]] = grade(items, answers)
    for facts in table.values():
        facts["low"], facts["high"] = wilson(round(facts["score"] * facts["rows"]), int(facts["rows"]))
    written = [answer.text for answer, item in zip(answers, items, strict=True) if item["skill"] == "json"]
    table["json"]["valid"] = sum(is_json(text) for text in written) / len(written)
    return table


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def flat(by_skill: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"skill": skill, **item} for skill, items in by_skill.items() for item in items]


def predict(base: Base, texts: list[str]) -> dict[str, float]:
    """Perplexity per token and negative log-likelihood in nats per byte."""

    def encode(text: str) -> list[int]:
        return base.tokenizer(text)["input_ids"]

    found = text_nll(EvaluatedModel("nano", Policy(base.model)), texts, encode, base.context)
    total, tokens = sum(nats for nats, _ in found), sum(count for _, count in found)
    size = sum(len(text.encode()) for text in texts)
    return {"perplexity": math.exp(total / tokens), "nll_per_byte": total / size, "bytes": size}


def world_texts(renderer: Renderer, rows: int) -> list[str]:
    """Held-out rows of the corpus at its last level, as the model sees them."""
    stream = islice(documents(stream_seed(CARD_SEED, "heldout"), 2), rows)
    return [as_text(renderer, row) for row in stream]


def as_text(renderer: Renderer, row: dict[str, Any]) -> str:
    document: Document = renderer.document(Row(0, "world", row.get("messages", []), text=row.get("text")))
    return document.text


def card_text(facts: dict[str, Any]) -> str:
    lines = [
        "# nano",
        "",
        f"The base that ships with Whet: a Llama of {facts['parameters']:,} parameters, pre-trained from scratch by",
        "this project on a synthetic English world and public-domain books (see `nano/README.md` in the repository).",
        "It is a tool for learning, testing and demonstrating; it knows nothing of the real world.",
        "",
        "| skill (exact answer) | right | 95% interval | items |",
        "| --- | --- | --- | --- |",
    ]
    for skill, s in facts["skills"].items():
        extra = f" (valid JSON: {100 * s['valid']:.0f}%)" if "valid" in s else ""
        interval = f"{100 * s['low']:.0f}% to {100 * s['high']:.0f}%"
        lines.append(f"| {skill}{extra} | {100 * s['score']:.0f}% | {interval} | {int(s['rows'])} |")
    lines += ["", "| held-out text | perplexity per token | nats per byte |", "| --- | --- | --- |"]
    for name, p in facts["text"].items():
        lines.append(f"| {name} | {p['perplexity']:.2f} | {p['nll_per_byte']:.3f} |")
    return "\n".join([*lines, "", "Licence: Apache-2.0, as the rest of Whet.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--books", type=Path)
    parser.add_argument("--per-skill", type=int, default=200)
    options = parser.parse_args()
    base = load_base(str(options.model), torch.bfloat16)
    install_forest(base.model)
    renderer = Renderer(base.tokenizer)
    suite = flat(skills(stream_seed(SUITE_SEED, "heldout"), SUITE_ITEMS))
    text = {"world": predict(base, world_texts(renderer, 500))}
    if options.books:
        text["books"] = predict(base, [text_of(path)[:BOOK_CHARACTERS] for path in books(options.books)[1]])
    facts = {
        "parameters": sum(p.numel() for p in base.model.parameters()),
        "skills": measure_skills(base, renderer, options.per_skill),
        "text": text,
    }
    write_text(options.model / "skills.jsonl", "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in suite))
    write_json(options.model / "card.json", facts)
    write_text(options.model / "README.md", card_text(facts))
    print(card_text(facts))


if __name__ == "__main__":
    main()
