"""Which tasks of lm-eval can be compared before and after a tune, and the scores of their documents.

A task is compared by the first of its metrics that is a mean over documents and says which way is better. Perplexities,
F1 and BLEU are made of all documents at once: of them no single document has a share that could be paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whet.errors import InputError, nearest
from whet.recipe.trust import is_task_file, refuse_foreign_function

WHERE = "forgetting.lm_eval"
UNPAIRED = "this task scores no single documents, so base and tuned cannot be paired"


@dataclass(frozen=True, slots=True)
class TaskScores:
    """The score of each document under its id."""

    metric: str
    higher_is_better: bool
    by_document: dict[str, float]


@dataclass(frozen=True, slots=True)
class PairedTask:
    """What base and tuned scored on the same documents, in the same order."""

    task: str
    metric: str
    higher_is_better: bool
    base: list[float]
    tuned: list[float]


def harness() -> Any:
    """The package. Raises InputError where it is not installed."""
    try:
        import lm_eval  # pyright: ignore[reportMissingImports]
        import lm_eval.api.metrics  # pyright: ignore[reportMissingImports]
        import lm_eval.api.model  # pyright: ignore[reportMissingImports]
        import lm_eval.tasks  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        fix = "pip install 'whet[lm-eval]', or leave forgetting.lm_eval out"
        raise InputError("tasks of lm-eval need the package lm-eval", where=WHERE, fix=fix) from error

    return lm_eval


def open_tasks(wanted: Sequence[str]) -> list[Any]:
    """The tasks with their data, in the order of `wanted`: names that lm-eval knows, or its own YAML files.

    Raises InputError for a task that is not known, a group of tasks, one whose data cannot be read, and one without a
    metric of single documents, and for a file that a run from elsewhere brings.
    """
    for task in filter(is_task_file, wanted):
        refuse_foreign_function(task)
    package = harness()
    folders = [str(Path(task).parent) for task in wanted if is_task_file(task)]

    manager = package.tasks.TaskManager(include_path=folders or None)
    for task in wanted:
        _refuse_unknown(task, manager)

    opened = []
    for task in wanted:
        found = _opened(task, manager)
        if not metrics_of(found):
            raise InputError(UNPAIRED, where=WHERE, value=task, fix="leave this task out")

        opened.append(found)

    return opened


def _refuse_unknown(task: str, manager: Any) -> None:
    name = name_of(task)
    if name in manager.all_subtasks:
        return
    if name in manager.all_tasks:
        what, fix = "this is a group of tasks, and each is compared by itself", "name its tasks: lm-eval ls subtasks"
        raise InputError(what, where=WHERE, value=task, fix=fix)

    fix = "give a name from `lm-eval ls tasks`, or a YAML file whose name is the task's"
    what = f"lm-eval knows no such task{nearest(name, manager.all_subtasks)}"
    raise InputError(what, where=WHERE, value=task, fix=fix)


def _opened(task: str, manager: Any) -> Any:
    name = name_of(task)
    try:
        return manager.load([name])["tasks"][name]
    except Exception as error:  # whatever a task's own code or a server of data sets may say
        said = (str(error).splitlines() or [type(error).__name__])[0]
        fix = "look at the task with `lm-eval validate`; its data is fetched from the Hub"
        raise InputError(f"lm-eval cannot open this task: {said}", where=WHERE, value=task, fix=fix) from error


def name_of(task: str) -> str:
    if is_task_file(task):
        return Path(task).stem
    return task


def metrics_of(task: Any) -> dict[str, bool]:
    """Whether higher is better, of each metric that is a mean over documents."""
    mean, aggregations = harness().api.metrics.mean, task.aggregation()
    return {
        name: higher
        for name, higher in task.higher_is_better().items()
        if isinstance(higher, bool) and aggregations.get(name) is mean
    }


def scores_of(task: str, samples: Sequence[dict[str, Any]], metrics: dict[str, bool]) -> TaskScores:
    """The first of `metrics` that every document has. Where a task reads answers in several ways (filters), the first.

    Raises InputError for a task without such a metric.
    """
    read = [sample for sample in samples if sample.get("filter") == samples[0].get("filter")]
    for name, higher in metrics.items():
        if read and all(isinstance(sample.get(name), int | float | np.number | np.bool_) for sample in read):
            return TaskScores(name, higher, {str(sample["doc_id"]): float(sample[name]) for sample in read})

    raise InputError(UNPAIRED, where=WHERE, value=task, fix="leave this task out")


def paired(base: dict[str, TaskScores], tuned: dict[str, TaskScores]) -> Iterator[PairedTask]:
    for task, before in base.items():
        after = tuned[task].by_document
        values, others = list(before.by_document.values()), [after[document] for document in before.by_document]
        yield PairedTask(task, before.metric, before.higher_is_better, values, others)
