"""After base and tuned model were measured: the other opponents, and one verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from statistics import fmean as mean
from typing import TypeVar

from whet.errors import DataError, count
from whet.evaluation.facts import AnswerLine, Evaluation, VerdictFacts
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.opponents.budget import SHARE, WRITE, affordable, sample
from whet.evaluation.opponents.by_turns import by_row, places_of
from whet.evaluation.opponents.constant import choose, constant
from whet.evaluation.opponents.few_shot import LABEL as EXAMPLES
from whet.evaluation.opponents.few_shot import FewShotOpponent
from whet.evaluation.opponents.joint_verdict import add_opponents, strongest, verdict_of
from whet.evaluation.opponents.opponent import Absent, Opponent, hold
from whet.evaluation.opponents.prompted import CHOSEN, PromptedOpponent
from whet.evaluation.opponents.prompted import LABEL as PROMPTED
from whet.evaluation.opponents.setting import Setting
from whet.evaluation.verdict import compare
from whet.recipe.schema import Evaluate, OpponentName
from whet.recipe.sections.rewards import AnyReward
from whet.stats.paired import clusters_of_lines
from whet.store.run import Run
from whet.types import Verdict

BASE = "the base as it is"
CONSTANT = "the best constant answer"
LABELS: dict[OpponentName, str] = {
    "base": BASE,
    "constant": CONSTANT,
    "prompted": PROMPTED,
    "examples": EXAMPLES,
}
Opponents = list[Opponent | Absent]
Asker = TypeVar("Asker", PromptedOpponent, FewShotOpponent)
"""An opponent that is asked once it is known how many rows can be paid for."""


def judge_opponents(
    measured: Evaluation,
    tuned: Sequence[float],
    clusters: Sequence[object] | None,
    opponents: Opponents,
    seed: int,
) -> None:
    """Writes the verdict over all opponents, of which one is the base, in the place of that over the base alone. What
    was added to the sentence there (a warning) stays behind the new one; a sentence that was replaced there (the metric
    cannot tell the two apart) stays if the base is the strongest."""
    asked = [each for each in opponents if isinstance(each, Opponent)]
    held = [hold(each, tuned, clusters, seed) for each in asked]
    base = next(each for each in asked if each.name == "base")
    _, before = compare(base.scores, tuned, seed, clusters)

    verdict, over = measured["verdict"], verdict_of(held)
    sentence = verdict["sentence"]
    if sentence.startswith(before.sentence):
        added = sentence.removeprefix(before.sentence)
        _replace(verdict, over, over.sentence + added)
    elif strongest(held).opponent is not base:
        _replace(verdict, over, f"{over.sentence} Over {base.label}: {sentence}")

    add_opponents(verdict, held, [each for each in opponents if isinstance(each, Absent)])


def _replace(facts: VerdictFacts, verdict: Verdict, sentence: str) -> None:
    facts["word"], facts["rows_needed"], facts["sentence"] = verdict.word, verdict.rows_needed, sentence


def judge_lines(measured: Evaluation, lines: list[AnswerLine], opponents: Opponents, seed: int) -> None:
    """As `judge_opponents`, and writes what the others answered into the lines of answers.jsonl."""
    tuned = [line["tuned_score"] for line in lines]
    judge_opponents(measured, tuned, clusters_of_lines(lines), opponents, seed)

    for opponent in opponents:
        if isinstance(opponent, Opponent) and opponent.name != "base":
            _write_answers(opponent, lines)


def _write_answers(opponent: Opponent, lines: list[AnswerLine]) -> None:
    texts = opponent.texts
    if texts is None:
        texts = [""] * len(opponent.places)

    for place, text, score in zip(opponent.places, texts, opponent.scores, strict=True):
        lines[place].setdefault("opponents", {})[opponent.name] = {"text": text, "score": score}


def base_opponent(lines: list[AnswerLine], prompt_tokens: float | None, label: str = BASE) -> Opponent:
    """The base, as it was measured already."""
    texts = [line["base"] for line in lines]
    scores = [line["base_score"] for line in lines]
    return Opponent("base", label, list(range(len(lines))), scores, texts, prompt_tokens)


def wanted_names(settings: Evaluate) -> list[OpponentName]:
    """Base and constant are always there."""
    if settings.against == "auto":
        return list(LABELS)
    return ["base", "constant", *settings.against]


def written_opponents(
    setting: Setting, lines: list[AnswerLine], learned: float, run: Run, turns: Turns | None = None
) -> Opponents:
    """The opponents where answers are written: base, constant, and those of the two others that are wanted.

    `learned` is what the training cost, in tokens that are read once. `turns` are those that the rows of the setting
    are, if a test row has several. What was chosen stays in the run, for compare.
    """
    prompts = [setting.prepared.renderer.prompt_ids(row.prompt, row.tools) for row in setting.rows]
    base = base_opponent(lines, mean(map(len, prompts)))
    constant = _of_rows(constant_opponent(setting), turns)
    refused = refused_opponents(setting)

    expected = expected_tokens(setting, lines)
    allowed = _allowed_cost(setting, prompts, expected, learned)
    prompted = ready_opponent(setting, "prompted", lambda: PromptedOpponent(setting, allowed / 2, expected))
    examples = ready_opponent(setting, "examples", lambda: FewShotOpponent(setting, expected))
    opponents: Opponents = [base, constant, *refused]
    opponents += [each for each in (prompted, examples) if isinstance(each, Absent)]

    rows = len(lines)
    places = _places_to_ask(setting, lines, allowed, prompted, examples)
    asked = places
    if turns is not None:
        asked = places_of(turns, places)

    if isinstance(prompted, PromptedOpponent):
        way = prompted.choose()
        run.write_json(CHOSEN, asdict(way))
        answered = ask_opponent("prompted", partial(prompted.opponent, way, asked), len(places), rows)
        opponents.append(_of_rows(answered, turns))

    if isinstance(examples, FewShotOpponent):
        answered = ask_opponent("examples", partial(examples.opponent, asked), len(places), rows)
        opponents.append(_of_rows(answered, turns))
    return opponents


def _of_rows(opponent: Opponent | Absent, turns: Turns | None) -> Opponent | Absent:
    """What was asked by turns as scores of rows."""
    if turns is None or isinstance(opponent, Absent):
        return opponent
    return by_row(opponent, turns)


def refused_opponents(setting: Setting) -> list[Absent]:
    """Those that are wanted and cannot be asked, whatever the rows are; `constant_opponent` says it of the constant."""
    wanted = wanted_names(setting.recipe.evaluate)
    refused = unaskable_in(setting).items()
    return [Absent(name, LABELS[name], why) for name, why in refused if name in wanted and name != "constant"]


def _allowed_cost(setting: Setting, prompts: Sequence[Sequence[int]], expected: float, learned: float) -> float:
    """What all opponents together may cost, in tokens that are read once; those that the recipe names have no limit.

    The run cost what it learned, and two readings of the test rows with their answers: the base's and its own.
    """
    if setting.recipe.evaluate.against != "auto":
        return float("inf")
    return SHARE * (learned + 2 * sum(len(ids) + WRITE * expected for ids in prompts))


def ready_opponent(setting: Setting, name: OpponentName, make: Callable[[], Asker]) -> Asker | Absent | None:
    """Ready to be asked, or why it cannot be; None if it is not wanted, or `refused_opponents` says why not."""
    if name not in wanted_names(setting.recipe.evaluate) or name in unaskable_in(setting):
        return None
    try:
        return make()
    except DataError as refusal:
        return Absent(name, LABELS[name], refusal.what)


def _places_to_ask(
    setting: Setting,
    lines: list[AnswerLine],
    allowed: float,
    prompted: PromptedOpponent | Absent | None,
    examples: FewShotOpponent | Absent | None,
) -> list[int]:
    """Places of the test rows that both are asked: all of them, or so many as the allowed cost pays for."""
    fixed, row_cost = 0.0, 0.0
    if isinstance(prompted, PromptedOpponent):
        fixed, row_cost = prompted.choosing_cost, prompted.row_cost
    if isinstance(examples, FewShotOpponent):
        row_cost += examples.row_cost

    rows = len(lines)
    number = affordable(allowed, fixed, row_cost * len(setting.rows) / rows, rows)
    return sample(rows, number, clusters_of_lines(lines), setting.recipe.seed)


def ask_opponent(name: OpponentName, ask: Callable[[], Opponent], asked: int, rows: int) -> Opponent | Absent:
    """What it answers, or why it cannot."""
    try:
        return note_sample(ask(), asked, rows)
    except DataError as refusal:
        return Absent(name, LABELS[name], refusal.what)


def note_sample(opponent: Opponent, asked: int, rows: int) -> Opponent:
    """The opponent; if not all test rows were to be asked, its detail says so."""
    if asked == rows:
        return opponent
    note = f"asked {asked:,} of {count(rows, 'test row')}, drawn by the seed: all would cost more than "
    note += f"{100 * SHARE:.0f}% of the run (evaluate.against names opponents that are asked all)"
    return replace(opponent, detail=f"{note}; {opponent.detail}")


def expected_tokens(setting: Setting, lines: list[AnswerLine]) -> float:
    """Mean tokens that the base is expected to write: what it wrote as it is, and the whole room for an answer that
    seems to have been cut, which is if several answers are as long as the longest."""
    answers = [line["base"] for line in lines]
    lengths = list(map(len, setting.loaded.tokenizer(answers)["input_ids"]))
    longest = max(lengths)
    seem_cut = longest > 0 and lengths.count(longest) > 1

    expected = []
    for length in lengths:
        if seem_cut and length >= longest - 1:
            expected.append(setting.tokens)
        else:
            expected.append(length + 1)

    return min(setting.tokens, mean(expected))


def unaskable_in(setting: Setting) -> dict[OpponentName, str]:
    """Opponents that cannot or should not be asked, whatever the rows are, and why."""
    refused = dict(setting.unaskable)
    if setting.recipe.retrieval is not None:
        refused["examples"] = "each prompt holds passages already, and examples need their room"
    return refused


def unaskable_for(rewards: Sequence[AnyReward]) -> dict[OpponentName, str]:
    """Opponents whose answers would cost too much to score by these rewards."""
    refused: dict[OpponentName, str] = {}
    kinds = {reward.kind for reward in rewards}
    if "tests" in kinds:
        refused["constant"] = "each candidate would run the tests of each row"

    if "judge" in kinds:
        why = "each of its answers would cost a call of the judge"
        refused |= {"constant": why, "prompted": why, "examples": why}

    return refused


def constant_opponent(setting: Setting) -> Opponent | Absent:
    if why := unaskable_in(setting).get("constant"):
        return Absent("constant", CONSTANT, why)
    answers = setting.seen
    if not answers.rows and not setting.own:
        return Absent("constant", CONSTANT, "no training row has an answer in words")
    setting.observer.phase("looking for the best constant answer")
    chosen = choose(answers, setting.compared, setting.score, setting.own)
    return constant(chosen, setting.rows, setting.score)
