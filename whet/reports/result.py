"""What the verbs give to Python: the dictionary that `--json` prints, which can be read at a glance.

result = whet.tune("tickets.jsonl")
result                      # a few lines; in a notebook a table and the loss curve
result["verdict"]["word"]   # the stable keys of --json
result.verdict["word"]      # the same
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whet.errors import InputError, WhetError, count, nearest, without_hidden
from whet.evaluation.decision import cost_sentence
from whet.reports import frontier_chart
from whet.reports.curve_picture import svg as curve_svg
from whet.reports.picture import Picture, draw, safe
from whet.reports.sections.making import training as training_view
from whet.store.reading import read_lines
from whet.text.normalise import one_line
from whet.text.numbers import format_change, format_change_range, format_metric_name, format_range, format_score
from whet.text.wording import format_effort

if TYPE_CHECKING:
    from whet.data.ledger import LedgerFacts
    from whet.evaluation.facts import (
        Decision,
        DifferenceFacts,
        ForgettingFacts,
        MetricFacts,
        OpponentFacts,
        SideFacts,
        VerdictFacts,
    )
    from whet.evaluation.studies.frontier import FrontierFacts
    from whet.evaluation.studies.learning_curve import CurveFacts

Fact = tuple[str, str]
"""What it is called, and what it is, for people."""
Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads of columns, and rows of cells."""
WIDEST = 24
"""Letters of a fact's name, so that a long one does not push all others to the right."""
STYLE = "border-collapse:collapse;text-align:left;margin:4px 0"
CELL = "padding:2px 14px 2px 0;text-align:left;vertical-align:top"


class Result(dict[str, Any]):
    """A dictionary whose keys are attributes, too, and which says what is in it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no key {name!r}{nearest(name, map(str, self))}") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *map(str, self)})

    def title(self) -> str:
        """The first line: what this is the result of."""
        return type(self).__name__.removesuffix("Result").lower()

    def facts(self) -> list[Fact]:
        """What to know of it, most important first; here every key that holds one value."""
        plain = {key: value for key, value in self.items() if isinstance(value, str | int | float)}
        return [(key.replace("_", " "), _plain(value)) for key, value in plain.items()]

    def table(self) -> Table | None:
        """The parts of it that are compared with each other, where there are such."""
        return None

    def picture(self) -> Picture | None:
        """What a notebook shows below the words."""
        return None

    def __repr__(self) -> str:
        facts = self.facts()
        wide = min(WIDEST, max((len(name) for name, _ in facts), default=0))
        lines = [self.title(), *(f"  {name:<{wide}}  {words}" for name, words in facts), *_table_lines(self.table())]
        return without_hidden("\n".join(lines))

    __str__ = __repr__

    def _repr_html_(self) -> str:
        facts, picture = "".join(map(_row_html, self.facts())), self.picture()
        inside = f'<table style="{STYLE}">{facts}</table>{_table_html(self.table())}{picture.svg if picture else ""}'
        return f'<div class="whet-result"><b>{safe(self.title())}</b>{inside}</div>'


class RunResult(Result):
    """Of tune, train and evaluate."""

    if TYPE_CHECKING:
        run: str
        model: str
        method: str
        ledger: LedgerFacts
        seconds: float
        tokens_per_second: float
        peak_memory_bytes: int
        metric: MetricFacts
        base: SideFacts
        tuned: SideFacts
        difference: DifferenceFacts
        verdict: VerdictFacts
        forgetting: ForgettingFacts
        ship: Decision
        report: str

    def __init__(self, facts: Mapping[str, Any], folder: Path) -> None:
        super().__init__(facts)
        self.folder = folder
        """The run's."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self.folder)

    def title(self) -> str:
        return f"run {self['run']}: {(self.get('verdict') or {}).get('word', 'not measured')}"

    def facts(self) -> list[Fact]:
        found = [("method", f"{self['method']} on {self['model']}"), *self._scores()]
        ledger, rest = self["ledger"], (self["ledger"].get("held_out") or {})
        held, dropped = sum(rest.values()), sum(ledger["dropped"].values())
        rows = f"{ledger['rows_in']:,}: {ledger['trained']:,} trained, {held:,} held out, {dropped:,} dropped"
        found += [("rows", rows), ("effort", format_effort(self))]
        return [*found, ("report", self["report"]) if self.get("report") else ("folder", str(self.folder))]

    def _scores(self) -> list[Fact]:
        if not self.get("verdict"):
            return []
        scale = self["difference"].get("scale")
        found = [("verdict", self["verdict"]["sentence"].replace(cost_sentence(self), ""))]

        if self["tuned"].get("score") is not None:
            scores = ", ".join(f"{side} {format_score(self[side]['score'], scale)}" for side in ("base", "tuned"))
            found.append((format_metric_name(self["metric"]["name"]), scores))

        if self.get("ship"):
            return [*found, ("should it be used?", self["ship"]["sentence"])]
        return found

    def table(self) -> Table | None:
        against = (self.get("verdict") or {}).get("against")
        head = ("held against", "score", "tuned is, 95%", "")
        if against:
            return (head, [_opponent(entry) for entry in against])
        return None

    def plot(self) -> Picture:
        """The loss curve (of methods with rewards: the reward first), as in the report. Raises InputError where no
        step was logged."""
        found = training_view.charts(read_lines(self.folder / "metrics.jsonl"), self.get("stopped"))
        wide = [chart for chart in found if chart.wide]
        if not wide:
            what, fix = "no step of this run was logged, so there is no curve to draw", "train it first"
            raise InputError(what, where=f"run {self['run']}", fix=fix)
        return Picture(draw(wide))

    def picture(self) -> Picture | None:
        """None where the run's folder is gone, damaged, or holds no steps: the words are shown all the same."""
        try:
            return self.plot()
        except WhetError:
            return None


def _opponent(entry: OpponentFacts) -> tuple[str, str, str, str]:
    scale, (low, high) = entry.get("scale"), entry["difference_interval"]
    change = f"{format_change(entry['difference'], scale)} ({format_change_range(low, high, scale)})"
    return entry["label"], format_score(entry["score"], scale), change, entry["word"]


class CheckResult(Result):
    if TYPE_CHECKING:
        rows: int
        kind: str
        findings: list[dict[str, Any]]
        refused: dict[str, str] | None
        ledger: LedgerFacts
        power: dict[str, Any]
        notes: list[str]

    def title(self) -> str:
        return f"check: {count(self['rows'], self['kind'] + ' row')}, {count(len(self['findings']), 'finding')}"

    def facts(self) -> list[Fact]:
        refused = self["refused"]
        if refused:
            found = [("tune will refuse this", f"{refused['what']}; fix: {refused['fix']}")]
        else:
            found = []
        for finding in self["findings"]:
            what = f"{finding['message']}; fix: {finding['fix']}"
            found.append((f"{finding['severity']}: {finding['code']}", what))
        return [*found, ("test rows", self["power"]["sentence"]), *(("note", note) for note in self["notes"])]


class PlanResult(Result):
    if TYPE_CHECKING:
        memory: dict[str, int]
        fits: bool
        seconds: float
        suggestion: dict[str, Any] | None
        notes: list[str]

    def title(self) -> str:
        return f"plan: {self['base']} {'fits' if self['fits'] else 'does not fit'}"

    def facts(self) -> list[Fact]:
        found = [(key, f"{size / 1e9:.2f} GB") for key, size in self["memory"].items() if size]
        found.append(("there are", f"{self['available'] / 1e9:.1f} GB"))
        if self["time"] is not None:
            found.append(("time", f"{self['time']['low']:,.0f} to {self['time']['high']:,.0f} s"))
        if self["suggestion"] and not self["fits"]:
            found.append(("what would fit", self["suggestion"]["sentence"]))
        return found + [("note", note) for note in self["notes"]]


class CompareResult(Result):
    if TYPE_CHECKING:
        arms: list[dict[str, Any]]
        verdict: dict[str, Any]
        report: str

    def title(self) -> str:
        return f"compare: {self['verdict']['word']}"

    def facts(self) -> list[Fact]:
        return [("advice", self["verdict"]["sentence"]), ("report", str(self["report"]))]

    def table(self) -> Table | None:
        scale = self["scale"]
        return ("arm", format_metric_name(self["metric"]["name"]), "95%"), [
            (one["label"], format_score(one["score"], scale), format_range(one["low"], one["high"], scale))
            for one in self["arms"]
        ]


class FlywheelResult(Result):
    if TYPE_CHECKING:
        workloads: list[dict[str, Any]]
        goal: float

    def title(self) -> str:
        return f"flywheel: {count(len(self['workloads']), 'workload')}"

    def facts(self) -> list[Fact]:
        told = [
            (entry["id"], f"{entry['advice']}: {entry['reason']}") for entry in self["workloads"] if entry["advice"]
        ]
        return [("in short", self["sentence"]), *told] if "sentence" in self else told

    def table(self) -> Table | None:
        head = ("workload", "requests", "rows", "system prompt")
        return head, [
            (
                entry["id"],
                f"{entry['requests']:,}",
                f"{sum(entry['rows'].values()):,}",
                one_line(entry["system"] or entry["label"] or "")[:60],
            )
            for entry in self["workloads"]
        ]


class CurveResult(Result):
    def plot(self) -> Picture:
        """Score by training rows, with the forecast."""
        return Picture(curve_svg(cast("CurveFacts", self)))

    def picture(self) -> Picture:
        return self.plot()


class FrontierResult(Result):
    def plot(self) -> Picture:
        """Task score against general score."""
        return Picture(frontier_chart.draw(cast("FrontierFacts", self)))

    def picture(self) -> Picture:
        return self.plot()


class ShowResult(Result):
    """Rows as the model sees them; what it learns stands between « and », and is green in a notebook."""

    def facts(self) -> list[Fact]:
        facts = []
        for row in self["rows"]:
            words = [f"«{text}»" if learned else text for text, learned in row["pieces"]]
            facts.append((row["where"], "".join(words)))
        return facts

    def _repr_html_(self) -> str:
        shown = []
        for row in self["rows"]:
            pieces = ""
            for text, learned in row["pieces"]:
                colour = "#777"
                if learned:
                    colour = "#1a7f37"
                pieces += f'<span style="color:{colour}">{safe(text)}</span>'
            shown.append(f'<p><b>{safe(row["where"])}</b></p><pre style="white-space:pre-wrap">{pieces}</pre>')
        return f'<div class="whet-result">{"".join(shown)}</div>'


def _plain(value: str | float) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _table_lines(table: Table | None) -> list[str]:
    """A table in lines of text."""
    if table is None:
        return []
    rows = [table[0], *table[1]]
    widths = []
    for column in zip(*rows, strict=True):
        widths.append(max(map(len, column)))

    lines = []
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _row_html(fact: Fact) -> str:
    name, words = map(safe, fact)
    return f'<tr><th style="{CELL}">{name}</th><td style="{CELL}">{words}</td></tr>'


def _table_html(table: Table | None) -> str:
    if table is None:
        return ""
    head = "".join(f'<th style="{CELL}">{safe(name)}</th>' for name in table[0])
    body = ""
    for row in table[1]:
        cells = "".join(f'<td style="{CELL}">{safe(cell)}</td>' for cell in row)
        body += f"<tr>{cells}</tr>"
    return f'<table style="{STYLE}"><tr>{head}</tr>{body}</table>'
