"""Which base is enough, and must it be tuned? Candidates measured on validation rows within a budget; one is chosen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whet.errors import InputError
from whet.methods import method_of
from whet.observer import Observer, Silent
from whet.recipe.keywords import in_python
from whet.recipe.schema import Recipe
from whet.selection.budget import Purse, read_budget
from whet.selection.candidates import Candidate, read_candidates
from whet.selection.page import write_choice_page
from whet.selection.result import ChoiceResult
from whet.selection.study import FOLDER, RESULT, Study
from whet.selection.volume import refuse_no_volume
from whet.store import identity
from whet.store.atomic import sha256_text, write_json
from whet.store.reading import read_json_file
from whet.store.run import DEFAULT_ROOT
from whet.verbs.choosing.measuring import Place
from whet.verbs.choosing.tournament import Tournament
from whet.verbs.inputs import Input, recipe_of


@in_python
def choose(
    data: Input,
    bases: str | Iterable[str | Mapping[str, Any]],
    hours: float | None = None,
    memory: str | None = None,
    usd: float | None = None,
    answers_per_month: int | None = None,
    price_per_hour: float | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> ChoiceResult:
    """Which of the `bases` is enough for the data, and whether it must be tuned.

    `bases` are folders, GGUF files, names on the Hub, and models behind a URL (`URL#MODEL@IN/OUT`, in dollars a million
    tokens, or the keys of compare.remote). All are asked the validation rows as they are, with a prompt and with
    examples; those that can be tuned learn from growing shares of the training rows, and losers leave. The budget is in
    `hours`, in `memory` ("8GB") and in `usd`, at least one of them. The test rows are read once, by the one that is
    chosen. Costs are compared at `answers_per_month`, with this machine at `price_per_hour` dollars.

    Every tune is an ordinary run. The same call again goes on, or returns what was chosen. `out` is another name of
    `run_root`. Raises InputError, ModelError.
    """
    root, observer = Path(run_root if out is None else out), observer or Silent()
    refuse_no_volume(answers_per_month)
    if "base" in overrides:
        raise InputError("the candidates are named by --bases", where="base", fix="leave base out")
    recipe = recipe_of(data, overrides, root)
    refuse_unchoosable(recipe)

    candidates = read_candidates(bases, recipe.compare.remote)
    price = recipe.compare.price_per_hour if price_per_hour is None else price_per_hour
    local, remote = (any((each.remote is None) is here for each in candidates) for here in (True, False))
    budget = read_budget(hours, memory, usd, price, local, remote)

    name = name or name_of(recipe, candidates, [hours, memory, usd, answers_per_month, price])
    identity.check_name(name)
    study = Study(root / FOLDER / name, Purse(budget))
    with study.lock:
        if (study.folder / RESULT).exists():
            observer.note("this choice is made already; here it is")
            return ChoiceResult(read_json_file(study.folder / RESULT, "candidates", "reason"))

        study.open()
        tournament = Tournament(recipe, candidates, study, Place(root, observer, name), memory, answers_per_month)
        facts = tournament.play()
        write_choice_page(study.folder, facts)
        write_json(study.folder / RESULT, facts)

    observer.done()
    return ChoiceResult(read_json_file(study.folder / RESULT))


def refuse_unchoosable(recipe: Recipe) -> None:
    """Raises InputError for a recipe whose candidates could not be compared by written answers."""
    if why := recipe.method.why_not("compare", recipe):
        raise InputError(why.what, where="method", value=why.value, fix=why.fix)
    if method_of(recipe).rewards:
        fix = "choose the base with method: sft, and tune it with rewards then"
        raise InputError("candidates are compared by a metric, and this method by its rewards", where="method", fix=fix)
    if recipe.retrieval is not None:
        fix = "leave `retrieval` out while the base is chosen"
        raise InputError("with `retrieval` no candidate would be asked without passages", where="retrieval", fix=fix)
    if not recipe.split.validation:
        fix = "set split.validation above 0"
        raise InputError("validation rows choose, and there are none", where="split.validation", value=0, fix=fix)
    if not recipe.asks_for_test:
        fix = "set split.test above 0, or give a test file"
        raise InputError("there are no test rows, so nothing can be proved", where="split.test", value=0, fix=fix)
    if recipe.split.train_share < 1:
        fix = "leave split.train_share out: the rungs set it"
        raise InputError("candidates learn from growing shares", value=recipe.split.train_share, fix=fix)


def name_of(recipe: Recipe, candidates: list[Candidate], asked: list[Any]) -> str:
    """The same call finds the same choice again."""
    recipe_hash, data_hash = identity.identity(recipe.model_copy(update={"base": "nano"}))
    remotes = [each.remote.model_dump(mode="json") if each.remote else None for each in candidates]
    told = json.dumps([[each.name for each in candidates], remotes, asked, recipe.compare.margin], sort_keys=True)
    return identity.default_name(recipe, recipe_hash, sha256_text(data_hash + told))
