"""Jobs and checkpoints in OpenAI's shape, with what Whet says beside it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from whet.server.jobs.schedule import Expected


def show_job(row: Row, expected: Expected | None = None) -> dict[str, Any]:
    """`result`, `estimate`, `phase` and `expected_start` are Whet's own."""
    kept = row.hyperparameters
    first = {key: kept.get(key, "auto") for key in ("n_epochs", "batch_size", "learning_rate_multiplier")}
    finish = expected.finish if expected else None
    return {
        "object": "fine_tuning.job",
        "id": row.id,
        "model": row.model,
        "created_at": int(row.created_at),
        "finished_at": _whole(row.finished_at),
        "fine_tuned_model": row.fine_tuned_model,
        "organization_id": f"org-{row.project}",
        "result_files": [row.result_file] if row.result_file else [],
        "status": row.state,
        "validation_file": row.validation_file,
        "training_file": row.training_file,
        "hyperparameters": first,
        "trained_tokens": row.trained_tokens,
        "error": row.error,
        "user_provided_suffix": row.suffix,
        "seed": row.seed,
        "estimated_finish": _whole(finish),
        "integrations": [],
        "metadata": row.job_metadata,
        "method": _method(row),
        "started_at": _whole(row.started_at),
        "expected_start": _whole(expected.start if expected else None),
        "phase": row.phase,
        "estimate": row.estimate,
        "result": row.result,
    }


def show_checkpoint(row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row.id,
        "created_at": int(row.created_at),
        "fine_tuned_model_checkpoint": row.model,
        "fine_tuning_job_id": row.job,
        "metrics": row.metrics,
        "step_number": row.step,
        "expires_at": _whole(row.expires_at),
    }


def _method(row: Row) -> dict[str, Any]:
    """The method as it was asked for, with the hyperparameters that were used."""
    asked: dict[str, Any] = row.request.get("method") or {"type": "supervised"}
    body = dict(asked.get(asked["type"]) or {})
    return {"type": asked["type"], asked["type"]: {**body, "hyperparameters": row.hyperparameters}}


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
