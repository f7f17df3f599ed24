"""The tuned model's answers to the validation rows, scored by the run's metric."""

from __future__ import annotations

from collections.abc import Callable

from whet.data.prepare import Prepared, read_rows
from whet.data.raft import as_asked
from whet.errors import DataError, InputError
from whet.evaluate import metric
from whet.evaluate.failures import Asked
from whet.evaluate.heldout import answer_tokens, ask
from whet.evaluate.sides import Side
from whet.evaluate.within_unit import refuse_outside_unit
from whet.model.base import Base
from whet.recipe.schema import Recipe, Sft

NO_FAILURE = "which of them are failures it does not say"


def refuse_without_answers(recipe: Recipe) -> None:
    """Raises InputError for a run whose model does not learn the answers of rows."""
    if not isinstance(recipe.method, Sft):
        fix = "the failures of the others are in answers.jsonl, but those are test rows: do not collect by them"
        raise InputError("failures are looked for in runs of the method sft", value=recipe.method.kind, fix=fix)


def ask_validation(
    side: Side, origin: Base, prepared: Prepared, recipe: Recipe, progress: Callable[[int, int], None]
) -> tuple[str, list[Asked]]:
    """(metric, one for each validation row). The answers are greedy. Raises InputError where the
    metric is nll or not within 0..1, DataError without validation rows."""
    rows = list(read_rows(recipe, prepared, ("validation",)))
    if not rows:
        raise DataError("there are no validation rows", where=str(recipe.data), fix="set split.validation above 0")
    wanted = recipe.evaluate
    name = wanted.metric if wanted.metric != "auto" else metric.choose(rows)[0]
    if name == "nll":
        fix = "set evaluate.metric to one that scores answers"
        raise InputError("a likelihood is no answer that could fail", value=name, fix=fix)
    shown = as_asked(recipe, rows, prepared.renderer)
    prompts = [prepared.renderer.prompt_ids(row.prompt, row.tools) for row in shown]
    tokens = wanted.max_new_tokens or answer_tokens(rows, origin)
    answers = ask(side, origin, prompts, prepared.renderer, tokens, lambda done: progress(done, len(rows)))
    texts = [answer.text.strip() for answer in answers]
    scores = [metric.score(name, text, row).value for text, row in zip(texts, rows, strict=True)]
    refuse_outside_unit(name, scores, NO_FAILURE)
    return name, [Asked(row, text, value) for row, text, value in zip(rows, texts, scores, strict=True)]
