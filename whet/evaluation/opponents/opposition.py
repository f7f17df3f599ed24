"""After base and tuned model were measured: the other opponents, and one verdict over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import fmean as mean
from typing import Any

from whet.errors import DataError, count
from whet.evaluation.metrics.turns import Turns
from whet.evaluation.opponents.budget import SHARE, WRITE, affordable, sample
from whet.evaluation.opponents.by_turns import by_row, places_of
from whet.evaluation.opponents.constant import choose, constant
from whet.evaluation.opponents.few_shot import LABEL as EXAMPLES
from whet.evaluation.opponents.few_shot import FewShotOpponent
from whet.evaluation.opponents.joint_verdict import against_facts, strongest, verdict_of
from whet.evaluation.opponents.opponent import Absent, Opponent, hold
from whet.evaluation.opponents.prompted import CHOSEN, PromptedOpponent
from whet.evaluation.opponents.prompted import LABEL as PROMPTED
from whet.evaluation.opponents.setting import Setting
from whet.evaluation.verdict import compare
from whet.recipe.schema import Evaluate, OpponentName
from whet.recipe.sections.rewards import AnyReward
from whet.stats.paired import clusters_of_lines
from whet.store.run import Run

BASE = "the base as it is"
CONSTANT = "the best constant answer"
LABELS: dict[OpponentName, str] = {
    "base": BASE,
    "constant": CONSTANT,
    "prompted": PROMPTED,
    "examples": EXAMPLES,
}
Lines = list[dict[str, Any]]
Found = list[Opponent | Absent]


def judge_opponents(
    measured: dict[str, Any], tuned: Sequence[float], clusters: Sequence[object] | None, found: Found, seed: int
) -> None:
    """Puts the verdict over all opponents, of which the first is the base, into `measured`, in place of that over the
    base alone. What was added to the sentence there (a warning) stays behind the new one; a sentence that was replaced
    there (the metric cannot tell the two apart) stays where the base is the strongest."""
    asked = [one for one in found if isinstance(one, Opponent)]
    held = [hold(one, tuned, clusters, seed) for one in asked]
    base = next(one for one in asked if one.name == "base")
    _, before = compare(base.scores, tuned, seed, clusters)
    verdict, told = measured["verdict"], str(measured["verdict"]["sentence"])
    over, added = verdict_of(held), told.removeprefix(before.sentence)

    if told.startswith(before.sentence):
        verdict |= asdict(over) | {"sentence": over.sentence + added}
    elif strongest(held).opponent is not base:
        verdict |= asdict(over) | {"sentence": f"{over.sentence} Over {base.label}: {told}"}

    verdict |= against_facts(held, [one for one in found if isinstance(one, Absent)])


def judge_lines(measured: dict[str, Any], lines: Lines, found: Found, seed: int) -> None:
    """As `judge`, and writes what the others answered into the lines of answers.jsonl."""
    tuned, clusters = [line["tuned_score"] for line in lines], clusters_of_lines(lines)
    judge_opponents(measured, tuned, clusters, found, seed)

    for one in found:
        if isinstance(one, Absent) or one.name == "base":
            continue

        for number, place in enumerate(one.places):
            answer = {"text": "" if one.texts is None else one.texts[number], "score": one.scores[number]}
            lines[place].setdefault("opponents", {})[one.name] = answer


def base_opponent(lines: Lines, prompt_tokens: float | None, label: str = BASE) -> Opponent:
    """What was measured already."""
    texts, scores = ([line[key] for line in lines] for key in ("base", "base_score"))
    return Opponent("base", label, list(range(len(lines))), scores, texts, prompt_tokens)


def wanted_names(settings: Evaluate) -> list[OpponentName]:
    """Base and constant are always there."""
    if settings.against == "auto":
        return list(LABELS)
    return ["base", "constant", *settings.against]


def written_opponents(setting: Setting, lines: Lines, learned: float, run: Run, turns: Turns | None = None) -> Found:
    """Where answers are written: base, constant, and of the two that are asked those that are wanted.

    `learned` is what the training cost, in tokens that are read once. `turns` are those that the rows of the setting
    are, where a test row has several. What was chosen stays in the run, for compare.
    """

    def of_rows(one: Opponent) -> Opponent:
        if turns is None:
            return one
        return by_row(one, turns)

    prompts = [setting.prepared.renderer.prompt_ids(row.prompt, row.tools) for row in setting.rows]
    always = constant_opponent(setting)
    found: Found = [base_opponent(lines, mean(map(len, prompts)))]
    found.append(always if isinstance(always, Absent) else of_rows(always))
    names = wanted_names(setting.recipe.evaluate)
    refused = unaskable_in(setting)
    found += [Absent(name, LABELS[name], why) for name, why in refused.items() if name in names and name != "constant"]
    names = [name for name in names if name not in refused]
    expected = expected_tokens(setting, lines)
    spent = learned + 2 * sum(len(ids) + WRITE * expected for ids in prompts)

    if setting.recipe.evaluate.against == "auto":
        allowed = SHARE * spent
    else:
        allowed = float("inf")

    prompted: PromptedOpponent | None = None
    examples: FewShotOpponent | None = None

    if "prompted" in names:
        try:
            prompted = PromptedOpponent(setting, allowed / 2, expected)
        except DataError as refusal:
            found.append(Absent("prompted", PROMPTED, refusal.what))

    if "examples" in names:
        try:
            examples = FewShotOpponent(setting, expected)
        except DataError as refusal:
            found.append(Absent("examples", EXAMPLES, refusal.what))

    if prompted:
        fixed = prompted.choosing_cost
    else:
        fixed = 0.0

    rows, clusters = len(lines), clusters_of_lines(lines)
    per_row = sum(one.row_cost for one in (prompted, examples) if one) * len(setting.rows) / rows
    places = sample(rows, affordable(allowed, fixed, per_row, rows), clusters, setting.recipe.seed)

    if turns is None:
        turned = places
    else:
        turned = places_of(turns, places)

    if prompted:
        way = prompted.choose()
        run.write_json(CHOSEN, asdict(way))
        told = prompted
        found.append(ask_opponent("prompted", lambda: of_rows(told.opponent(way, turned)), len(places), rows))

    if examples:
        shown = examples
        found.append(ask_opponent("examples", lambda: of_rows(shown.opponent(turned)), len(places), rows))
    return found


def ask_opponent(name: OpponentName, ask: Callable[[], Opponent], asked: int, rows: int) -> Opponent | Absent:
    """What it answers, or why it cannot."""
    try:
        return note_sample(ask(), asked, rows)
    except DataError as refusal:
        return Absent(name, LABELS[name], refusal.what)


def note_sample(one: Opponent, asked: int, rows: int) -> Opponent:
    """With its detail saying so where not all test rows were to be asked."""
    if asked == rows:
        return one
    said = f"asked {asked:,} of {count(rows, 'test row')}, drawn by the seed: all would cost more than "
    said += f"{100 * SHARE:.0f}% of the run (evaluate.against names opponents that are asked all)"
    return Opponent(one.name, one.label, one.places, one.scores, one.texts, one.prompt_tokens, f"{said}; {one.detail}")


def expected_tokens(setting: Setting, lines: Lines) -> float:
    """Mean tokens that the base is expected to write: what it wrote as it is, and the whole room where it seems to have
    been cut, which is where several answers are as long as the longest."""
    lengths = []
    for ids in setting.loaded.tokenizer([line["base"] for line in lines])["input_ids"]:
        lengths.append(len(ids))
    longest = max(lengths)
    cut = longest > 0 and lengths.count(longest) > 1
    return min(setting.tokens, mean([setting.tokens if cut and n >= longest - 1 else n + 1 for n in lengths]))


def unaskable_in(setting: Setting) -> dict[OpponentName, str]:
    """Opponents that cannot or should not be asked, whatever the rows are, and why."""
    found = dict(setting.unaskable)
    if setting.recipe.retrieval is not None:
        found["examples"] = "each prompt holds passages already, and examples need their room"
    return found


def unaskable_for(rewards: Sequence[AnyReward]) -> dict[OpponentName, str]:
    """Opponents whose answers would cost too much to score by these rewards."""
    found: dict[OpponentName, str] = {}
    kinds = {reward.kind for reward in rewards}
    if "tests" in kinds:
        found["constant"] = "each candidate would run the tests of each row"

    if "judge" in kinds:
        why = "each of its answers would cost a call of the judge"
        found |= {"constant": why, "prompted": why, "examples": why}

    return found


def constant_opponent(setting: Setting) -> Opponent | Absent:
    if why := unaskable_in(setting).get("constant"):
        return Absent("constant", CONSTANT, why)
    seen = setting.seen
    if not seen.rows and not setting.own:
        return Absent("constant", CONSTANT, "no training row has an answer in words")
    setting.observer.phase("looking for the best constant answer")
    chosen = choose(seen, setting.compared, setting.score, setting.own)
    return constant(chosen, setting.rows, setting.score)
