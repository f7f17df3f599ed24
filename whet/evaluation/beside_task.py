"""What is measured beside the task, of a model that writes words: wins, retrieval, a judge, the goal, the cost."""

from __future__ import annotations

from collections.abc import Sequence

from whet.evaluation.contest import Contest
from whet.evaluation.decision import cost_sentence
from whet.evaluation.facts import SIDES, AnswerLine, Evaluation, Measured
from whet.evaluation.forgetting.measure_forgetting import KL_ROWS, measure_forgetting
from whet.evaluation.goal import answers_timed, judge_goal
from whet.evaluation.judges.language_model import measure_judge
from whet.evaluation.judges.win_rate import answers_where_missing, measure_wins
from whet.evaluation.retrieval.measure import measure_retrieved
from whet.rewards.combine import build_rewards
from whet.stats.paired import clusters_of
from whet.store.run import JUDGED


def measure_answers(contest: Contest, measured: Evaluation, lines: list[AnswerLine], judged: Sequence[str]) -> Measured:
    """How often the answers win, what they rest on, what a judge says, and whether the goal is reached. `judged` names
    the models whose words a judge compares."""
    run, recipe, rows = contest.run, contest.recipe, contest.rows
    if recipe.evaluate.wins or recipe.evaluate.judge:
        lines = answers_where_missing(lines, contest)

    if recipe.evaluate.wins:
        winning = build_rewards(recipe.evaluate.wins, run.folder / JUDGED)
        measured["wins"] = measure_wins(lines, rows, winning, recipe.seed)

    if recipe.retrieval:
        answers = {}
        for side in SIDES:
            answers[side] = [line[side] for line in lines]
        cache = run.folder / JUDGED / "support.json"
        measured["retrieval"] = measure_retrieved(contest.prepared.shown, answers, recipe.retrieval, cache)

    if recipe.evaluate.judge:
        contest.observer.phase("judging")
        measured["judge"], lines = measure_judge(lines, contest, judged)

    seconds = answers_timed(contest)
    measured["verdict"]["goal"] = judge_goal(recipe.goal, measured, lines, contest.prepared, seconds)
    return measured, lines


def measure_cost(contest: Contest, measured: Evaluation) -> None:
    """Writes what was forgotten into `measured`, if the recipe asks for it."""
    if not contest.recipe.evaluate.forgetting:
        return
    prompts: list[list[int]] = []
    clusters: Sequence[object] | None = None

    if not contest.source.plain_text:
        rows = contest.rows[:KL_ROWS]
        prompts, clusters = contest.prompts(rows), clusters_of(rows)

    contest.observer.phase("measuring what was forgotten")
    cache = contest.run.folder.parent / "cache"
    measured["forgetting"] = measure_forgetting(contest, prompts, clusters, cache)
    measured["verdict"]["sentence"] += cost_sentence(measured)
