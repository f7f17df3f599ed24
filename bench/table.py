"""RESULTS.md: the goals, then each task with its sides, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from bench.arithmetic import Line, Outcome, Side, Spread, disagreement, outcome, sides_of
from bench.tasks import Task

COLUMNS = {
    "tokens_per_second": "tokens/s",
    "answers_per_second": "answers/s",
    "share_of_limit": "share of limit",
    "peak_memory_bytes": "peak memory, MB",
    "first_step_seconds": "first step after, s",
    "import_seconds": "imports, s",
    "memory_growth": "memory x",
    "gflops_bfloat16": "bfloat16 GFLOP/s",
    "gflops_float32": "float32 GFLOP/s",
}
SCALE = {"peak_memory_bytes": 1e-6, "share_of_limit": 100.0}
CURVES = "losses.svg"


def results(tasks: Sequence[Task], lines: Sequence[Line], machine: dict[str, str]) -> str:
    """The whole page. Tasks without a line are left out."""
    measured = [(task, sides) for task in tasks if (sides := sides_of(task, lines))]
    parts = [
        "# Results",
        "Written by `make bench`; what the words mean stands in [README.md](README.md). Every number is the median of "
        "its repeats, each in a process of its own, the sides in turn.",
        table(["", ""], [[key, value] for key, value in machine.items()]),
        "## Goals",
        "A ratio is Whet's number divided by the peer's, the hardest peer of those named below.",
        _goals(measured),
        f"![Loss curves of all sides]({CURVES})",
    ]
    for task, sides in measured:
        parts += [f"## {task.title}", _sides(task, list(sides.values())), *_agreement(task, sides)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _goals(measured: Sequence[tuple[Task, dict[str, Side]]]) -> str:
    rows = []
    for task, sides in measured:
        for goal in task.goals:
            found = outcome(task, goal, sides)
            rows.append([task.title, goal.text, _value(found), _word(found)])
    return table(["task", "goal", "measured", "met"], rows) if rows else ""


def _value(found: Outcome) -> str:
    if found.value is None:
        return "-"
    if found.goal.against:
        return f"{found.value:.2f} x"
    return number(found.goal.measure, found.value)


def _word(found: Outcome) -> str:
    word = {None: "not measured", True: "met", False: "not met"}[found.met]
    return f"{word}: {found.reason}" if found.reason else word


def _sides(task: Task, sides: Sequence[Side]) -> str:
    keys = [key for key in COLUMNS if any(key in side.spreads for side in sides)]
    head = ["side", *(COLUMNS[key] for key in keys), "repeats", "settings"]
    rows = []
    for side in sides:
        cells = [spread_text(key, side.spreads[key]) if key in side.spreads else "-" for key in keys]
        rows.append([side.name, *cells, str(next(iter(side.spreads.values())).count), side.settings])
    return table(head, rows)


def spread_text(key: str, spread: Spread) -> str:
    """Median, and lowest to highest where there is more than one."""
    middle = number(key, spread.median)
    if spread.count == 1:
        return middle
    return f"{middle} ({number(key, spread.low)} to {number(key, spread.high)})"


def number(key: str, value: float) -> str:
    value *= SCALE.get(key, 1.0)
    unit = "%" if key == "share_of_limit" else ""
    digits = 0 if abs(value) >= 100 else 2 if abs(value) < 10 else 1
    return f"{value:,.{digits}f}{unit}"


def _agreement(task: Task, sides: dict[str, Side]) -> list[str]:
    """What the loss curves have to do with each other, in sentences."""
    curves = [side for side in sides.values() if side.losses]
    if len(curves) < 2:
        return []
    first, *rest = curves
    said = [
        f"{other.name} {100 * disagreement(first.losses, other.losses):.3f}% ({first.losses[-1]:.4f} and "
        f"{other.losses[-1]:.4f} at the end)"
        for other in rest
    ]
    allowed = f"{100 * task.tolerance:g}% is allowed"
    same = f"{len(first.losses)} steps of {task.batch} {'pairs' if task.method == 'dpo' else 'rows'}, same token ids"
    return [f"Losses, {same}: largest difference from {first.name} at a step: {'; '.join(said)}; {allowed}."]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
