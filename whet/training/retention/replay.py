"""The rows of a replay: the base's own samples, or a file of general rows, each with its fate written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from whet.data.prepare import Prepared, prepare, read_rows
from whet.data.render.renderer import Renderer
from whet.errors import DataError, count
from whet.generation.self_generated import SHIPPED_PROMPTS, learns_answers, own_samples, prompts_file, read_asked
from whet.model.base import Base
from whet.observer import Observer
from whet.recipe.schema import Columns, Recipe, Sft, Split
from whet.recipe.sections.keep import BASE
from whet.store.run import Run
from whet.text.normalise import one_line
from whet.training.retention.learner import Replay
from whet.types import Row, Segment

LEDGER = "replay.json"
"""In the run's folder: how many rows were replayed, from where, and why others were not."""
MEASURED = "measured-elsewhere"
"""Why a row is not replayed: its prompt is in the test part, or in a suite that is asked after the tune."""


def open_replay(
    recipe: Recipe, run: Run, base: Base, renderer: Renderer, measured: Iterable[str], observer: Observer
) -> Replay | None:
    """What the recipe replays; None where it does not. `measured` are the prompts that must not be learned.

    Writes replay.json. Raises DataError for a file that cannot be used, RecipeError for a base without prompts.
    """
    keep, cache = recipe.keep, run.folder.parent / "cache"
    if keep.replay is None or not keep.replays:
        return None

    sealed = {one_line(text) for text in measured}
    observer.phase("reading what is to be kept")

    if keep.replay == BASE:
        segments, facts = _self_generated(recipe, base, renderer, sealed, cache, observer)
    else:
        segments, facts = _from_file(recipe, keep.replay, base, renderer, sealed, cache)

    if not segments and run.requested.keep.replay is None:
        observer.note("the base has nothing to say to general prompts, so nothing is replayed")
        run.write_json(LEDGER, facts | {"rows": 0, "tokens": 0, "supervised_tokens": 0})
        return None
    if not segments:
        raise DataError("no row is left to replay", where=facts["source"], value=facts["dropped"], fix="bring others")

    facts |= {"rows": len(segments), "ratio": keep.ratio, "every": keep.every or 1}
    facts["tokens"] = sum(len(segment.ids) for segment in segments)
    facts["supervised_tokens"] = sum(segment.supervised for segment in segments)
    run.write_json(LEDGER, facts)
    assert keep.ratio and recipe.micro_batch_tokens and recipe.batch_tokens

    if facts["every"] == 1:
        when = "each step's loss"
    else:
        when = f"the loss of every {ordinal(facts['every'])} step"

    observer.note(f"replayed: {count(len(segments), 'row')} ({facts['source']}), {keep.ratio:g} of {when}")
    return Replay(segments, keep.ratio, recipe.batch_tokens, recipe.micro_batch_tokens, recipe.seed, facts["every"])


def ordinal(number: int) -> str:
    """As in 2nd, 3rd, 11th."""
    if number % 100 in (11, 12, 13):
        ending = "th"
    else:
        ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def needed(recipe: Recipe) -> int:
    """Tokens that all steps of a run replay together, where it is not prolonged."""
    keep, steps = recipe.keep, recipe.schedule.shortest or recipe.steps
    assert keep.ratio and recipe.batch_tokens and steps
    return round(steps / (keep.every or 1) * recipe.batch_tokens * keep.ratio / (1 - keep.ratio))


def _self_generated(
    recipe: Recipe, base: Base, renderer: Renderer, sealed: set[str], cache: Path, observer: Observer
) -> tuple[Sequence[Segment], dict[str, Any]]:
    path = prompts_file(recipe.keep.prompts, base.path)
    if not learns_answers(path, base.tokenizer):
        observer.note("this base has no chat template, so of Whet's general prompts only beginnings of texts are used")

    samples = own_samples(base, renderer, path, cache, observer, needed(recipe))
    if path == SHIPPED_PROMPTS and (fewer := refused(renderer, base.tokenizer)):
        observer.note(f"{count(fewer, 'general prompt')} of Whet's left out: this base's chat template refuses such")

    kept = [segment for prompt, segment in samples if one_line(prompt.words) not in sealed]
    if len(kept) < len(samples):
        dropped = {MEASURED: len(samples) - len(kept)}
    else:
        dropped = {}

    return kept, {"source": "the base's own samples", "prompts": path.name, "rows_in": len(samples), "dropped": dropped}


def refused(renderer: Renderer, tokenizer: Any) -> int:
    """How many of Whet's own prompts the base cannot be asked."""
    rows = SHIPPED_PROMPTS.read_text("utf-8").count("\n")
    return rows - len(read_asked(SHIPPED_PROMPTS, renderer, tokenizer))


def _from_file(
    recipe: Recipe, source: str, base: Base, renderer: Renderer, sealed: set[str], cache: Path
) -> tuple[Sequence[Segment], dict[str, Any]]:
    general = general_recipe(recipe, source)
    prepared = prepare(general, base.tokenizer, renderer, cache)
    ledger = prepared.ledger.summary()
    bad = {row.index for row in read_rows(general, prepared, ("trained",)) if prompt_words(row) in sealed}
    kept = _excluding(prepared, bad)
    dropped = Counter(ledger["dropped"]) + Counter({MEASURED: len(bad)})
    return kept, {"source": source, "rows_in": ledger["rows_in"], "dropped": dict(dropped)}


def general_recipe(recipe: Recipe, source: str) -> Recipe:
    """How a file of rows to replay is read: as examples to learn, all of them."""
    none = Split(validation=0, test=0)
    task = {"test": None, "split": none, "columns": Columns(), "format": "auto", "system": None, "retrieval": None}
    return recipe.model_copy(update={"data": source, "method": Sft(), **task})


def _excluding(prepared: Prepared, bad: set[int]) -> Sequence[Segment]:
    """Lazy as long as nothing must be left out."""
    if bad:
        return [segment for segment in prepared.train if segment.row not in bad]
    return prepared.train


def prompt_words(row: Row) -> str:
    """What a row asks, as it is compared: its last prompt message, or its text."""
    if row.prompt:
        content = row.prompt[-1].get("content")
    else:
        content = row.text
    return one_line(str(content or ""))
