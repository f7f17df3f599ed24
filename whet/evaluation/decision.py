"""Should the tuned model be used? One answer from the verdict and from what was forgotten: yes, no, or not yet.

yes       better than all it was held against, or as good as what reads at least twice as much, and everything with a
          budget is within it
no        worse, or no better, or something is over its budget, or the recipe's goal is missed, or no step was better
          than the start, so that the model is its base
not yet   the rows cannot tell whether it is better, whether something is over, or whether the goal is reached; or the
          verdict has a warning
"""

from __future__ import annotations

from typing import Any, Literal

Answer = Literal["yes", "no", "not yet"]


TRAINING_PAYS = 2.0
"""A model of one's own must be kept, served and trained again: it wins at equal quality from half the cost on."""
TELLS: dict[str, str] = {
    "base": "use the base as it is",
    "constant": "a fixed answer does as well: nothing needs a model yet",
    "prompted": "use the base with a prompt",
    "examples": "put examples into the prompt of the base",
}
"""What to do where an opponent (whet/evaluation/opponents/) is not beaten."""
IS_BASE = (
    "no step was better than the start on the validation rows, so this model is its base; more rows or a lower "
    "learning_rate may help"
)
OF_ARM = {"zero-shot": "base", "constant": "constant", "prompted": "prompted", "few-shot-nearest": "examples"}
"""Arms of `whet compare` that `whet tune` holds its model against, too."""


def decide(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The key `ship` of evaluation.json: `answer`, a `sentence`, and what was `broken` or is `unclear`."""
    verdict = evaluation.get("verdict") or {}
    forgetting = evaluation.get("forgetting") or {}
    broken, unclear = forgetting.get("broken") or [], forgetting.get("unclear") or []
    goal = verdict.get("goal") or {}

    if verdict.get("word") == "better":
        good = "it is better at its task"
    else:
        good = as_good_for_less(verdict)

    answer, why = "yes", f"{good}, {within_budget(forgetting)}"
    if evaluation.get("is_base"):
        answer, why = "no", IS_BASE
    elif good is None:
        answer, why = without_gain(verdict)
    elif goal.get("word") == "missed":
        answer, why = "no", f"{good}, but misses the goal of its recipe"
    elif broken:
        answer, why = "no", f"{good}, but over budget elsewhere: {listed(broken)}"
    elif evaluation.get("caution"):
        answer, why = "not yet", f"{good}, but beware: {evaluation['caution']}"
    elif unclear:
        answer, why = "not yet", f"{good}, but the rows cannot tell what it cost: {listed(unclear)}"
    elif goal.get("word") == "undecided":
        answer, why = "not yet", f"{good}, but the rows cannot tell whether it reaches its goal"

    return {"answer": answer, "sentence": f"{answer.capitalize()}: {why}".rstrip(".") + "."} | {
        "broken": broken,
        "unclear": unclear,
    }


def as_good_for_less(verdict: dict[str, Any]) -> str | None:
    """`it is as good as the base with three examples, with 60 prompt tokens in the place of 900`: where each opponent
    that was not beaten is equalled within the margin both ways and reads at least twice as much. Else None."""
    against = verdict.get("against") or []
    mine = next((one["prompt_tokens"] for one in against if one["name"] == "base"), None)

    left = [one for one in against if not one["better"]]
    if verdict.get("word") != "no-difference" or mine is None or not left:
        return None
    if not all(one["word"] == "no-difference" and costs_more(one, mine) for one in left):
        return None
    top = next(one for one in left if one["name"] == verdict["strongest"])

    return (
        f"it is as good as {top['label']}, with {mine:,.0f} prompt tokens in the place of {top['prompt_tokens']:,.0f}"
    )


def costs_more(opponent: dict[str, Any], prompt_tokens: float) -> bool:
    return (opponent["prompt_tokens"] or 0.0) >= TRAINING_PAYS * prompt_tokens


def without_gain(verdict: dict[str, Any]) -> tuple[Answer, str]:
    """`verdict` may be of a run that was measured before there were opponents."""
    word, name = verdict.get("word"), verdict.get("strongest")
    label = next((one["label"] for one in verdict.get("against") or [] if one["name"] == name), "its base")

    if word == "worse":
        return "no", f"it is worse than {label}"
    if word == "no-difference":
        if name in (None, "base"):
            free = ""
        else:
            free = ", which needs no training"
        return "no", f"it is no better than {label}{free}"

    return "not yet", f"the test rows cannot tell whether it is better than {label}"


def settle(verdict: dict[str, Any], ship: dict[str, Any] | None, against: list[dict[str, Any]]) -> dict[str, Any]:
    """The verdict of a comparison and the answer of its run as one recommendation: the verdict with `headline`, and
    with `arm`, `do` and `sentence` where the run knows better. `against` are the opponents of the run's own verdict.

    A tuned model that its run does not call fit for use is never recommended; one that is fit for use, and proved
    better than an arm that is cheaper and nearly as good, is recommended in its place.
    """
    if ship is None:
        return verdict | {"headline": headline(verdict)}

    chosen = verdict["arm"] or verdict["meanwhile"]
    tuned = chosen in ("tuned", "tuned-retrieval")

    beaten = {one["name"] for one in against if one["better"]}
    if not tuned and chosen and ship["answer"] == "yes" and OF_ARM.get(chosen) in beaten:
        do = "fine-tune"
        sentence = f"{_open(verdict['sentence'], verdict['do'])}; but the tuned model is proved better than it: {do}."
        verdict = verdict | {"arm": "tuned", "meanwhile": None, "do": do, "sentence": sentence}
    elif tuned and ship["answer"] != "yes":
        left = [one for one in against if not one["better"]]
        if ship["answer"] == "not yet":
            yet = " yet"
        else:
            yet = ""

        do = f"do not use this tuned model{yet}"
        if left and ship["answer"] == "no" and not ship.get("broken"):
            do += f"; {TELLS[min(left, key=lambda one: one['difference'])['name']]}"

        sentence = f"{_open(verdict['sentence'], verdict['do'])}: {do}."
        verdict = verdict | {"do": do, "sentence": sentence}

    return verdict | {"headline": headline(verdict)}


def headline(verdict: dict[str, Any]) -> str:
    """What to do, in as few words as there are."""
    if verdict["arm"] is None:
        if verdict["meanwhile"]:
            return "The rows cannot tell"
        return "None of them works"
    return verdict["do"][:1].upper() + verdict["do"][1:]


def _open(sentence: str, do: str) -> str:
    """Without what it says at its end is to be done."""
    return sentence.removesuffix(f": {do}.").removesuffix(".")


def within_budget(forgetting: dict[str, Any]) -> str:
    if forgetting.get("word") == "kept":
        return "and all that was measured elsewhere is within budget"
    return "and what it cost elsewhere was not measured"


def listed(names: list[str]) -> str:
    return ", ".join(name[:1].lower() + name[1:] for name in names)


def cost_sentence(evaluation: dict[str, Any]) -> str:
    """What the sentence of a verdict says of what was forgotten; nothing where that was not judged."""
    forgetting = evaluation.get("forgetting") or {}
    word, joint = forgetting.get("word"), "But" if evaluation["verdict"]["word"] == "better" else "And"
    if word == "lost":
        return f" {joint} it is over budget elsewhere: {listed(forgetting['broken'])}."
    if word == "unclear":
        return f" Whether it is over budget elsewhere the rows cannot tell: {listed(forgetting['unclear'])}."
    if word == "kept":
        return " All that was measured elsewhere is within budget."
    return ""
