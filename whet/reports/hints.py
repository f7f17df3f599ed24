"""What the words of a report mean. A word with a hint is a button that opens it, by mouse, finger and keyboard, without
a script (the popover attribute of HTML); a browser that does not know it, and paper, show all hints at the end."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from whet.text.wording import capitalise

HINTS: dict[str, str] = {
    "95% interval": "The range that holds the true value in 95 of 100 such measurements. Where it includes zero, these "
    "rows cannot tell the direction.",
    "p-value": "How often a difference at least this large would come about by chance, were there none. Below 0.05 is "
    "called significant.",
    "McNemar's mid-p": "The exact test for right-or-wrong answers of two models to the same rows. It looks only at the "
    "rows on which they differ.",
    "test rows": "Rows set apart before training and never learned from. All scores are of these.",
    "validation rows": "Rows that choose (the checkpoint, an opponent's prompt), apart from those trained on and from "
    "those that judge.",
    "validation loss": "Loss on rows that were not trained on, as training goes. Where it rises while the training "
    "loss falls, the model learns its rows by heart.",
    "arm": "One way to get the answers: a prompt, examples, a look-up, the tuned model, another model.",
    "points": "Percentage points: from 40% to 50% is 10 points.",
    "effective rows": "Rows that are near-copies of each other, or of one person or document, say less than as many "
    "different ones. This is how many independent rows they are worth.",
    "clusters": "Groups of test rows that belong together, such as near-copies or one conversation. Intervals and "
    "tests go by them.",
    "opponent": "What the tuned model must beat on the same test rows: the base, an answer that reads nothing, the "
    "base told what is wanted, the base shown examples.",
    "prompt tokens": "Tokens that the model reads for one answer, on average. They cost time and money each time.",
    "answer tokens": "Tokens that the model writes for one answer, on average.",
    "content": "Whether the answer is right, after it was taken out of what surrounds it: code fences, prefixes, a "
    "sentence around a label.",
    "form": "Whether the answer stands as the program that reads it needs it, be it right or wrong.",
    "accuracy": "The share of rows whose answer is the right label.",
    "exact-match": "The share of answers that are the reference, apart from case, spaces and a final period.",
    "tool-call": "The share of answers with the reference's tool calls; where it has none, with its words.",
    "final-answer": "The share of answers whose result after #### is the reference's. The way to it is free.",
    "rouge-l": "F1 of the longest common sequence of words of answer and reference: 100% where they are the same.",
    "chrf": "Overlap of short runs of characters with the reference: 100% where they are the same.",
    "nll": "The mean probability that the model gives a token of the held-out text.",
    "preference-accuracy": "The share of pairs whose chosen answer the model finds likelier, token for token.",
    "mark-accuracy": "The share of marked answers that moved the right way: good ones likelier, bad ones less likely.",
    "label-f1": "F1 of the classes named for a row, averaged over the rows.",
    "json": "The share of answers that parse to exactly the reference's object.",
    "reward": "What the rules or the model that judge answers give them; more is better.",
    "F1": "The harmonic mean of precision and recall: high only where both are.",
    "Macro-F1": "The mean F1 of the classes, each counted the same, however rare.",
    "balanced accuracy": "The mean recall of the classes, each counted the same, however rare. Always answering one of "
    "K classes gives 1/K.",
    "precision": "Of the rows given this class, the share that have it.",
    "recall": "Of the rows of this class, the share that were given it.",
    "confusion": "What the model answered for the rows of each class. Off the diagonal it was wrong.",
    "nats": "The unit of loss here: natural logarithm. One nat less makes a text e (2.7) times as likely.",
    "reference loss": "How improbable the model finds the reference answers, in nats a token. Less is better; it sees "
    "gains where no answer is right yet.",
    "KL": "How far the tuned model's probabilities are from the base's, in nats a token. 0 is no change.",
    "budget": "The most that may be lost beside the task. A loss is within it when the bad end of its interval is.",
    "detectable gain": "The smallest gain that so many test rows would show in four of five cases, if 30% of the rows "
    "change.",
    "general text": "Text that has nothing to do with the task. Its loss rises when the model forgets.",
    "peak memory": "The most memory that the run held at any time.",
    "Learning rate": "How far one step moves the weights.",
    "Gradient norm": "How strongly the rows pull at the weights in a step.",
    "supervised tokens": "Tokens that were learned: the answers, not the prompts.",
    "entropy": "How undecided the model is about its next token: 0 where it always writes the same.",
    "calibration": "Whether of the answers given with, say, 80% probability 80% are right.",
    "win rate": "On how many prompts the tuned model's answer is liked more; a tie counts half.",
    "corrected": "Multiplied so that of all pairs together at most one in twenty tests is wrong by chance (Holm).",
    "longest context": "The tokens of the longest row, prompt and answer, against what the model can read.",
    "reward accuracy": "The share of pairs whose chosen answer gained more probability than the rejected one, against "
    "the base.",
    "margin": "By how much more the chosen answer gained than the rejected one.",
    "threshold": "The probability from which on a class is named.",
}
SPELLINGS = {
    "95% intervals": "95% interval", "score, 95% interval": "95% interval", "difference, 95% interval": "95% interval",
    "change, 95% interval": "95% interval", "recall, 95% interval": "recall", "p": "p-value",
    "p, corrected": "corrected", "strongest opponent": "opponent", "opponents": "opponent", "test row": "test rows",
    "validation row": "validation rows", "Content": "content", "Form": "form", "macro-F1": "Macro-F1",
    "Accuracy": "accuracy", "Balanced accuracy": "balanced accuracy", "F1, base": "F1", "F1, tuned": "F1",
    "F1 over fields": "F1", "Reference loss": "reference loss", "General text": "general text",
    "Peak memory": "peak memory", "Detectable gain": "detectable gain", "Supervised tokens": "supervised tokens",
    "Entropy": "entropy", "Win rate": "win rate", "Validation loss": "validation loss",
}  # fmt: skip
"""Other ways in which a word is written on a page."""
WORDS = {word: word for word in HINTS} | SPELLINGS
EVERYDAY = {
    "p", "content", "form", "Content", "Form", "json", "reward", "nll", "margin", "budget", "threshold", "recall",
    "precision", "confusion", "accuracy", "Accuracy",
}  # fmt: skip
"""Words that mean something else in many a sentence: they have their hint only where they stand alone."""
FOUND = re.compile(
    rf"(?<![\w.-])(?:{'|'.join(re.escape(word) for word in sorted(WORDS.keys() - EVERYDAY, key=len, reverse=True))})"
    r"(?![\w-])"
)


class Hints:
    """Marks words on one page, and remembers which, so that their hints are written once, at its end."""

    def __init__(self) -> None:
        self.used: dict[str, tuple[str, str]] = {}
        """id, word and hint of each word that was marked."""

    def __call__(self, text: str) -> Markup:
        """A head or a name that is a known word as a whole becomes its button; any other text stays as it is."""
        if text in WORDS:
            return self._button(text, WORDS[text])
        return breakable(text)

    def within(self, text: str) -> Markup:
        """A sentence in which the first place of each known word is a button."""
        parts, last, seen = [], 0, set()
        for match in FOUND.finditer(text):
            key = WORDS[match[0]]
            if key in seen:
                continue
            seen.add(key)
            parts += [escape(text[last : match.start()]), self._button(match[0], key)]
            last = match.end()

        return Markup("").join([*parts, escape(text[last:])])

    def filters(self) -> dict[str, Any]:
        return {"hint": self, "hints": self.within, "breakable": breakable}

    def _button(self, text: str, key: str) -> Markup:
        name = "hint-" + re.sub(r"\W+", "-", key.lower()).strip("-")
        self.used[name] = (capitalise(key), HINTS[key])
        return Markup('<button type="button" class="term" popovertarget="{}">{}</button>').format(name, text)


def breakable(text: str) -> Markup:
    """Names such as `lost_or_stolen_card` break where a reader would break them."""
    return Markup(escape(text).replace("_", Markup("_<wbr>")))
