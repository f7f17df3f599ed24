"""The collection list: failures.json for people, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whet.errors import count, shorten
from whet.text.normalise import one_line

if TYPE_CHECKING:
    from whet.evaluation.studies.failures import FailureList, NearRow

SHOWN = 3


def collection_list(facts: FailureList) -> str:
    """A page with one part for each kind of failure, the most frequent first."""
    lines = ["# What to collect", "", headline(facts), ""]
    for kind in facts["kinds"]:
        lines += [f"## {kind['sentence']}", ""]
        for row in kind["rows"][:SHOWN]:
            lines += [f"- {row['where']}: {_code(row['prompt'])}"]
            lines += [f"  - expected {_code(row['reference'])}, answered {_code(row['answer'])}"]
            lines += [f"  - near, {near['likeness']:.2f}: {near['where']} {_near(near)}" for near in row["nearest"]]

        more = len(kind["rows"]) - SHOWN
        lines += [f"- and {more:,} more in failures.json", ""] if more > 0 else [""]

    return "\n".join(lines)


def headline(facts: FailureList) -> str:
    rows, answers = count(facts["validation_rows"], "validation row"), facts["answers"]
    if answers == facts["validation_rows"]:
        asked = rows
    else:
        asked = f"{count(answers, 'answer')} to {rows}"

    if facts["failures"] == 1:
        verb = "fails"
    else:
        verb = "fail"

    return f"{facts['failures']:,} of {asked} {verb} ({facts['metric']}: {facts['rule']})."


def _near(near: NearRow) -> str:
    return f"{_code(near['prompt'])} with the answer {_code(near['answer'])}"


def _code(text: str) -> str:
    """One line that Markdown leaves as it is."""
    return "`" + shorten(one_line(text))[1:-1].replace("`", "'") + "`"
