"""Which opponents a run has, by its method and its metric; where one cannot be asked, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from whet.data.batches.loader import in_order
from whet.data.prepare import Prepared, read_rows
from whet.data.pretrain.blocks import read_through
from whet.data.pretrain.corpus import corpus_of
from whet.evaluation.contest import Contest, HeldOut
from whet.evaluation.facts import AnswerLine, Evaluation
from whet.evaluation.heldout import Reader, answer_tokens
from whet.evaluation.methods.classify import Names, format_names
from whet.evaluation.metrics import scoring as metric
from whet.evaluation.metrics.scoring import RowScore, values_of
from whet.evaluation.metrics.turns import asked_turns
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.evaluation.opponents.budget import LEARN
from whet.evaluation.opponents.constant_rules import COUNTED_TOKENS, mark_rule, pair_rule, token_counts, unigram
from whet.evaluation.opponents.few_shot import LABEL as EXAMPLES
from whet.evaluation.opponents.opponent import Absent, Opponent, Score
from whet.evaluation.opponents.opposition import (
    Opponents,
    base_opponent,
    judge_lines,
    judge_opponents,
    wanted_names,
    written_opponents,
)
from whet.evaluation.opponents.prompted import LABEL as PROMPTED
from whet.evaluation.opponents.setting import Setting, room
from whet.model.adapter import causal_lm
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
    measured: Evaluation,
    lines: list[AnswerLine],
    contest: Contest,
    unaskable: Mapping[OpponentName, str],
    rewards: Rewards | None = None,
) -> None:
    """Writes the verdict over all opponents into `measured`, and their answers into `lines`. `unaskable` are those that
    the method does not go with."""
    recipe, prepared = contest.recipe, contest.prepared
    if prepared.shape.paired:
        trained = read_rows(recipe, prepared, ("trained",))
        opponents: Opponents = [base_opponent(lines, None), pair_rule(trained, prepared.test_rows)]
        opponents += absent_prompts(recipe.evaluate, NO_ANSWERS)
    elif prepared.shape.kind == "unpaired":
        trained = read_rows(recipe, prepared, ("trained",))
        opponents = [base_opponent(lines, None), mark_rule(trained, prepared.test_rows)]
        opponents += absent_prompts(recipe.evaluate, NO_ANSWERS)
    elif measured["metric"]["name"] == "nll":
        order = [line["row"] for line in lines]
        counts_V = token_counts(prepared.train, vocabulary_of(contest.base))
        guess = unigram(counts_V, in_order(prepared.test, READ_TOKENS), order)
        opponents = [base_opponent(lines, None), guess, *absent_prompts(recipe.evaluate, LIKELIHOODS)]
    else:
        opponents = asked_opponents(measured, lines, contest, unaskable, rewards)

    judge_lines(measured, lines, opponents, recipe.seed)


def asked_opponents(
    measured: Evaluation,
    lines: list[AnswerLine],
    contest: Contest,
    unaskable: Mapping[OpponentName, str],
    rewards: Rewards | None,
) -> Opponents:
    """The opponents of a run whose answers are written."""
    recipe, prepared = contest.recipe, contest.prepared
    rows, turns = rows_as_scored(prepared.test_rows, lines), None
    asked = rows
    if "turns" in measured:
        turns = asked_turns(rows, recipe.seed)
        asked = turns.rows

    name = measured["metric"]["name"]
    setting = setting_of(name, asked, contest.base, contest.loaded, recipe, prepared, rewards, contest.observer)
    setting.unaskable = unaskable
    return written_opponents(setting, lines, training_cost(contest.run), contest.run, turns)


def vocabulary_of(model: EvaluatedModel) -> int:
    return causal_lm(model.policy.model).config.get_text_config().vocab_size


def oppose_text(measured: Evaluation, values: dict[str, list[float]], contest: Contest, context: int) -> None:
    """For pre-training: the base, and the frequencies of tokens."""
    recipe, corpus = contest.recipe, corpus_of(contest.source)
    places = list(range(len(values["base"])))

    learned = corpus.train[:COUNTED_TOKENS].astype(np.int64)
    count_V = np.bincount(learned, minlength=vocabulary_of(contest.base)).astype(float)
    guess = unigram(count_V, read_through(corpus.test, context, READ_TOKENS), places)

    base = Opponent("base", "the base as it is", places, values["base"])
    opponents = [base, guess, *absent_prompts(recipe.evaluate, LIKELIHOODS)]
    judge_opponents(measured, values["tuned"], None, opponents, recipe.seed)


def oppose_head(measured: Evaluation, lines: list[AnswerLine], held_out: HeldOut) -> None:
    """For heads: the base as it was measured, a constant, and for single classes the base asked in words."""
    recipe, prepared = held_out.recipe, held_out.prepared
    without_training = measured.pop("without_training", None)
    base = base_opponent(lines, None, "the base without a head")

    if without_training is not None:
        named, scores = without_training["majority"]
        constant = majority_opponent(named, scores, base.places)
    elif prepared.shape.paired:
        constant = pair_rule(read_rows(recipe, prepared, ("trained",)), prepared.test_rows)
    else:
        label = f"always saying {lines[0]['base']}"
        constant = replace(base, name="constant", label=label, detail="the median of the training numbers")

    opponents: Opponents = [base, constant]
    if measured["base"].get("kind") in ("majority", "median"):
        opponents = [constant, base]

    absent = absent_prompts(recipe.evaluate, HEADS)
    likeliest = (without_training or {}).get("likelihood")
    if likeliest and "prompted" in wanted_names(recipe.evaluate):
        named, scores = likeliest
        opponents.append(likelihood_opponent(named, scores, base.places))
        absent = absent[1:]
    opponents += absent

    judge_lines(measured, lines, opponents, recipe.seed)


def majority_opponent(named: Names, scores: Sequence[RowScore], places: list[int]) -> Opponent:
    """The commonest class of the training rows, for every row."""
    label = "never naming a class"
    if named[0]:
        label = f'always naming "{", ".join(named[0])}"'

    texts, detail = format_names(named), "the most common in the training rows"
    return Opponent("constant", label, places, values_of(scores), texts, None, detail)


def likelihood_opponent(named: Names, scores: Sequence[RowScore], places: list[int]) -> Opponent:
    """The base without a head, asked in words."""
    label, detail = "the base asked in words", "the class whose name the base finds likeliest after the question"
    return Opponent("prompted", label, places, values_of(scores), format_names(named), None, detail)


def absent_prompts(settings: Evaluate, reason: str) -> list[Absent]:
    """The two opponents that are asked in words, if they are wanted and cannot be asked."""
    names = wanted_names(settings)
    absent = [Absent("prompted", PROMPTED, reason), Absent("examples", EXAMPLES, reason)]
    return [each for each in absent if each.name in names]


def setting_of(
    name: str,
    rows: Sequence[Row],
    base: EvaluatedModel | None,
    loaded: Reader,
    recipe: Recipe,
    prepared: Prepared,
    rewards: Rewards | None,
    observer: Observer,
) -> Setting:
    """`name` is the metric of the verdict, `rows` the test rows as it compares them; without a base the caller says who
    asks it (Setting.elsewhere)."""
    own = name == "reward" or is_function(name)
    compared = name
    if own:
        answered = [row for row in rows if row.reference.strip()]
        if answered:
            compared = metric.choose(answered)[0]
        else:
            compared = "reward"

    limit = recipe.evaluate.max_new_tokens or recipe.method.answer_tokens
    prompts = [prepared.renderer.prompt_ids(row.prompt, row.tools) for row in rows]
    most = room(limit, answer_tokens(rows, loaded), loaded.context - max(map(len, prompts)))
    score = score_with(name, rewards)

    return Setting(recipe, prepared, base, loaded, list(rows), compared, score, most, observer, own)


def score_with(name: str, rewards: Rewards | None) -> Score:
    """What scores answers as the verdict does."""

    def by_reward(answers: Sequence[str], rows: Sequence[Row]) -> list[RowScore]:
        assert rewards is not None
        scored = rewards([row.prompt for row in rows], list(answers), rows)
        return [RowScore(value) for value in scored.parts[rewards.main]]

    def by_metric(answers: Sequence[str], rows: Sequence[Row]) -> list[RowScore]:
        return metric.score_all(name, answers, rows)

    if name == "reward":
        return by_reward
    return by_metric


def rows_as_scored(rows: Sequence[Row], lines: list[AnswerLine]) -> list[Row]:
    """The test rows of the lines, with the references that these were scored by: a teacher's answers, perhaps."""
    by_index = {row.index: row for row in rows}
    scored = []
    for line in lines:
        row = by_index[line["row"]]
        if row.reference != line["reference"]:
            answer = {"role": "assistant", "content": line["reference"]}
            row = replace(row, messages=[*row.prompt, answer])
        scored.append(row)

    return scored


def training_cost(run: Run) -> float:
    """What the training cost, in tokens that are read once."""
    return LEARN * sum(float(line["tokens"]) for line in run.metrics() if "tokens" in line)
