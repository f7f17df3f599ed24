"""What is shown of runs: those of the project's jobs, and those of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Row, select

from whet.server.database.opening import Database
from whet.server.database.tables import files, jobs
from whet.server.errors import ApiError
from whet.server.jobs.children.metrics import Step, read_steps
from whet.server.jobs.events import list_events
from whet.server.jobs.records import find_job
from whet.server.jobs.schedule import Expected, expected_times
from whet.server.jobs.states import OVER, PAUSED, QUEUED, RUNNING, WAITING
from whet.store.index import RunSummary
from whet.store.run import METRICS, WORKING, ChoiceFacts, Run
from whet.text.numbers import format_score
from whet.web.asked import Asked

A_PAGE, EVENTS, POINTS = 50, 40, 1200
"""Runs on a page of the list, lines of a run's log, and points of a curve."""
Order = Literal["created", "name", "status", "method", "base", "tuned_score", "verdict"]
TONES = {"better": "better", "worse": "worse", "undecided": "undecided", "done": "kept", "succeeded": "kept",
         "failed": "lost", "cancelled": "", "interrupted": "lost"}  # fmt: skip
CURVES = {
    "loss": (("train_loss", "training loss"), ("valid_loss", "validation loss")),
    "reward": (("reward", "reward"), ("validation_reward", "validation reward")),
    "KL": (("kl", "KL"), ("kl_to_base", "KL to the base")),
    "length": (("answer_tokens", "answer tokens"),),
    "rate": (("learning_rate", "learning rate"),),
}
"""Plots, each with the measures that it may draw and what they are called."""


@dataclass(slots=True)
class RunPage:
    """A run, a job, or a job with the run that it made."""

    name: str
    title: str
    state: str
    is_over: bool
    job: Row | None = None
    run: Run | None = None
    steps: list[Step] = field(default_factory=list)
    total: int | None = None
    expected: Expected | None = None
    log: list[Row] = field(default_factory=list)
    error: str = ""

    @property
    def tone(self) -> str:
        return TONES.get(self.state, "")

    @property
    def acts(self) -> list[str]:
        """What may be done with a job now."""
        state = self.job.state if self.job else ""
        may = {QUEUED: ["pause", "cancel"], RUNNING: ["pause", "cancel"], PAUSED: ["resume", "cancel"]}
        return may.get(state, ["cancel"] if state in WAITING else [])

    @property
    def has_verdict(self) -> bool:
        """Once it is over: what answers is not there before."""
        return self.is_over and self.run is not None and (self.run.folder / "evaluation.json").is_file()

    @property
    def last(self) -> dict[str, Any]:
        return self.steps[-1].training if self.steps else {}

    @property
    def seconds_left(self) -> float | None:
        """Of the steps alone, by how long those before took."""
        if not self.steps or not self.total or self.is_over:
            return None
        taken = [step.training.get("seconds", 0.0) for step in self.steps[-20:]]
        return max(0, self.total - self.steps[-1].number) * sum(taken) / len(taken)


def page_of(asked: Asked, name: str) -> RunPage:
    """Raises ApiError 404."""
    job = job_of(asked, name)
    try:
        run = asked.run(name)
    except ApiError:
        if job is None:
            raise
        run = None
    if job is not None:
        state, is_over = state_of(job), job.state in OVER
    else:
        assert run is not None
        state, is_over = run.status, run.status not in WORKING
    title = titles(asked, [name]).get(name, name)
    page = RunPage(name, title, state, is_over, job, run)
    if run is not None:
        page.steps = read_steps(run.folder / METRICS)
        page.total = run.recipe.steps or None
        page.error = str(run.status_facts().get("error") or run.status_facts().get("reason") or "")
    if job is not None:
        _add_job(asked.service.database, page, job, asked.service.workers.at_once)
    return page


def titles(asked: Asked, names: Sequence[str]) -> dict[str, str]:
    """Of jobs: the name that each was given, or else what learns from what."""
    columns = (jobs.c.id, jobs.c.suffix, jobs.c.model, files.c.filename)
    query = select(*columns).join(files, files.c.id == jobs.c.training_file)
    query = query.where(jobs.c.project == asked.caller.project, jobs.c.id.in_(names))
    with asked.service.database.read() as connection:
        return {row.id: row.suffix or f"{row.model} on {row.filename}" for row in connection.execute(query)}


def job_of(asked: Asked, name: str) -> Row | None:
    """None for a run of the command line, and for what is neither."""
    with asked.service.database.read() as connection, suppress(ApiError):
        return find_job(connection, asked.caller.project, name)
    return None


def state_of(job: Row) -> str:
    """In a word for people."""
    words = {**dict.fromkeys(WAITING, "waits"), RUNNING: job.phase or "starts"}
    return words.get(job.state, job.state)


def _add_job(database: Database, page: RunPage, job: Row, workers: int) -> None:
    page.log, _ = list_events(database, job.id, EVENTS, None)
    told = next((row.data for row in page.log if row.type == "metrics"), None)
    page.total = (told or {}).get("total_steps") or page.total
    if job.error:
        page.error = str(job.error.get("message", ""))
    if not page.is_over:
        with database.read() as connection:
            page.expected = expected_times(connection, workers, database.now(connection)).get(job.id)


def choices_of(run: Run | None) -> list[ChoiceFacts]:
    return run.choices() if run is not None and (run.folder / "choices.json").is_file() else []


def curves(steps: list[Step]) -> list[dict[str, Any]]:
    """Plots with what was measured: [{name, x, lines: [{label, y}]}]. Of many steps every n-th."""
    thinned = steps[:: max(1, len(steps) // POINTS)]
    if steps and thinned[-1] is not steps[-1]:
        thinned.append(steps[-1])
    found = []
    for name, measures in CURVES.items():
        lines = []
        for key, label in measures:
            values = [_measure(step, key) for step in thinned]
            if any(value is not None for value in values):
                lines.append({"label": label, "y": values})
        if lines:
            found.append({"name": name, "x": [step.number for step in thinned], "lines": lines})
    return found


def _measure(step: Step, key: str) -> float | None:
    value = step.metrics().get(key, step.training.get(key, step.validation.get(key)))
    return float(value) if isinstance(value, int | float) else None


# ---- the list


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    title: str
    state: str
    tone: str
    created: str
    method: str
    base: str
    score: str
    verdict: str

    @property
    def words(self) -> str:
        """What a filter looks for."""
        return f"{self.name} {self.title} {self.base} {self.method} {self.verdict}".lower()


def listed(asked: Asked, order: Order, down: bool, text: str) -> list[Listed]:
    """All runs that they may see, as the index has them, with jobs that have made none yet before them."""
    runs = asked.runs()
    known = {run.name for run in runs}
    if order != "created":
        runs.sort(key=lambda run: _key(run, order), reverse=down)
    elif not down:
        runs.reverse()
    rows = [*_jobs_without_runs(asked, known), *map(_row, runs)]
    if order == "created" and down:  # what is at work stands first
        rows.sort(key=lambda row: row.state in WORKING, reverse=True)
    return [row for row in rows if text.lower() in row.words]


def _key(run: RunSummary, order: Order) -> tuple[bool, Any]:
    value = getattr(run, order)
    return value is not None, value if value is not None else ""


def _jobs_without_runs(asked: Asked, known: set[str]) -> list[Listed]:
    query = select(jobs).where(jobs.c.project == asked.caller.project, jobs.c.state.not_in(OVER))
    with asked.service.database.read() as connection:
        rows = connection.execute(query.order_by(jobs.c.created_at.desc())).all()
    found = []
    for row in rows:
        if row.id not in known:
            found.append(Listed(row.id, row.suffix or row.id, state_of(row), "", "", "", row.model, "", ""))
    return found


def _row(run: RunSummary) -> Listed:
    tone = TONES.get(run.verdict or run.status, "")
    state, verdict = run.problem or run.status, run.verdict or ""
    return Listed(run.name, run.name, state, tone, run.created, run.method, run.base, score_of(run), verdict)


def score_of(run: RunSummary) -> str:
    return "" if run.tuned_score is None else format_score(run.tuned_score, run.scale)
