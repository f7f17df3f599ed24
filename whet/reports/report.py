"""The report of a run: one HTML file made from the run's plain files, without scripts and without a network.

This is the frame; what stands in it are the sections (whet/reports/sections/).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from jinja2 import Environment
from markupsafe import Markup

from whet.errors import HIDDEN, RunFolderError
from whet.evaluation.facts import Evaluation
from whet.reports.page import naming_damaged_file, templates_of_a_page
from whet.reports.run_files import RunFiles
from whet.reports.section import Section
from whet.reports.section_list import on_page, templates
from whet.store.atomic import write_text
from whet.store.run import RunFacts
from whet.text.wording import day


class HasFolder(Protocol):
    """A whet.store.run.Run, or anything else with a folder of its layout."""

    @property
    def folder(self) -> Path: ...


def write_report(run: HasFolder) -> Path:
    """Writes report.html into the run's folder and returns its path.

    Files that the run does not have leave their section out. Raises RunFolderError for a damaged file, naming it,
    and when the folder holds nothing to report; DiskFullError when it does not fit.
    """
    path = Path(run.folder) / "report.html"
    write_text(path, HIDDEN.sub("\ufffd", page(RunFiles(path.parent))))
    return path


def page(files: RunFiles) -> str:
    """The frame around all sections that the run's files fill."""
    evaluation, folder = files["evaluation.json"], files.folder
    if not evaluation and not files["metrics.jsonl"]:
        raise RunFolderError("there is nothing to report yet", where=str(folder), fix="train or evaluate the run first")

    facts = naming_damaged_file("run.json", folder, head_facts, evaluation, files["run.json"])
    name = evaluation.get("run") or folder.name
    environment = templates_of_a_page()
    drawn = draw_page(files, environment, name)
    rest = {section: html for section, html in drawn.items() if section.title}
    values = {
        "name": name,
        "facts": facts,
        "first": [html for section, html in drawn.items() if not section.title],
        "rest": list(rest.values()),
        "sections": [(section.key, section.title) for section in rest],
    }

    return naming_damaged_file("evaluation.json", folder, environment.get_template("report.html.j2").render, values)


def draw_page(files: RunFiles, environment: Environment, run: str) -> dict[Section, Markup]:
    """The HTML of all sections of a page that the run's files fill: those without a title first."""
    above = [section for section in on_page() if not section.title]
    listed = [section for section in on_page() if section.title]
    first = draw_all(above, files, environment, run)
    for section in listed:  # before any is drawn: a literal word with a hint gets its place at the end of the page now
        environment.get_template(templates()[section])
    return first | draw_all(listed, files, environment, run)


def draw_all(sections: list[Section], files: RunFiles, environment: Environment, run: str) -> dict[Section, Markup]:
    """The HTML of the sections that the run's files fill, in their order."""
    drawn = {section: draw(section, files, environment, run) for section in sections}
    return {section: html for section, html in drawn.items() if html}


def draw(section: Section, files: RunFiles, environment: Environment, run: str) -> Markup:
    """The HTML of a section, without newlines at its end; empty where the run's files do not fill it."""
    first, *_ = section.reads
    view = naming_damaged_file(first, files.folder, section.view, *files.all(section.reads))
    if not view:
        return Markup("")
    template = environment.get_template(templates()[section])
    html = naming_damaged_file(first, files.folder, template.render, {"view": view, "run": run})
    return Markup(html.rstrip("\n"))


def head_facts(evaluation: Evaluation, run: RunFacts) -> list[str]:
    """Base, method and day of a run."""
    facts = [str(fact) for fact in (evaluation.get("model"), evaluation.get("method")) if fact]
    if created := run.get("created"):
        facts.append(day(datetime.fromisoformat(created)))
    return facts
