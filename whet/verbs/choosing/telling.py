"""A choice as choice.json has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whet.selection.asking import Asked
from whet.selection.budget import HOUR
from whet.selection.choice_facts import (
    AskedFacts,
    BudgetFacts,
    CandidateFacts,
    ChoiceFacts,
    ChoiceVerdict,
    ChosenFacts,
    RungFacts,
)
from whet.selection.page import PAGE
from whet.selection.recommendation import Option, Recommendation
from whet.stats.paired import clusters_of, mean_interval
from whet.verbs.choosing.tries import Try

if TYPE_CHECKING:
    from whet.verbs.choosing.tournament import Tournament

UNKNOWN = "unknown"


def why_unfit(seen: dict[str, Any]) -> str:
    """Why a base cannot take part, by what `look` says; "" where it can."""
    if "refused" in seen:
        return seen["refused"]
    if seen["fits"]:
        return ""
    needed, available = seen["memory"] / 1e9, seen["available"] / 1e9
    why = f"it does not fit: its tune needs about {needed:.2f} GB of {available:.2f} GB"
    if seen["would_fit"]:
        why += f"; other settings would fit, and learn otherwise. {seen['would_fit']}"
    return why


def facts_of(game: Tournament, found: Recommendation, verdict: ChoiceVerdict | None) -> ChoiceFacts:
    option, reason, gain, worth = found.option, found.reason, None, False
    if option is not None and verdict is not None:
        gain, ship = option.score - verdict["score"], verdict["ship"]
        worth = verdict["word"] == "better" if ship is None else ship["answer"] == "yes"
        if ship is not None and not worth:
            reason += f" Of its run the answer is: {ship['sentence']}"
        elif not worth:
            reason += " On the test rows that is not proved: do not rely on it before there are more rows."

    label, always = game.constant
    facts: ChoiceFacts = {
        "name": game.place.name,
        "data": game.recipe.data,
        "metric": {"name": game.metric[0], "reason": game.metric[1]},
        "validation_rows": len(game.rows),
        "constant": {"label": label, "score": sum(always) / len(always)},
        "candidates": [candidate_facts(each, game) for each in game.tries],
        "answers_per_month": game.answers_per_month,
        "chosen": chosen_facts(option),
        "worth_it": worth,
        "reason": reason,
        "verdict": verdict,
        "selection_gain": gain,
        "budget": budget_facts(game),
        "report": str(game.study.folder / PAGE),
    }
    if notes := game.notes():
        facts["notes"] = notes
    return facts


def budget_facts(game: Tournament) -> BudgetFacts:
    purse = game.study.purse
    budget = purse.budget
    return {
        "hours": budget.hours,
        "memory": budget.memory,
        "usd": budget.usd,
        "price_per_hour": budget.price_per_hour,
        "used": {"hours": purse.seconds / HOUR, "usd": purse.usd},
    }


def chosen_facts(option: Option | None) -> ChosenFacts | None:
    if option is None:
        return None
    return {"base": option.base, "way": option.way, "asked": option.asked, "run": option.run, "label": option.label}


def candidate_facts(each: Try, game: Tournament) -> CandidateFacts:
    price, volume = game.study.purse.budget.price_per_hour, game.answers_per_month
    best = max((*each.asked.values(), *filter(None, [each.tuned])), key=lambda asked: asked.score, default=None)
    seen, time = each.seen, each.seen.get("time")

    def asked_facts(asked: Asked | None) -> AskedFacts | None:
        if asked is None:
            return None
        low, high = mean_interval(asked.values, game.recipe.seed, clusters_of(game.rows))
        return {
            "score": asked.score,
            "interval": [low, high],
            "rows": len(asked.values),
            "prompt_tokens": asked.prompt_tokens,
            "answer_tokens": asked.answer_tokens,
            "seconds_per_answer": asked.seconds,
            "usd_per_1000": each.usd(asked, price, volume),
            "detail": asked.detail,
        }

    return {
        "base": each.name,
        "kind": "local" if each.remote is None else "url",
        "fits": each.remote is not None or bool(seen.get("fits")),
        "licence": seen.get("licence", UNKNOWN),
        "context": seen.get("context"),
        "tokens_per_row": seen.get("tokens_per_row"),
        "parameters": seen.get("parameters"),
        "settings": each.settings,
        "as_it_is": asked_facts(each.asked.get("as_it_is")),
        "prompted": asked_facts(each.asked.get("prompted")),
        "examples": asked_facts(each.asked.get("examples")),
        "not_asked": {str(way): why for way, why in each.not_asked.items()},
        "rungs": rungs_of(each, game),
        "cost": {
            "hours": time["total"] / HOUR if time else None,
            "memory": seen.get("memory"),
            "usd_per_1000": None if best is None else each.usd(best, price, volume),
        },
        "seconds_per_answer": None if best is None else best.seconds,
        "out": each.out,
        "why": each.why,
    }


def rungs_of(each: Try, game: Tournament) -> list[RungFacts]:
    """With the price of an answer, which all rungs of one base share but for the seconds."""
    rungs = []
    for rung in each.rungs:
        asked = Asked([], [], rung["prompt_tokens"], rung["answer_tokens"], rung["seconds_per_answer"])
        rungs.append(
            {**rung, "usd_per_1000": each.usd(asked, game.study.purse.budget.price_per_hour, game.answers_per_month)}
        )
    return rungs
