"""A model on another base against the live one: on the rows that both held out, and what an answer of each costs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

from whet.data.prepare import prepared_of
from whet.evaluation.contest import Contest, contest_between
from whet.evaluation.goal import TIMED
from whet.model.open import open_trained
from whet.observer import Observer
from whet.store.reading import iter_lines, optional_json, read_lines
from whet.store.run import Run
from whet.training.session import Session

CHEAPER = 0.9
"""Of the seconds of an answer, what is told from the noise of so few."""
Do = Literal["take it", "stay", "bring more test rows"]


class AnswerCost(TypedDict):
    base: str
    parameters: int | None
    """Of base and adapter."""
    weight_bytes: int | None
    prompt_tokens: float | None
    """Mean, by its own tokenizer and chat template."""
    seconds_per_answer: float | None
    """Mean of the first TIMED test rows, each asked alone. None of a model with a head, which writes no answer."""
    training_seconds: float | None
    why: str
    """Why it was not measured; empty where it was."""


def shared_lines(live: Run, candidate: Run) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The answers to the rows that are test rows of both, as pairs (`base` is the live version), and how many are test
    rows of one alone: a base that sees less may not have room for a row."""
    before, after = _by_hash(live), _by_hash(candidate)
    shared = [digest for digest in before if digest in after]
    lines = []
    for digest in shared:
        line = {**before[digest], "base_score": before[digest]["tuned_score"]}
        lines.append(line | {"tuned_score": after[digest]["tuned_score"]})
    only = {"only_live": len(before) - len(shared), "only_next": len(after) - len(shared)}
    return lines, {"shared": len(shared), **only}


def _by_hash(run: Run) -> dict[str, dict[str, Any]]:
    hashes = {line["row"]: line["hash"] for line in iter_lines(run.folder / "rows.jsonl") if line["fate"] == "test"}
    return {hashes[line["row"]]: line for line in read_lines(run.folder / "answers.jsonl") if line["row"] in hashes}


def unmeasured(run: Run, why: str = "") -> AnswerCost:
    return {
        "base": run.recipe.base,
        "parameters": None,
        "weight_bytes": None,
        "prompt_tokens": None,
        "seconds_per_answer": None,
        "training_seconds": optional_json(run.folder / "training.json", {}).get("seconds"),
        "why": why,
    }


def measure_cost(session: Session, observer: Observer) -> AnswerCost:
    """Opens the model of a run, and asks it. Raises ModelError where its base is not what it was."""
    run, recipe = session.run, session.recipe
    rows = prepared_of(session.source).test_rows
    tokens = [len(session.renderer.prompt_ids(row.prompt, row.tools)) for row in rows]
    cost = unmeasured(run)
    cost["prompt_tokens"] = sum(tokens) / len(tokens)
    if recipe.method.has_head:
        return cost

    opened = open_trained(run, renderer=session.renderer, trust_remote_code=recipe.trust_remote_code)
    weights = list(opened.model.parameters())
    cost["parameters"] = sum(weight.numel() for weight in weights)
    cost["weight_bytes"] = sum(weight.numel() * weight.element_size() for weight in weights)
    cost["seconds_per_answer"] = _seconds(contest_between(session, opened, observer))
    return cost


def _seconds(contest: Contest) -> float:
    model, rows = replace(contest.tuned, memory=None), contest.rows[:TIMED]
    limit, prompts = contest.answer_limit(contest.rows), contest.prompts(rows)
    contest.answers(model, prompts[:1], limit)  # the first answer of a model warms it up
    began = time.perf_counter()
    for prompt in prompts:
        contest.answers(model, [prompt], limit)
    return (time.perf_counter() - began) / len(rows)


def forgotten(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was lost against its own base, and how well it reads general text (nats a byte, so that tokenizers do not
    matter)."""
    facts = evaluation.get("forgetting")
    if not facts:
        return None
    texts = [measure["tuned"] for measure in facts["measures"] if measure["name"] == "general-text"]
    told = {key: facts[key] for key in ("word", "broken", "unclear", "statement")}
    return told | {"general_text": texts[0] if texts else None}


def recommend(word: str, live: AnswerCost, candidate: AnswerCost, broken: Sequence[str]) -> tuple[Do, str]:
    """(what to do, why)."""
    if broken or word == "worse":
        return "stay", "stay with the live version: the new base loses more than it may"
    if word == "better":
        return "take it", "take the new base: it is better at the task, and within its budgets elsewhere"
    if word == "cannot tell":
        return "bring more test rows", "the test rows cannot tell the two apart; stay until more of them can"

    before, after = live["seconds_per_answer"], candidate["seconds_per_answer"]
    if before is None or after is None:
        before, after = live["prompt_tokens"], candidate["prompt_tokens"]
    if before is None or after is None:
        return "stay", "stay with the live version: the new base is as good, and what it costs beside it is not known"
    if after <= CHEAPER * before:
        share = 100 * (1 - after / before)
        return "take it", f"take the new base: it is as good, and an answer costs {share:.0f}% less"
    return "stay", "stay with the live version: the new base is as good and costs no less"
