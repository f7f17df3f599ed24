"""Should the tuned model be used? One answer from the verdict and from what was forgotten: yes, no, or not yet.

yes       better, and everything with a budget is within it
no        worse, or no better, or something is over its budget, or the recipe's goal is missed
not yet   the rows cannot tell whether it is better, whether something is over, or whether the goal is reached; or the
          verdict has a warning
"""

from __future__ import annotations

from typing import Any, Literal

Answer = Literal["yes", "no", "not yet"]


def decide(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The key `ship` of evaluation.json: `answer`, a `sentence`, and what was `broken` or is `unclear`."""
    word = (evaluation.get("verdict") or {}).get("word")
    forgetting = evaluation.get("forgetting") or {}
    broken, unclear = forgetting.get("broken") or [], forgetting.get("unclear") or []
    goal = (evaluation.get("verdict") or {}).get("goal") or {}
    answer, why = "yes", f"it is better at its task, {kept(forgetting)}"
    if word != "better":
        answer, why = without_gain(word)
    elif goal.get("word") == "missed":
        answer, why = "no", "it is better at its task, but misses the goal of its recipe"
    elif broken:
        answer, why = "no", f"it is better at its task, but over budget elsewhere: {listed(broken)}"
    elif evaluation.get("caution"):
        answer, why = "not yet", f"it is better at its task, but beware: {evaluation['caution']}"
    elif unclear:
        answer, why = "not yet", f"it is better at its task, but the rows cannot tell what it cost: {listed(unclear)}"
    elif goal.get("word") == "undecided":
        answer, why = "not yet", "it is better at its task, but the rows cannot tell whether it reaches its goal"
    return {"answer": answer, "sentence": f"{answer.capitalize()}: {why}".rstrip(".") + "."} | {
        "broken": broken,
        "unclear": unclear,
    }


def without_gain(word: str | None) -> tuple[Answer, str]:
    if word == "worse":
        return "no", "it is worse than its base"
    if word == "no-difference":
        return "no", "it is no better than its base"
    return "not yet", "the test rows cannot tell whether it is better than its base"


def kept(forgetting: dict[str, Any]) -> str:
    if forgetting.get("word") == "kept":
        return "and all that was measured elsewhere is within budget"
    return "and what it cost elsewhere was not measured"


def listed(names: list[str]) -> str:
    return ", ".join(name[:1].lower() + name[1:] for name in names)


def in_verdict(evaluation: dict[str, Any]) -> str:
    """What the sentence of a verdict says of what was forgotten; nothing where that was not judged."""
    forgetting = evaluation.get("forgetting") or {}
    word, joint = forgetting.get("word"), "But" if evaluation["verdict"]["word"] == "better" else "And"
    if word == "lost":
        return f" {joint} it is over budget elsewhere: {listed(forgetting['broken'])}."
    if word == "unclear":
        return f" Whether it is over budget elsewhere the rows cannot tell: {listed(forgetting['unclear'])}."
    return " All that was measured elsewhere is within budget." if word == "kept" else ""
