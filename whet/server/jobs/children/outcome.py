"""How a job ends well: its model, its result file and its verdict appear in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from whet.server.database.opening import Database
from whet.server.database.tables import files, jobs
from whet.server.database.tuned_models import add_model
from whet.server.files.content import Contents
from whet.server.files.records import RESULTS, NewFile, insert_file
from whet.server.jobs.children.metrics import read_steps, result_file, trained_tokens
from whet.server.jobs.children.numbers import passes_made
from whet.server.jobs.events import add_event
from whet.server.jobs.places import run_folder
from whet.server.jobs.queue import FREED, Lease, held_by
from whet.server.jobs.states import SUCCEEDED
from whet.store.run import METRICS, Run

REPORT = "report.html"


def succeed(database: Database, lease: Lease, home: Path, model: str, parent: str, facts: Mapping[str, Any]) -> None:
    """`facts` are those of the run's evaluation.json. Raises LeaseLost, DiskFullError."""
    run = Run.open(run_folder(home, lease.project, lease.job))
    steps = read_steps(run.folder / METRICS)
    content = result_file(steps)
    name = f"file-{hashlib.sha256(lease.job.encode()).hexdigest()[:24]}"  # made again, it takes its own place
    Contents(home / "files", len(content)).add(name, content)

    result = result_of(run, lease.job, facts)
    with held_by(database, lease) as (connection, row):
        now = database.now(connection)
        _add_result_file(connection, row, name, content, now)
        add_model(connection, model, row.project, parent, run.folder, now, row.id)
        _add_verdict(connection, row, result, now)
        add_event(connection, row.id, f"New fine-tuned model created: {model}", now)
        add_event(connection, row.id, "The job has successfully completed", now)

        numbers = {**row.hyperparameters, "n_epochs": _epochs(run, row, facts, len(steps))}
        ended = {
            **FREED,
            "state": SUCCEEDED,
            "fence": row.fence + 1,
            "finished_at": now,
            "fine_tuned_model": model,
            "result": result,
            "result_file": name,
            "run": str(run.folder),
            "trained_tokens": trained_tokens(steps),
            "hyperparameters": numbers,
        }
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(**ended))


def _add_verdict(connection: Connection, row: Row, result: dict[str, Any], now: float) -> None:
    if "verdict" not in result:
        add_event(connection, row.id, "No verdict: no row was held out for a test", now)
        return
    sentence = f"{result['verdict']}: {result['sentence']}"
    level = "info" if result["decision"] == "yes" else "warn"
    told = {"verdict": result["verdict"], "decision": result["decision"]}
    add_event(connection, row.id, sentence, now, level, told)


def result_of(run: Run, job: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What Whet says of the job's model. Of a job without test rows, without a verdict and a report."""
    judged = _judged(job, facts) if "verdict" in facts else {}
    return {
        **judged,
        "best_step": facts["stopped"]["best_step"],
        "proof": {
            "self_check": run.read_json("selfcheck.json", "path", "passed"),
            "weights_sha256": run.read_json("model/whet.json", "weights_sha256")["weights_sha256"],
            "base_fingerprint": run.read_json("model/whet.json", "base_fingerprint")["base_fingerprint"],
            "ledger": facts["ledger"],
        },
    }


def _judged(job: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    verdict = facts["verdict"]
    against = [
        {key: one.get(key) for key in ("name", "label", "score", "difference", "difference_interval", "p", "word")}
        for one in verdict.get("against", [])
    ]
    return {
        "verdict": verdict["word"],
        "sentence": verdict["sentence"],
        "decision": facts["ship"]["answer"],
        "decision_sentence": facts["ship"]["sentence"],
        "metric": facts.get("metric"),
        "base": _score(facts.get("base")),
        "tuned": _score(facts.get("tuned")),
        "against": against,
        "rows_needed": verdict.get("rows_needed"),
        "report": f"/v1/fine_tuning/jobs/{job}/report",
    }


def _score(facts: Any) -> Any:
    return facts.get("score") if isinstance(facts, Mapping) else None


def _epochs(run: Run, row: Row, facts: Mapping[str, Any], steps: int) -> int:
    asked = row.recipe.get("epochs")
    if asked is not None:
        return int(asked)
    return passes_made(run.recipe, facts["ledger"]["trained"], facts["ledger"]["tokens"], steps)


def _add_result_file(connection: Connection, row: Row, name: str, content: bytes, now: float) -> None:
    if connection.execute(select(files.c.id).where(files.c.id == name)).first() is None:
        new = NewFile("step_metrics.csv", RESULTS, len(content), hashlib.sha256(content).hexdigest())
        insert_file(connection, row.project, name, new, now)
