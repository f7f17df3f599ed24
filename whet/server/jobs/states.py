"""The states of a job, and which of them are waiting, at work or over."""

from __future__ import annotations

VALIDATING, QUEUED, RUNNING, PAUSED = "validating_files", "queued", "running", "paused"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
WAITING = (VALIDATING, QUEUED)
OVER = (SUCCEEDED, FAILED, CANCELLED)
