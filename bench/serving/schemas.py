"""Answers held to the schemas of the public JSON-Schema-Test-Suite: is each one valid?

    git clone https://github.com/json-schema-org/JSON-Schema-Test-Suite
    python -m bench.serving.schemas JSON-Schema-Test-Suite [--base nano] [--answers 3] [--draft draft2020-12] [--json]

Each schema that can be held to gets so many answers at temperature 1, by a model that knows nothing of it: what keeps
them valid is the guide alone. They are checked by jsonschema-rs. An answer that was cut by the limit of tokens is
counted as cut, not as valid. A refused schema must be refused with a keyword or a reason.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from whet.errors import InputError
from whet.generation.serving.guide import json_schema_guide
from whet.generation.serving.open_batch import OpenBatch
from whet.generation.serving.request import AnswerRequest
from whet.generation.serving.token_choice import TokenChoice
from whet.model.base import load_base

LONGEST = 400
NAMES = {"draft7": "http://json-schema.org/draft-07/schema#", "draft6": "http://json-schema.org/draft-06/schema#"}
"""Schemas that do not say their draft are read as of the newest."""
DRAFTS = {
    "draft2020-12": jsonschema_rs.Draft202012Validator,
    "draft2019-09": jsonschema_rs.Draft201909Validator,
    "draft7": jsonschema_rs.Draft7Validator,
    "draft6": jsonschema_rs.Draft6Validator,
}


def schemas_of(suite: Path, draft: str) -> Iterator[tuple[str, Any]]:
    """(where, schema) of every group of tests that is not optional; each schema once."""
    seen = set()
    for file in sorted((suite / "tests" / draft).glob("*.json")):
        for group in json.loads(file.read_text("utf-8")):
            text = json.dumps(group["schema"], sort_keys=True)
            if text in seen:
                continue
            seen.add(text)
            schema = group["schema"]
            if draft in NAMES and isinstance(schema, dict):
                schema = {"$schema": NAMES[draft]} | schema
            yield f"{file.stem}: {group['description']}", schema


def measured(given: argparse.Namespace) -> dict[str, Any]:
    import torch

    base = load_base(given.base, torch.float32)
    batch = OpenBatch(base, slots=32, capacity=LONGEST + 32)
    prompt = base.tokenizer("An example of this, as JSON:")["input_ids"]
    asked: dict[int, tuple[str, Any]] = {}
    refused: dict[str, str] = {}

    for where, schema in schemas_of(given.suite, given.draft):
        try:
            if not isinstance(schema, dict):
                raise InputError("true and false as a whole schema", where="json_schema")
            for seed in range(given.answers):
                guide = json_schema_guide(base.tokenizer, schema)
                choice = TokenChoice(temperature=1.0, seed=seed)
                stops = frozenset([base.tokenizer.eos_token_id])
                handle = batch.enter(AnswerRequest(prompt, stops, LONGEST, None, choice, guide))
                asked[handle] = where, schema
        except InputError as error:
            refused[where] = error.what

    written: dict[int, list[int]] = {handle: [] for handle in asked}
    ends: dict[int, str] = {}
    while len(ends) < len(asked):
        for token in batch.advance():
            written[token.request].append(token.token)
            if token.end:
                ends[token.request] = token.end

    counts: Counter[str] = Counter()
    wrong = []
    for handle, (where, schema) in asked.items():
        text = base.tokenizer.decode(written[handle], skip_special_tokens=True)
        state = judged(text, schema, given.draft) if ends[handle] == "stop" else "cut"
        counts[state] += 1
        if state == "wrong":
            wrong.append({"schema": where, "answer": text})
    held = {where for where, _ in asked.values()}
    reasons = Counter(refused.values())
    return {"schemas": len(held), "answers": dict(counts), "wrong": wrong, "refused": len(refused), "reasons": reasons}


def judged(text: str, schema: Any, draft: str) -> str:
    """Formats are held to as well, as far as the validator knows them."""
    try:
        answer = json.loads(text)
    except ValueError:
        return "wrong"
    return "valid" if DRAFTS[draft](schema, validate_formats=True).is_valid(answer) else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--answers", type=int, default=3)
    parser.add_argument("--draft", choices=DRAFTS, default="draft2020-12")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measured(given)
    if given.json:
        print(json.dumps(found))
        return
    print(f"{found['schemas']} schemas held to, {found['refused']} refused; answers: {found['answers']}")
    for one in found["wrong"]:
        print(f"  wrong: {one['schema']}: {one['answer'][:200]}")
    for reason, number in found["reasons"].most_common():
        print(f"  refused {number}: {reason}")


if __name__ == "__main__":
    main()
