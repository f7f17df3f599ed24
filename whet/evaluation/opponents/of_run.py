"""Which opponents a run has, by its method and its metric; where one cannot be asked, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from whet.data.batches.loader import in_order
from whet.data.prepare import Prepared, read_rows
from whet.data.pretrain.blocks import read_through
from whet.data.pretrain.corpus import corpus_of
from whet.evaluation.contest import Contest, HeldOut
from whet.evaluation.heldout import answer_tokens
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.turns import asked_turns
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.opponents.budget import LEARN
from whet.evaluation.opponents.constant_rules import COUNTED_TOKENS, mark_rule, pair_rule, token_counts, unigram
from whet.evaluation.opponents.few_shot import LABEL as EXAMPLES
from whet.evaluation.opponents.opponent import Absent, Opponent, Score
from whet.evaluation.opponents.opposition import (
    Found,
    Lines,
    base_opponent,
    judge_lines,
    judge_opponents,
    wanted_names,
    written_opponents,
)
from whet.evaluation.opponents.prompted import LABEL as PROMPTED
from whet.evaluation.opponents.setting import Setting, room
from whet.model.adapter import causal_lm
from whet.model.base import Base
from whet.observer import Observer
from whet.recipe.external import is_function
from whet.recipe.schema import Evaluate, OpponentName, Recipe
from whet.rewards.combine import Rewards
from whet.store.run import Run
from whet.types import Row

NO_ANSWERS = "answers that exist are compared, and none is written"
LIKELIHOODS = "likelihoods are compared, and no answer is written"
HEADS = "a head names classes or numbers, and writes no answer that examples could shape"


def oppose_words(
    measured: dict[str, Any],
    lines: Lines,
    contest: Contest,
    unaskable: Mapping[OpponentName, str],
    rewards: Rewards | None = None,
) -> None:
    """Puts the verdict over all opponents into `measured`, and their answers into `lines`. `unaskable` are those that
    the method does not go with."""
    recipe, prepared, base = contest.recipe, contest.prepared, contest.base
    if prepared.shape.paired or prepared.shape.kind == "unpaired":
        if prepared.shape.paired:
            rule = pair_rule
        else:
            rule = mark_rule

        trained = read_rows(recipe, prepared, ("trained",))
        found = [
            base_opponent(lines, None),
            rule(trained, prepared.test_rows),
            *absent_prompts(recipe.evaluate, NO_ANSWERS),
        ]
    elif measured["metric"]["name"] == "nll":
        vocabulary = causal_lm(base.policy.model).config.get_text_config().vocab_size
        order = [line["row"] for line in lines]
        guess = unigram(token_counts(prepared.train, vocabulary), in_order(prepared.test, READ_TOKENS), order)
        found = [base_opponent(lines, None), guess, *absent_prompts(recipe.evaluate, LIKELIHOODS)]
    else:
        rows = rows_as_scored(prepared.test_rows, lines)
        if "turns" in measured:
            turns = asked_turns(rows, recipe.seed)
        else:
            turns = None

        asked = rows if turns is None else turns.rows
        name = measured["metric"]["name"]
        setting = setting_of(name, asked, base, contest.loaded, recipe, prepared, rewards, contest.observer)
        setting.unaskable = unaskable
        found = written_opponents(setting, lines, training_cost(contest.run), contest.run, turns)

    judge_lines(measured, lines, found, recipe.seed)


def oppose_text(measured: dict[str, Any], values: dict[str, list[float]], contest: Contest, context: int) -> None:
    """For pre-training: the base, and the frequencies of tokens."""
    recipe, corpus = contest.recipe, corpus_of(contest.source)
    places = list(range(len(values["base"])))
    vocabulary = causal_lm(contest.base.policy.model).config.get_text_config().vocab_size
    count_V = np.bincount(corpus.train[:COUNTED_TOKENS].astype(np.int64), minlength=vocabulary).astype(float)
    guess = unigram(count_V, read_through(corpus.test, context, READ_TOKENS), places)
    start = Opponent("base", "the base as it is", places, values["base"])
    judge_opponents(
        measured, values["tuned"], None, [start, guess, *absent_prompts(recipe.evaluate, LIKELIHOODS)], recipe.seed
    )


def oppose_head(measured: dict[str, Any], lines: Lines, held_out: HeldOut) -> None:
    """For heads: the base as it was measured, a constant, and for single classes the base asked in words."""
    recipe, prepared = held_out.recipe, held_out.prepared
    kind = measured["base"]["kind"]
    both = measured.pop("without_training", None)
    start = base_opponent(lines, None, "the base without a head")

    if both is None and prepared.shape.paired:
        constant: Opponent = pair_rule(read_rows(recipe, prepared, ("trained",)), prepared.test_rows)
    elif both is None:
        said = f"always saying {lines[0]['base']}"
        constant = replace(start, name="constant", label=said, detail="the median of the training numbers")
    else:
        named, scores = both["majority"]
        if named[0]:
            label = f'always naming "{", ".join(named[0])}"'
        else:
            label = "never naming a class"

        values, texts = [one.value for one in scores], [", ".join(one) for one in named]
        places, detail = start.places, "the most common in the training rows"
        constant = Opponent("constant", label, places, values, texts, None, detail)

    found: Found = [constant, start] if kind in ("majority", "median") else [start, constant]
    if both is not None and "likelihood" in both and "prompted" in wanted_names(recipe.evaluate):
        named, scores = both["likelihood"]
        texts = [", ".join(one) for one in named]
        label, detail = "the base asked in words", "the class whose name the base finds likeliest after the question"
        found.append(Opponent("prompted", label, start.places, [s.value for s in scores], texts, None, detail))
        found += absent_prompts(recipe.evaluate, HEADS)[1:]
    else:
        found += absent_prompts(recipe.evaluate, HEADS)

    judge_lines(measured, lines, found, recipe.seed)


def absent_prompts(settings: Evaluate, reason: str) -> list[Absent]:
    """The two that are asked in words, where they are wanted and cannot be."""
    names = wanted_names(settings)
    both = (Absent("prompted", PROMPTED, reason), Absent("examples", EXAMPLES, reason))
    return [one for one in both if one.name in names]


def setting_of(
    name: str,
    rows: Sequence[Row],
    base: EvaluatedModel,
    loaded: Base,
    recipe: Recipe,
    prepared: Prepared,
    rewards: Rewards | None,
    observer: Observer,
) -> Setting:
    """`name` is the metric of the verdict, `rows` the test rows as it compares them."""
    own = name == "reward" or is_function(name)
    answered = [row for row in rows if row.reference.strip()]

    if not own:
        compared = name
    elif answered:
        compared = metric.choose(answered)[0]
    else:
        compared = "reward"

    limit = recipe.evaluate.max_new_tokens or recipe.method.answer_tokens
    longest = max(len(prepared.renderer.prompt_ids(row.prompt, row.tools)) for row in rows)
    most = room(limit, answer_tokens(rows, loaded), loaded.context - longest)
    score = score_with(name, rewards)

    return Setting(recipe, prepared, base, loaded, list(rows), compared, score, most, observer, own)


def score_with(name: str, rewards: Rewards | None) -> Score:
    def rewarded(answers: Sequence[str], rows: Sequence[Row]) -> list[metric.RowScore]:
        assert rewards is not None
        found = rewards([row.prompt for row in rows], list(answers), rows)
        return [metric.RowScore(value) for value in found.parts[rewards.main]]

    def scored(answers: Sequence[str], rows: Sequence[Row]) -> list[metric.RowScore]:
        return [metric.score(name, answer, row) for answer, row in zip(answers, rows, strict=True)]

    return rewarded if name == "reward" else scored


def rows_as_scored(rows: Sequence[Row], lines: Lines) -> list[Row]:
    """The test rows of the lines, with the references that these were scored by: a teacher's answers, perhaps."""
    by_index = {row.index: row for row in rows}
    found = [by_index[line["row"]] for line in lines]
    return [
        row
        if row.reference == line["reference"]
        else replace(row, messages=[*row.prompt, {"role": "assistant", "content": line["reference"]}])
        for row, line in zip(found, lines, strict=True)
    ]


def training_cost(run: Run) -> float:
    """What the training cost, in tokens that are read once."""
    return LEARN * sum(float(line["tokens"]) for line in run.metrics() if "tokens" in line)
