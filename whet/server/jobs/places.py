"""Where a job's things are below the home of the service."""

from __future__ import annotations

from pathlib import Path


def job_folder(home: Path, job: str) -> Path:
    """Its files, its grader, its checkpoints."""
    return (home / "jobs" / job).absolute()


def run_root(home: Path, project: str) -> Path:
    """The runs of a project, each called as its job."""
    return (home / "runs" / project).absolute()


def run_folder(home: Path, project: str, job: str) -> Path:
    return run_root(home, project) / job


def content_of(home: Path, file: str) -> Path:
    return home / "files" / file


def checkpoint_folder(home: Path, job: str, step: int) -> Path:
    return job_folder(home, job) / "checkpoints" / f"step-{step}"


def report_of(home: Path, project: str, job: str) -> Path | None:
    """The page of a run that was evaluated."""
    page = run_folder(home, project, job) / "report.html"
    return page if page.is_file() else None
