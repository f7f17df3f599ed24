"""From the logged requests of a big model: which of its workloads a small one can do, and what that would save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from whet.errors import DataError, InputError, count, nearest
from whet.monitoring.alarm import written_time
from whet.monitoring.logs.reading import ReadLog, read_log
from whet.monitoring.trace import Trace
from whet.observer import Observer, Silent
from whet.recipe.bases import refuse_missing_base
from whet.recipe.keywords import in_python
from whet.reports.result import FlywheelResult
from whet.store.run import DEFAULT_ROOT
from whet.text.normalise import one_line
from whet.verbs.choosing.workload_run import Asked, Outcome, compared, recipe_for, refuse_keys
from whet.verbs.monitor import of_model
from whet.verbs.plan import plan as plan_of
from whet.workloads.advice import Advice, advise
from whet.workloads.redaction import redacted
from whet.workloads.savings import Judged, advice_of, savings_of, sentence_of
from whet.workloads.task import Task, task_of
from whet.workloads.volume import Prices, Volume, volume_of
from whet.workloads.workload import Workload, find_workloads

AGREEMENT, MOST = 0.9, 2000
MACHINE_USD_PER_HOUR = 0.10
"""Of a machine of two cores; a convention to change, not a measurement."""
SHOWN = 300
"""Letters of an example."""
LEFT = "left"
Logs = Path | str | Sequence[Path | str] | Sequence[Trace]


@in_python
def flywheel(
    logs: Logs,
    base: str = "nano",
    agreement: float = AGREEMENT,
    most: int = MOST,
    only: str | Sequence[str] | None = None,
    workloads: bool = False,
    plan: bool = False,
    price_in: float | None = None,
    price_out: float | None = None,
    machine_usd_per_hour: float = MACHINE_USD_PER_HOUR,
    model: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> FlywheelResult:
    """Finds the workloads of a log, compares for each what a small base can do with what the big model answered, and
    says what is enough. The same call again goes on, or returns what is done.

    `logs` are files in the forms of whet/monitoring/logs, or traces. `agreement` is the share of answers that must be
    the big model's, `most` the rows of a workload at most, `only` the ids of workloads, `model` the name that requests
    went to. With `workloads` they are only listed, with `plan` it is told how long each would take. Prices are of the
    big model, in dollars a million tokens. Keys of the recipe are keywords; `out` is another name of `run_root`.

    Raises DataError for a log that cannot be read, InputError for what is asked and not there.
    """
    observer = observer or Silent()
    _refuse_bounds(agreement, most, machine_usd_per_hour)
    refuse_keys(overrides)
    refuse_missing_base(base)
    prices = _prices(price_in, price_out)
    asked = Asked(base, Path(run_root if out is None else out), machine_usd_per_hour, overrides)

    observer.phase("reading the log")
    read = _read(logs)
    traces = of_model(read, model, "--model", "LOGS")
    observer.phase("finding workloads", len(traces))
    found = _chosen(find_workloads(traces), only)
    metric = _metric(overrides)

    entries, judged = [], []
    for workload in found:
        observer.phase(f"cleaning workload {workload.id}", len(workload.traces))
        task, volume = task_of(workload, most, agreement, metric), volume_of(workload.traces, prices)
        entry = _listed(task, volume, len(traces))
        if task.left is None and plan:
            entry["plan"] = _planned(task, asked, observer)
        elif task.left is None and not workloads:
            entry |= _judged(task, volume, asked, agreement, observer)
            judged.append(Judged(volume, entry.pop("_seconds")))
        entries.append(entry)
    observer.done()

    whole = volume_of(traces, prices)
    facts = {"log": _log_facts(read, traces, whole), "goal": agreement, "base": base, "workloads": entries}
    if not (workloads or plan):
        savings = savings_of(whole, judged, machine_usd_per_hour)
        facts |= {"savings": savings, "advice": advice_of(judged, savings)}
        facts["sentence"] = sentence_of(whole, judged, savings)
    return FlywheelResult(facts | {"machine_usd_per_hour": machine_usd_per_hour})


def _judged(task: Task, volume: Volume, asked: Asked, goal: float, observer: Observer) -> dict[str, Any]:
    """The comparison's part of an entry; `_seconds` are those of an answer of the way that is enough."""
    observer.note(f"workload {task.workload.id}: {count(len(task.split.train), 'row')} to learn from")
    try:
        outcome = compared(task, asked, observer)
    except DataError as error:
        return {"advice": LEFT, "reason": f"the base cannot learn it: {error.what}", "_seconds": None}

    advice = advise(outcome.ways, goal, volume.usd_per_1000)
    seconds = {way["name"]: way["seconds_per_answer"] for way in outcome.ways}
    return {
        "arms": outcome.ways,
        "metric": outcome.metric,
        "advice": advice.word,
        "way": advice.way,
        "reason": _reason(advice, outcome),
        "run": outcome.run,
        "_seconds": None if advice.way is None else seconds[advice.way],
    }


def _reason(advice: Advice, outcome: Outcome) -> str:
    if advice.way == "tuned" and outcome.caution:
        return f"{advice.reason}. The run says of it: {outcome.caution}"
    return advice.reason


def _listed(task: Task, volume: Volume, requests: int) -> dict[str, Any]:
    workload, rows = task.workload, task.rows
    return {
        "id": workload.id,
        "system": redacted(workload.system),
        "systems": workload.systems,
        "label": workload.label,
        "tools": workload.tools,
        "requests": volume.requests,
        "share": volume.requests / requests,
        "tokens_in": volume.tokens_in,
        "tokens_out": volume.tokens_out,
        "seconds": volume.seconds,
        "usd": volume.usd,
        "usd_per_1000": volume.usd_per_1000,
        "priced_by": volume.priced_by,
        "example": _example(workload),
        "rows": task.split.counts(),
        "corrected_test_rows": task.corrected_tests,
        "ordered_by": "time" if rows.timed else "lines",
        "left_out": {why: number for why, number in rows.left_out.most_common() if number},
        "contradicted": rows.contradicted,
        "contradictions": rows.contradictions,
        "repeated": rows.repeated,
        "same_answer": rows.same_answer,
        "arms": [],
        "advice": LEFT if task.left else None,
        "reason": task.left,
        "run": None,
    }


def _example(workload: Workload) -> str:
    asked = next((trace.asked for trace in workload.traces if trace.asked.strip()), "")
    return one_line(redacted(asked))[:SHOWN]


def _planned(task: Task, asked: Asked, observer: Observer) -> dict[str, Any]:
    found = plan_of(recipe_for(task, asked), run_root=asked.run_root, observer=observer)
    return {key: found[key] for key in ("fits", "seconds", "memory", "available", "time")}


def _read(logs: Logs) -> ReadLog:
    """All of the logs as one, in the order of time where all requests have one."""
    if isinstance(logs, str | Path):
        return read_log(Path(logs))
    given: list[Any] = list(logs)
    if all(isinstance(one, Trace) for one in given):
        if not given:
            raise InputError("there are no requests to look at", where="LOGS", fix="give a log, or traces")
        return ReadLog(given, "traces", 0, "")

    read = [read_log(Path(one)) for one in given]
    traces = [trace for one in read for trace in one.traces]
    first = next((one.first_unread for one in read if one.first_unread), "")
    forms = ", ".join(dict.fromkeys(one.form for one in read))
    return ReadLog(traces, forms, sum(one.unread for one in read), first)


def _chosen(found: list[Workload], only: str | Iterable[str] | None) -> list[Workload]:
    if only is None:
        return found
    wanted = [only] if isinstance(only, str) else list(only)
    known = {workload.id for workload in found}
    for one in wanted:
        if one not in known:
            fix = "list the workloads with: whet flywheel LOGS --workloads"
            raise InputError(f"there is no such workload{nearest(one, known)}", where="--only", value=one, fix=fix)
    return [workload for workload in found if workload.id in wanted]


def _log_facts(read: ReadLog, traces: Sequence[Trace], whole: Volume) -> dict[str, Any]:
    times = [trace.at for trace in traces if trace.at is not None]
    models: dict[str, int] = {}
    for trace in traces:
        models[trace.model or "unknown"] = models.get(trace.model or "unknown", 0) + 1
    return {
        "form": read.form,
        "requests": len(traces),
        "unread": read.unread,
        "first_unread": read.first_unread or None,
        "from": written_time(min(times, default=None)),
        "until": written_time(max(times, default=None)),
        "days": whole.days,
        "models": models,
        "usd": whole.usd,
    }


def _prices(price_in: float | None, price_out: float | None) -> Prices | None:
    """Raises InputError for one price without the other, or a negative one."""
    if price_in is None and price_out is None:
        return None
    if price_in is None or price_out is None:
        where = "--price-out" if price_out is None else "--price-in"
        raise InputError("one price is given without the other", where=where, fix="give both, in dollars a million")
    if price_in < 0 or price_out < 0:
        raise InputError("a price is negative", where="--price-in, --price-out", value=min(price_in, price_out))
    return Prices(price_in, price_out)


def _metric(overrides: dict[str, Any]) -> str:
    """The metric that is asked for, as a key or within its group."""
    group = overrides.get("evaluate")
    within = group.get("metric", "auto") if isinstance(group, Mapping) else "auto"
    return str(overrides.get("evaluate.metric", within))


def _refuse_bounds(agreement: float, most: int, machine: float) -> None:
    if not 0 < agreement < 1:
        what = "an agreement lies between 0 and 1, both left out: no number of rows shows 1"
        raise InputError(what, where="--agreement", value=agreement, fix="as in --agreement 0.9")
    if most < 1:
        raise InputError("there must be a row to learn from", where="--most", value=most, fix="as in --most 2000")
    if machine < 0:
        raise InputError("a price is negative", where="--machine-usd-per-hour", value=machine, fix="as in 0.1")
