"""The report of a run: one HTML file made from the run's plain files, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError

from whet.errors import HIDDEN, RunFolderError
from whet.reports import answer_cards as samples
from whet.reports import views as view
from whet.reports.chart import brief
from whet.reports.hints import Hints
from whet.reports.sections import classifier as head_view
from whet.reports.sections.beside import third_view
from whet.reports.sections.classes import classes_view
from whet.reports.sections.decision import effort, ship_view
from whet.reports.sections.learning_curve import curve_view
from whet.reports.sections.opponents import opponents_view, split_sheet
from whet.reports.sections.preferences import goal_view, pairs_view
from whet.reports.sections.training import charts, same_again
from whet.reports.sheet import pairs
from whet.store.atomic import write_text
from whet.store.reading import optional_json, read_lines
from whet.text.wording import capital, day, flatten, is_finite


class HasFolder(Protocol):
    """A whet.store.run.Run, or anything else with a folder of its layout."""

    @property
    def folder(self) -> Path: ...


def write_report(run: HasFolder) -> Path:
    """Writes report.html into the run's folder and returns its path.

    Files that the run does not have leave their section out. Raises RunFolderError for a damaged file, naming it,
    and when the folder holds nothing to report; DiskFullError when it does not fit.
    """
    folder = Path(run.folder)
    page = guarded("evaluation.json", folder, template().render, gather(folder))
    path = folder / "report.html"
    write_text(path, HIDDEN.sub("\ufffd", page))
    return path


def template(name: str = "report.html.j2") -> Any:
    """The compiled template, for one page; every value is escaped, and a missing one is an error, not an empty gap."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hints = Hints()
    environment.globals["hints_used"] = hints.used
    environment.filters |= {"brief": brief, "places": lambda value: f"{value:.2f}", **hints.filters()}
    return environment.get_template(name)


def gather(folder: Path) -> dict[str, Any]:
    """Everything that report.html.j2 needs, as plain values."""
    evaluation = optional_json(folder / "evaluation.json", {})
    metrics = read_lines(folder / "metrics.jsonl")
    if not evaluation and not metrics:
        raise RunFolderError("there is nothing to report yet", where=str(folder), fix="train or evaluate the run first")
    answers = guarded("evaluation.json", folder, answers_of, folder, evaluation)
    piles = guarded("answers.jsonl", folder, samples.choose, answers, opponent_labels(evaluation))
    ledger = optional_json(folder / "ledger.json", {}) or evaluation.get("ledger", {})
    values = {
        "name": evaluation.get("run") or folder.name,
        "facts": guarded("run.json", folder, head_facts, evaluation, optional_json(folder / "run.json", {})),
        "trouble": view.trouble(optional_json(folder / "status.json", {})),
        "ship": guarded("evaluation.json", folder, ship_view, evaluation),
        "effort": guarded("evaluation.json", folder, effort, evaluation),
        "opponents": guarded("evaluation.json", folder, opponents_view, evaluation),
        "verdict": guarded("evaluation.json", folder, view.verdict_view, evaluation),
        "tiles": guarded("evaluation.json", folder, view.tiles, evaluation, ledger),
        "goal": guarded("evaluation.json", folder, goal_view, evaluation),
        "split": guarded("evaluation.json", folder, split_sheet, evaluation),
        "preferences": guarded("evaluation.json", folder, pairs_view, evaluation),
        "classes": guarded("evaluation.json", folder, classes_view, evaluation),
        "parts": guarded("evaluation.json", folder, view.parts_view, evaluation),
        "calibration": guarded("evaluation.json", folder, head_view.calibration_view, evaluation),
        "thresholds": guarded("evaluation.json", folder, head_view.thresholds_view, evaluation),
        "wins": evaluation.get("wins"),
        "judge": evaluation.get("judge"),
        "sampling": evaluation.get("sampling"),
        "third": guarded("evaluation.json", folder, third_view, evaluation),
        "forgetting": guarded("evaluation.json", folder, view.forgetting_view, evaluation),
        "curve": guarded("curve.json", folder, curve_view, optional_json(folder / "curve.json", {}), evaluation),
        "charts": guarded("metrics.jsonl", folder, charts, metrics, evaluation.get("stopped") or {}),
        "answers": len(answers),
        "piles": piles,
        "shown": sum(len(pile.cards) for pile in piles),
        "ledger": guarded("ledger.json", folder, view.ledger_view, ledger),
        "choices": guarded("choices.json", folder, view.choices_view, optional_json(folder / "choices.json", [])),
        "recipe": read_text(folder / "recipe.resolved.yaml"),
        "selfcheck": pairs(flatten(optional_json(folder / "selfcheck.json", {})), ("check", "found")),
        "same_again": same_again(evaluation),
        "environment": pairs(flatten(optional_json(folder / "environment.json", {})), ("key", "value")),
    }
    return values | {"sections": sections(values)}


SECTIONS = {
    "opponents": ("opponents", "Opponents"),
    "verdict": ("difference", "Tuned against base"),
    "goal": ("goal", "The goal"),
    "split": ("form", "Content, form, loss"),
    "preferences": ("pairs", "Pairs"),
    "classes": ("classes", "Class by class"),
    "parts": ("parts", "Field by field"),
    "forgetting": ("cost", "What it cost elsewhere"),
    "piles": ("answers", "Answers"),
    "curve": ("more-data", "More data"),
    "calibration": ("calibration", "Confidence"),
    "thresholds": ("thresholds", "Thresholds"),
    "sampling": ("sampling", "Luck of the draw"),
    "wins": ("wins", "Win rate"),
    "judge": ("judge", "Judge"),
    "third": ("third", "Beside base and tuned"),
    "charts": ("training", "Training"),
    "ledger": ("ledger", "Rows"),
    "recipe": ("recipe", "Recipe"),
    "environment": ("checked", "Checks and machine"),
}
"""Of each value that makes a section: the anchor of the section, and its line in the list of contents, in order."""


def sections(values: dict[str, Any]) -> list[tuple[str, str]]:
    """(anchor, title) of the sections that the page has."""
    there = values | {
        "recipe": values["recipe"] or values["choices"],
        "environment": values["environment"] or values["selfcheck"],
    }
    return [place for key, place in SECTIONS.items() if there[key]]


def opponent_labels(evaluation: dict[str, Any]) -> dict[str, str]:
    """What the opponents are called, by their names."""
    against = (evaluation.get("verdict") or {}).get("against") or []
    return {entry["name"]: capital(entry["label"]) for entry in against}


def answers_of(folder: Path, evaluation: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of answers.jsonl; where probabilities are compared, those for which something was written too."""
    answers = read_answers(folder)
    return [one for one in answers if view.has_texts(one)] if view.compares_likelihoods(evaluation) else answers


def head_facts(evaluation: dict[str, Any], run: dict[str, Any]) -> list[str]:
    facts = [str(evaluation[key]) for key in ("model", "method") if evaluation.get(key)]
    if run.get("created"):
        facts.append(day(datetime.fromisoformat(run["created"])))
    return facts


def guarded(name: str, folder: Path, make: Callable[..., Any], *values: Any) -> Any:
    """What `make` gives. A file whose values are not of the documented kind is damaged, and named."""
    try:
        return make(*values)
    except (KeyError, TypeError, ValueError, AttributeError, UndefinedError) as error:
        raise RunFolderError(
            f"this file does not have the layout of a run: {error!r}",
            where=str(folder / name),
            fix="write it again: whet eval RUN",
        ) from error


def read_answers(folder: Path) -> list[dict[str, Any]]:
    path = folder / "answers.jsonl"
    answers = read_lines(path)
    for number, answer in enumerate(answers, 1):
        for key in ("base_score", "tuned_score"):
            score = answer.get(key) if isinstance(answer, dict) else None
            if not is_finite(score):
                raise RunFolderError(f"{key!r} must be a number", where=f"{path}:{number}", value=score)
    return answers


def read_text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.exists() else ""
