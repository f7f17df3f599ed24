"""What the checks find in the data of a run: told before the training, kept for the verdict, repaired on demand."""

from __future__ import annotations

from pathlib import Path

from whet.data.source import Source
from whet.doctor.check import Check, CheckContext
from whet.doctor.check_registry import LeakedRows, all_checks, leak_checks, leaks_of
from whet.doctor.examination import examine_source
from whet.doctor.repair import Repair, repair
from whet.observer import Observer, counted
from whet.recipe.schema import Recipe
from whet.stats.paired import cluster_sizes
from whet.training.session import Session
from whet.types import Finding

LEAKS = "leaks.json"
MANY_ROWS = 20_000
"""A pass of the leak checks over more rows than these takes longer than anybody waits for a first step."""


def report_findings(session: Session, observer: Observer) -> None:
    """Before anything is trained: what of the rows to be learned may give test rows away, and what is wrong with pairs
    and marks. Where rows are many the first is left for the verdict, so that the first step need not wait for it."""
    source = session.source
    if not source.plain_text:
        every = source.shape.paired or source.shape.kind == "unpaired"
        if not every and len(source.ledger) > MANY_ROWS:
            return

        checks = all_checks() if every else leak_checks()
        for finding in run_checks(session.recipe, source, checks, observer):
            observer.note(f"{finding.severity}: {finding.message} (whet check --explain {finding.code})")
        session.run.write_json(LEAKS, leaks_of(checks))


def leaks_of_run(session: Session, observer: Observer) -> LeakedRows:
    """The facts of leaks.json, found now where no tune has."""
    if not (session.run.folder / LEAKS).exists():
        checks = leak_checks()
        run_checks(session.recipe, session.source, checks, observer)
        session.run.write_json(LEAKS, leaks_of(checks))
    return session.run.read_json(LEAKS, "test_rows", "codes")


def run_checks(
    recipe: Recipe, source: Source, checks: list[Check], observer: Observer, against: tuple[str, ...] = ()
) -> list[Finding]:
    """What the checks find in the data of a recipe whose `max_tokens` is settled."""
    ledger, renderer = source.ledger, source.renderer
    observer.phase("checking the rows")
    setting = CheckContext(
        recipe,
        renderer.tokenizer,
        recipe.max_tokens,
        part_of=lambda row: ledger.entry(row).fate or "dropped",
        reason_of=lambda row: ledger.entry(row).reason,
        shape=source.shape,
        against=against,
        where_of=lambda row: ledger.entry(row).where,
        test_clusters=cluster_sizes(source.test_rows),
    )

    return examine_source(recipe, source.shape, checks, setting, counted(observer, len(ledger)))


def write_repaired(recipe: Recipe, source: Source, checks: list[Check], out: Path, observer: Observer) -> Repair:
    """A new file without what these checks, which have seen all rows, can repair."""
    rows = len(source.ledger)
    observer.phase("writing the repaired rows", rows)
    return repair(recipe, source.shape, checks, out, counted(observer, rows))
