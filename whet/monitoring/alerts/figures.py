"""What a watch has seen, as numbers for Prometheus: a file that node_exporter reads, and the service's /metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whet.errors import RunFolderError
from whet.store.atomic import write_json, write_text
from whet.store.reading import read_json_file

if TYPE_CHECKING:  # the service, which shows the numbers, computes none: it needs no statistics
    from whet.monitoring.alarm import Question, Seen

HELP = {
    "alarm": "1 where the question has an alarm that nobody has acknowledged, else 0.",
    "watched": "1 where the question can be looked at, else 0.",
    "alarms_waiting": "Messages of alarms that no webhook has taken yet.",
    "requests": "Requests that were looked at.",
    "last_pass_timestamp_seconds": "When the last pass ended, in seconds since 1970.",
}
BY_QUESTION = ("alarm", "watched")
"""Of each question; the others are of the model."""
PREFIX = "whet_monitor_"
FILE = "figures.json"


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


def figures_of(
    model: str, seen: dict[Question, Seen], alarmed: Iterable[str], requests: int, waiting: int, now: float
) -> list[Figure]:
    """`alarmed` are the questions that have an alarm."""
    alarmed, found = set(alarmed), []
    for question, one in seen.items():
        labels = {"model_name": model, "question": question}
        found.append(Figure("alarm", float(question in alarmed), labels))
        found.append(Figure("watched", float(one.watched), labels))
    numbers = {"alarms_waiting": waiting, "requests": requests, "last_pass_timestamp_seconds": now}
    return [*found, *(Figure(name, float(value), {"model_name": model}) for name, value in numbers.items())]


def write_figures(folder: Path, figures: Iterable[Figure]) -> None:
    """Beside the state, for the service. Raises DiskFullError or RunFolderError."""
    write_json(folder / FILE, {"figures": [asdict(figure) for figure in figures]})


def read_figures(home: Path) -> Iterator[Figure]:
    """Of all watches whose states lie in a folder. What cannot be read is passed over: a page of numbers is no place
    for errors, and `whet watch` says them."""
    for path in sorted(home.glob(f"*/{FILE}")):
        with suppress(RunFolderError, TypeError, KeyError, ValueError):
            yield from [_figure(told) for told in read_json_file(path, "figures")["figures"]]


def _figure(told: dict[str, Any]) -> Figure:
    """Raises TypeError, KeyError or ValueError for what is none."""
    labels = {"model_name": str(told["labels"]["model_name"])}
    if told["name"] in BY_QUESTION:
        labels["question"] = str(told["labels"]["question"])
    if told["name"] not in HELP:
        raise KeyError(told["name"])
    return Figure(told["name"], float(told["value"]), labels)


def write_textfile(path: Path, figures: list[Figure]) -> None:
    """The text format of Prometheus, whole or not at all. Raises DiskFullError or RunFolderError."""
    lines = []
    for name, text in HELP.items():
        lines += [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} gauge"]
        lines += [_line(figure) for figure in figures if figure.name == name]
    write_text(path, "\n".join(lines) + "\n")


def _line(figure: Figure) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in figure.labels.items())
    return f"{PREFIX}{figure.name}{{{labels}}} {_number(figure.value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
