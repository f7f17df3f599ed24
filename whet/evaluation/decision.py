"""Should the tuned model be used? One answer from the verdict and from what was forgotten: yes, no, or not yet.

yes       better than all it was held against, or as good as what reads at least twice as much, and everything with a
          budget is within it
no        worse, or no better, or something is over its budget, or the recipe's goal is missed, or no step was better
          than the start, so that the model is its base
not yet   the rows cannot tell whether it is better, whether something is over, or whether the goal is reached; or the
          verdict has a warning
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from whet.evaluation.facts import Decision, OpponentFacts

if TYPE_CHECKING:
    from whet.evaluation.comparison.comparison_facts import CompareVerdict

Answer = Literal["yes", "no", "not yet"]


TRAINING_PAYS = 2.0
"""A model of one's own must be kept, served and trained again: at equal quality it wins if it costs half or less."""
TELLS: dict[str, str] = {
    "base": "use the base as it is",
    "constant": "a fixed answer does as well: nothing needs a model yet",
    "prompted": "use the base with a prompt",
    "examples": "put examples into the prompt of the base",
}
"""What to do if an opponent (whet/evaluation/opponents/) is not beaten."""
IS_BASE = (
    "no step was better than the start on the validation rows, so this model is its base; more rows or a lower "
    "learning_rate may help"
)
OF_ARM = {"zero-shot": "base", "constant": "constant", "prompted": "prompted", "few-shot-nearest": "examples"}
"""Arms of `whet compare` that `whet tune` holds its model against, too."""


def decide(evaluation: Mapping[str, Any]) -> Decision:
    """The key `ship` of an evaluation, which may be of an earlier version: `answer`, a `sentence`, and what was
    `broken` or is `unclear`."""
    forgetting = evaluation.get("forgetting") or {}
    broken, unclear = forgetting.get("broken") or [], forgetting.get("unclear") or []
    answer, why = answer_of(evaluation, broken, unclear)
    sentence = f"{answer.capitalize()}: {why}".rstrip(".") + "."
    return {"answer": answer, "sentence": sentence, "broken": broken, "unclear": unclear}


def answer_of(evaluation: Mapping[str, Any], broken: list[str], unclear: list[str]) -> tuple[Answer, str]:
    """(answer, why)."""
    verdict = evaluation.get("verdict") or {}
    goal = (verdict.get("goal") or {}).get("word")

    if verdict.get("word") == "better":
        good = "it is better at its task"
    else:
        good = as_good_for_less(verdict)

    if evaluation.get("is_base"):
        return "no", IS_BASE
    if good is None:
        return without_gain(verdict)
    if goal == "missed":
        return "no", f"{good}, but misses the goal of its recipe"
    if broken:
        return "no", f"{good}, but over budget elsewhere: {listed(broken)}"
    if evaluation.get("caution"):
        return "not yet", f"{good}, but beware: {evaluation['caution']}"
    if unclear:
        return "not yet", f"{good}, but the rows cannot tell what it cost: {listed(unclear)}"
    if goal == "undecided":
        return "not yet", f"{good}, but the rows cannot tell whether it reaches its goal"

    return "yes", f"{good}, {within_budget(evaluation.get('forgetting') or {})}"


def as_good_for_less(verdict: Mapping[str, Any]) -> str | None:
    """`it is as good as the base with three examples, with 60 prompt tokens in the place of 900`: if each opponent
    that was not beaten is equalled within the margin both ways and reads at least twice as much. Else None."""
    against = verdict.get("against") or []
    own_tokens = next((entry["prompt_tokens"] for entry in against if entry["name"] == "base"), None)

    unbeaten = [entry for entry in against if not entry["better"]]
    if verdict.get("word") != "no-difference" or own_tokens is None or not unbeaten:
        return None
    for entry in unbeaten:
        if entry["word"] != "no-difference" or not costs_more(entry, own_tokens):
            return None

    top = next(entry for entry in unbeaten if entry["name"] == verdict["strongest"])
    tokens = f"with {own_tokens:,.0f} prompt tokens in the place of {top['prompt_tokens']:,.0f}"
    return f"it is as good as {top['label']}, {tokens}"


def costs_more(opponent: Mapping[str, Any], prompt_tokens: float) -> bool:
    return (opponent["prompt_tokens"] or 0.0) >= TRAINING_PAYS * prompt_tokens


def without_gain(verdict: Mapping[str, Any]) -> tuple[Answer, str]:
    """`verdict` may be of a run that was measured before there were opponents."""
    word, name = verdict.get("word"), verdict.get("strongest")
    labels = {entry["name"]: entry["label"] for entry in verdict.get("against") or []}
    label = labels.get(name, "its base")

    if word == "worse":
        return "no", f"it is worse than {label}"
    if word == "no-difference":
        free = ""
        if name not in (None, "base"):
            free = ", which needs no training"
        return "no", f"it is no better than {label}{free}"

    return "not yet", f"the test rows cannot tell whether it is better than {label}"


def settle(verdict: CompareVerdict, ship: Decision | None, against: Sequence[OpponentFacts]) -> CompareVerdict:
    """The verdict of a comparison and the answer of its run as one recommendation: the verdict with `headline`, and
    with `arm`, `do` and `sentence` if the run knows better. `against` are the opponents of the run's own verdict.

    A tuned model that its run does not call fit for use is never recommended; one that is fit for use, and proved
    better than an arm that is cheaper and nearly as good, is recommended in its place.
    """
    if ship is None:
        return {**verdict, "headline": headline(verdict)}

    chosen = verdict["arm"] or verdict["meanwhile"]
    is_tuned = chosen in ("tuned", "tuned-retrieval")
    beaten = {entry["name"] for entry in against if entry["better"]}

    if not is_tuned and chosen and ship["answer"] == "yes" and OF_ARM.get(chosen) in beaten:
        verdict = _recommend_tuned(verdict)
    elif is_tuned and ship["answer"] != "yes":
        verdict = _advise_against_tuned(verdict, ship, against)
    return {**verdict, "headline": headline(verdict)}


def _recommend_tuned(verdict: CompareVerdict) -> CompareVerdict:
    do = "fine-tune"
    sentence = f"{_open(verdict['sentence'], verdict['do'])}; but the tuned model is proved better than it: {do}."
    return {**verdict, "arm": "tuned", "meanwhile": None, "do": do, "sentence": sentence}


def _advise_against_tuned(verdict: CompareVerdict, ship: Decision, against: Sequence[OpponentFacts]) -> CompareVerdict:
    do = "do not use this tuned model"
    if ship["answer"] == "not yet":
        do += " yet"

    unbeaten = [entry for entry in against if not entry["better"]]
    if unbeaten and ship["answer"] == "no" and not ship.get("broken"):
        best = min(unbeaten, key=lambda entry: entry["difference"])
        do += f"; {TELLS[best['name']]}"

    return {**verdict, "do": do, "sentence": f"{_open(verdict['sentence'], verdict['do'])}: {do}."}


def headline(verdict: Mapping[str, Any]) -> str:
    """What to do, in as few words as there are."""
    if verdict["arm"] is None:
        if verdict["meanwhile"]:
            return "The rows cannot tell"
        return "None of them works"
    return verdict["do"][:1].upper() + verdict["do"][1:]


def _open(sentence: str, do: str | None) -> str:
    """The sentence without its end, which says what to do."""
    return sentence.removesuffix(f": {do}.").removesuffix(".")


def within_budget(forgetting: Mapping[str, Any]) -> str:
    if forgetting.get("word") == "kept":
        return "and all that was measured elsewhere is within budget"
    return "and what it cost elsewhere was not measured"


def listed(names: list[str]) -> str:
    return ", ".join(name[:1].lower() + name[1:] for name in names)


def cost_sentence(evaluation: Mapping[str, Any]) -> str:
    """What the sentence of a verdict says of what was forgotten; nothing if that was not judged."""
    forgetting = evaluation.get("forgetting") or {}
    word = forgetting.get("word")
    joint = "And"
    if evaluation["verdict"]["word"] == "better":
        joint = "But"

    if word == "lost":
        return f" {joint} it is over budget elsewhere: {listed(forgetting['broken'])}."
    if word == "unclear":
        return f" Whether it is over budget elsewhere the rows cannot tell: {listed(forgetting['unclear'])}."
    if word == "kept":
        return " All that was measured elsewhere is within budget."
    return ""
