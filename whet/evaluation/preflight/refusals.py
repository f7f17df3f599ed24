"""What a tune refuses before it trains. `whet check`, `whet plan` and `whet tune` ask the same functions, so that none
of them passes what another refuses."""

from __future__ import annotations

from pathlib import Path

from whet.data.prepare import Prepared, prepare, prepared_of
from whet.data.pretrain.corpus import corpus_of
from whet.data.read.source import read_source
from whet.data.source import Source
from whet.errors import DataError, ModelError
from whet.evaluation.forgetting.lm_eval_tasks import open_tasks
from whet.evaluation.forgetting.suites import read_suite
from whet.evaluation.goal import refuse_unreachable
from whet.evaluation.measuring_method import FindMeasures, Measures
from whet.evaluation.preflight.release import refuse_unserved_base
from whet.evaluation.preflight.scorable_rows import refuse_unscorable
from whet.evaluation.studies.frontier import general_prompts, task_rows
from whet.generation.self_generated import read_asked
from whet.model.base import load_config, locate
from whet.model.base_check import refuse_unfit_base
from whet.recipe.bases import refuse_missing_base
from whet.recipe.conflicts.keep import refuse_keep_contradictions
from whet.recipe.methods.base import MARKED
from whet.recipe.schema import Recipe
from whet.recipe.sections.keep import BASE
from whet.training.missing_mark import refuse_one_mark_tested
from whet.training.retention.replay import general_recipe
from whet.training.session import refuse_unready

LEAST_ROWS = 3
"""One to learn from, one for validation, one for the test."""


def refuse_before_data(recipe: Recipe, method: Measures, runs: Path | str, base: bool = True) -> None:
    """Before the data is read: what the recipe names beside it, its base (unless that is not needed), and a teacher
    that may be one of the `runs`. Raises InputError."""
    if base:
        refuse_missing_base(recipe.base)
    method.refuse_missing(runs)
    refuse_unmeasurable(recipe)
    refuse_unreadable(recipe)
    refuse_unready(recipe, method)

    if base:
        refuse_unserved_base(recipe)
        refuse_unfit_base(recipe)


def refuse_before_training(
    recipe: Recipe, source: Source, find: FindMeasures, cache: Path, verdict: bool = True, base: bool = True
) -> Recipe:
    """Once the data is read, before the base is loaded: rows that the method cannot learn from, or that cannot give a
    verdict, where there is to be one. `base`: whether the base itself is there. Gives the recipe with its method
    settled. Raises InputError."""
    recipe, _ = find(recipe).settle(recipe, source)
    refuse_keep_contradictions(recipe, "recipe")
    method = find(recipe)
    method.refuse_rows(recipe, source)

    if verdict:
        refuse_without_test(recipe, source)
    refuse_unchoosable(recipe, source)

    if source.plain_text:
        return recipe

    prepared = prepared_of(source)
    if base:
        refuse_foreign_tokens(recipe, prepared)
    refuse_unscorable(recipe, method, prepared)
    refuse_unreplayable(recipe, prepared, cache)

    if recipe.goal:
        refuse_unreachable(recipe.goal, method.metric(recipe, prepared), prepared.test_rows)
    return recipe


def refuse_unmeasurable(recipe: Recipe) -> None:
    """Suites that cannot be asked, and tasks that lm-eval cannot. Raises DataError, InputError."""
    if recipe.evaluate.forgetting:
        for path in recipe.forgetting.suites:
            read_suite(path, recipe.columns.group)
        if recipe.forgetting.lm_eval:
            open_tasks(recipe.forgetting.lm_eval)


def refuse_unreadable(recipe: Recipe) -> None:
    """Files to replay from, or to ask, that hold no rows. Raises DataError."""
    if recipe.keep.replays and recipe.keep.replay != BASE:
        replay = recipe.keep.replay
    else:
        replay = None

    for key, path in (("replay", replay), ("prompts", recipe.keep.prompts)):
        if path is not None:
            try:
                next(read_source(path))
            except DataError as error:
                where = f"keep.{key}, {error.where or path}"
                raise DataError(error.what, where=where, value=error.value, fix=error.fix) from error


def refuse_foreign_tokens(recipe: Recipe, source: Prepared) -> None:
    """Rows with a token that the base's embedding has no place for. Raises ModelError, naming the first."""
    rows = load_config(recipe.base, recipe.trust_remote_code).vocab_size
    row = source.segments.row_of_token_from(rows)
    if row is not None:
        what = f"this row holds a token of the base's tokenizer for which its embedding, of {rows:,} rows, has no place"
        fix = "save the base again after model.resize_token_embeddings(len(tokenizer)), or use another"
        raise ModelError(what, where=source.ledger.entry(row).where, value=f"base: {recipe.base}", fix=fix)


def refuse_unreplayable(recipe: Recipe, source: Prepared, cache: Path) -> None:
    """Rows to replay, or general prompts of one's own, that cannot be used. Raises DataError."""
    keep, renderer = recipe.keep, source.renderer
    if keep.prompts is not None:
        read_asked(Path(keep.prompts), renderer, renderer.tokenizer)
    if keep.replays and keep.replay is not None and keep.replay != BASE:
        prepare(general_recipe(recipe, keep.replay), renderer.tokenizer, renderer, cache)


def refuse_without_test(recipe: Recipe, source: Source) -> None:
    """Without held-out rows, and of marked answers without both marks among them, there can be no verdict. Raises
    DataError."""
    if source.plain_text:
        held_out = len(corpus_of(source).test) > 1
    else:
        held_out = bool(source.test_rows)

    if not held_out:
        asked = recipe.asks_for_test
        little = asked or len(source.ledger) < LEAST_ROWS
        more = f"bring more {'text' if source.plain_text else 'rows'}"
        raise DataError(
            "nothing is held out for the test, so tune could not say whether the model got better",
            where=str(recipe.data),
            fix=(more if little else "set split.test above 0 or give a test file")
            + ("" if asked else "; or train without a verdict: whet train"),
        )

    if recipe.method.rows.forms == MARKED:
        refuse_one_mark_tested(recipe, prepared_of(source))


def refuse_unchoosable(recipe: Recipe, source: Source) -> None:
    """A scale that is to be chosen where nothing can choose it. Raises DataError, RecipeError."""
    if recipe.keep.scale == "auto" and not source.plain_text:
        prepared = prepared_of(source)
        task_rows(recipe, prepared)
        general_prompts(recipe, prepared, source.renderer, locate(recipe.base))
