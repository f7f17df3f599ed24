"""A realistic run folder, made with the real metric, statistics and verdict, for the tests of the report.

To look at it:  python tests/reports/made_up_run.py FOLDER   and open FOLDER/report.html
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import sys
from pathlib import Path
from typing import Any

from tests.reports import made_up_opponents as opponents
from whet.evaluation import content, decision
from whet.evaluation.forgetting import measure_kinds as forgetting
from whet.evaluation.forgetting.budget import summarise
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.verdict import compare
from whet.stats.paired import paired_difference
from whet.stats.power import detectable_gain
from whet.types import Row

PRODUCTS = ["kettle", "desk lamp", "office chair", "headphones", "coffee grinder", "bicycle pump"]
TEXTS = {
    "refund": "I sent the {product} back {days} days ago and still have not seen my money. Order {order}.",
    "delivery": "Tracking for {order} has not moved in {days} days. Where is my {product}?",
    "defect": "The {product} from order {order} stopped working after {days} days. It makes a burning smell!",
    "question": "Hi, does the {product} come with a plug for the UK? (I have an open order, {order}.)",
}


def ticket(random: random.Random, index: int) -> Row:
    kind = random.choice(list(TEXTS))
    facts = {
        "product": random.choice(PRODUCTS),
        "days": random.randint(2, 30),
        "order": f"W-{random.randint(10000, 99999)}",
    }
    answer = {"kind": kind, "order": facts["order"], "product": facts["product"], "urgent": kind == "defect"}
    prompt = "Turn the ticket into JSON with kind, order, product, urgent.\n\n" + TEXTS[kind].format(**facts)
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": json.dumps(answer)}]
    return Row(index, f"tickets.jsonl:{index + 1}", turns)


def answer_of(random: random.Random, row: Row, skill: float) -> str:
    answer = json.loads(row.reference)
    if random.random() < skill:
        return json.dumps(answer)
    fault = random.choice(["fence", "kind", "order", "prose"])
    if fault == "prose":
        return f"Sure! The customer writes about the {answer['product']} and wants help with {answer['order']}."
    if fault == "kind":
        answer["kind"] = random.choice(list(TEXTS))
        answer["urgent"] = not answer["urgent"]
    if fault == "order":
        answer["order"] = answer["order"][:-1]
    return f"```json\n{json.dumps(answer)}\n```" if fault == "fence" else json.dumps(answer)


def split_scores(rows: list[Row], answers: list[str]) -> dict[str, list[Any]]:
    """Content and form, one score a row, and what answers.jsonl says of each answer."""
    found = content.content_scores("json", answers, rows, content.known_answers("json", rows))
    return {
        "content": [score.value for score in found],
        "form": [score.value for score in content.form_scores(found)],
        "taken": [score.details["content"] for score in found],
        "in_form": [score.details["in_form"] for score in found],
    }


def write_run(
    folder: Path, rows: int = 240, base_skill: float = 0.35, tuned_skill: float = 0.62, steps: int = 400
) -> Path:
    """Fills `folder` with the plain files of a finished run and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    tickets = [ticket(rng, index) for index in range(rows)]
    answers = {skill: [answer_of(rng, row, skill) for row in tickets] for skill in (base_skill, tuned_skill)}
    name, reason = metric.choose(tickets)
    base, tuned = (
        [metric.score(name, a, r) for a, r in zip(answers[s], tickets, strict=True)] for s in (base_skill, tuned_skill)
    )
    difference, verdict = compare([s.value for s in base], [s.value for s in tuned])
    said = {
        "base": answers[base_skill],
        "constant": [json.dumps({"kind": "question", "order": "", "product": "kettle", "urgent": False})] * rows,
        "prompted": opponents.answers_of("prompted", tickets, base_skill + 0.1, lambda row: f"kind: {row.index}"),
        "examples": opponents.answers_of("examples", tickets[: rows // 2], base_skill + 0.15, lambda row: "{}"),
    }
    parts = {
        side: split_scores(tickets, answers[skill]) for side, skill in (("base", base_skill), ("tuned", tuned_skill))
    }
    ledger = {
        "rows_in": 2412,
        "trained": 2412 - 240 - rows - 11,
        "held_out": {"validation": 240, "test": rows},
        "dropped": {"duplicate-of-test": 9, "too-long": 2},
        "supervised_tokens": 58_204,
        "tokens": 214_377,
    }
    evaluation: dict[str, Any] = {
        "run": folder.name,
        "model": "nano",
        "method": "sft, LoRA rank 16",
        "ledger": ledger,
        "metric": {"name": name, "reason": reason},
        "base": {**metric.aggregate(name, base, tickets), "nll_per_token": 1.284},
        "tuned": {**metric.aggregate(name, tuned, tickets), "nll_per_token": 0.211},
        "difference": dataclasses.asdict(difference),
        "verdict": opponents.over_all(
            dataclasses.asdict(verdict), opponents.against(said, name, tickets, [score.value for score in tuned])
        )
        | {
            "content": opponents.split(parts["base"]["content"], parts["tuned"]["content"]),
            "form": opponents.split(parts["base"]["form"], parts["tuned"]["form"]),
            "clusters": rows - rows // 6,
            "effective_rows": rows - rows / 5,
            "goal": None,
        },
        "detectable_gain": detectable_gain(rows),
        "forgetting": made_up_forgetting(),
        "seconds": 47.3,
        "tokens_per_second": 14_220.0,
        "peak_memory_bytes": 1_312_000_000,
        "peak_memory_of": "cpu",
        "threads": 1,
        "report": "report.html",
        "stopped": {
            "reason": "the validation loss kept rising",
            "step": steps,
            "best_step": steps * 7 // 10,
            "best_validation_loss": 0.24,
        },
    }
    evaluation["ship"] = decision.decide(evaluation)
    write_json(folder / "evaluation.json", evaluation)
    asked = opponents.lines(said, name, tickets)
    write_lines(
        folder / "answers.jsonl",
        [
            {
                "row": r.index,
                "where": r.where,
                "prompt": r.prompt,
                "reference": r.reference,
                "base": b,
                "tuned": t,
                "base_score": x.value,
                "tuned_score": y.value,
                **{f"{side}_content": parts[side]["taken"][n] for side in parts},
                **{f"{side}_form": parts[side]["in_form"][n] for side in parts},
                "cluster": n * 5 // 6,
                "opponents": asked[n],
            }
            for n, (r, b, t, x, y) in enumerate(
                zip(tickets, answers[base_skill], answers[tuned_skill], base, tuned, strict=True)
            )
        ],
    )
    write_lines(folder / "metrics.jsonl", made_up_metrics(rng, steps))
    write_json(folder / "ledger.json", ledger)
    write_json(folder / "run.json", {"name": folder.name, "created": "2026-11-21T09:30:00Z"})
    write_json(folder / "status.json", {"status": "done"})
    write_json(
        folder / "choices.json",
        [
            {
                "key": "learning_rate",
                "value": 4.5e-3,
                "reason": "LoRA wants about ten times the rate of full training (LoRA Without Regret).",
            },
            {
                "key": "batch_tokens",
                "value": 1536,
                "reason": "Gives at least 100 steps an epoch of updates, and LoRA loses with large batches.",
            },
            {
                "key": "epochs",
                "value": 3.0,
                "reason": "The rule of OpenAI's fine-tuning service for some thousand rows.",
            },
            {"key": "adapter.rank", "value": 16, "reason": "Enough for fewer than a million supervised tokens."},
        ],
    )
    (folder / "recipe.resolved.yaml").write_text(
        "data: tickets.jsonl\nbase: nano\nmethod: {kind: sft}\nadapter: {kind: lora, rank: 16, alpha: 32}\n"
        "learning_rate: 0.0045\nseed: 0\n"
    )
    write_json(
        folder / "selfcheck.json",
        {
            "packed = plain": {"passed": True, "largest_difference": 2.1e-6, "tolerance": 1e-4},
            "template": {"golden_ids": 3, "passed": True},
        },
    )
    write_json(
        folder / "environment.json",
        {
            "whet": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0+cpu",
            "cpu": "AMD EPYC, 2 cores",
            "memory_bytes": 24_000_000_000,
        },
    )
    return folder


def made_up_forgetting() -> dict[str, Any]:
    """General text within its budget; of the skills the rows cannot tell."""
    before = lambda texts: [(len(t) * 1.31 + 9 * math.sin(i), len(t) // 4) for i, t in enumerate(texts)]  # noqa: E731
    after = lambda texts: [(len(t) * 1.318 + 10 * math.sin(i), len(t) // 4) for i, t in enumerate(texts)]  # noqa: E731
    parts = {
        "base": {"copying": {"score": 1.0, "rows": 40}, "counting": {"score": 0.55, "rows": 40}},
        "tuned": {"copying": {"score": 0.975, "rows": 40}, "counting": {"score": 0.4, "rows": 40}},
    }
    base, tuned = [1.0] * 62 + [0.0] * 18, [1.0] * 55 + [0.0] * 25
    difference = paired_difference(base, tuned)
    measures = [
        forgetting.text_measure(before, after),
        forgetting.kl_measure("task", [(0.4 * n, n) for n in range(9, 40)] + [(9.0, 20)], None),
        forgetting.score_measure("skills", "The base's own skills", (0.775, 0.6875), difference, None, parts=parts),
    ]
    return summarise(measures)


def made_up_metrics(rng: random.Random, steps: int) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for step in range(steps):
        share = step / steps
        rate = 4.5e-3 * min(1.0, share / 0.05) * 0.5 * (1 + math.cos(math.pi * share))
        loss = 0.18 + 2.1 * math.exp(-9 * share) + rng.gauss(0, 0.05) * (0.4 + math.exp(-3 * share))
        lines.append(
            {
                "step": step,
                "loss": loss,
                "learning_rate": rate,
                "grad_norm": 0.4 + 1.6 * math.exp(-6 * share) + abs(rng.gauss(0, 0.12)),
                "tokens_per_second": 14_200 + rng.gauss(0, 350),
                "seconds": 0.11,
            }
        )
        if step % max(1, steps // 10) == 0:
            lines.append(
                {"step": step, "validation_loss": 0.24 + 2.1 * math.exp(-8 * share) + 0.12 * max(0, share - 0.7)}
            )
    return lines


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2))


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    from whet.reports.report import write_report
    from whet.store.run import Run

    print(write_report(Run(write_run(Path(sys.argv[1])))))
