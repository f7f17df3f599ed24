"""The opponents of a model that is elsewhere: those of a local run, asked over the same API as the model itself."""

from __future__ import annotations

from dataclasses import dataclass

from whet.data.prepare import Prepared
from whet.errors import DataError
from whet.evaluation.heldout import longest_answer
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import Turns, asked_turns, last_turns
from whet.evaluation.opponents.budget import WRITE
from whet.evaluation.opponents.few_shot import FewShotOpponent
from whet.evaluation.opponents.of_run import setting_of
from whet.evaluation.opponents.opposition import ready_opponent
from whet.evaluation.opponents.prompted import PromptedOpponent
from whet.evaluation.opponents.setting import AskElsewhere, Setting
from whet.launcher.row_reader import RowReader
from whet.observer import Observer
from whet.recipe.schema import Recipe
from whet.types import Row

NO_LIKELIHOODS = "likelihoods, by which pairs are compared on this machine, cannot be had over an API"


@dataclass(frozen=True, slots=True)
class Questions:
    """What base and tuned model are asked, settled before anything is sent."""

    name: str
    """The metric."""
    reason: str
    rows: list[Row]
    turns: Turns
    tokens: int
    """Of the longest answer."""


def questions_of(recipe: Recipe, prepared: Prepared, reader: RowReader) -> Questions:
    """Raises DataError without test rows, and for a metric that reads probabilities."""
    rows = prepared.test_rows
    if prepared.shape.paired:
        name, reason = metric.choose(rows)
        rows = [
            Row(row.index, row.where, row.messages, row.tools, group=row.group, cluster=row.cluster) for row in rows
        ]
        reason, turns = f"{reason}; the answers are held against the chosen ones: {NO_LIKELIHOODS}", last_turns(rows)
    else:
        name, reason = metric.metric_for(recipe.evaluate.metric, rows)
        turns = asked_turns(rows, recipe.seed)

    if name == "nll":
        what = f"these rows are measured by likelihoods ({reason}), and over an API none can be had"
        raise DataError(what, where=str(recipe.data), fix="set evaluate.metric to one that scores answers")
    return Questions(name, reason, list(rows), turns, longest_answer(recipe, turns.rows, reader))


def setting_at(
    questions: Questions,
    recipe: Recipe,
    prepared: Prepared,
    reader: RowReader,
    observer: Observer,
    ask: AskElsewhere | None = None,
) -> Setting:
    """`ask` asks the base; without it the setting tells only what would be asked."""
    rows = questions.turns.rows if questions.turns.many else questions.rows
    setting = setting_of(questions.name, rows, None, reader, recipe, prepared, None, observer)
    setting.elsewhere = ask
    if any(row.tools for row in rows):
        why = "the rows offer tools, and an opponent is asked in words alone over an API"
        setting.unaskable = {"prompted": why, "examples": why}
    return setting


def opponents_tokens(setting: Setting) -> tuple[int, int]:
    """Tokens that the prompted and the few-shot opponent would read and write at most, on all test rows."""
    rows = len(setting.rows)
    read = asked = 0.0

    # of one that cannot be asked the verdict will say why
    prompted = ready_opponent(setting, "prompted", lambda: PromptedOpponent(setting, float("inf"), setting.tokens))
    if isinstance(prompted, PromptedOpponent):
        choosing = [sum(map(len, prompts.tokens)) for _, prompts in prompted.askable]
        read += sum(choosing) + max(choosing) / len(prompted.rows) * rows
        asked += len(prompted.askable) * len(prompted.rows) + rows

    examples = ready_opponent(setting, "examples", lambda: FewShotOpponent(setting, setting.tokens))
    if isinstance(examples, FewShotOpponent):
        read += (examples.row_cost - WRITE * setting.tokens) * rows
        asked += rows

    return round(read), round(asked * setting.tokens)
