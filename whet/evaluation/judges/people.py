"""Blind side-by-side judgements by people: which pairs are shown in which order, what is kept, and what comes of it.

RUN/judgements.jsonl holds one preference row a decision (prompt, chosen, rejected), so that `whet tune
RUN/judgements.jsonl` learns from it; RUN/judgements-even.jsonl holds what is no preference: ties, both bad, skipped.
Each row says who judged, when, which run and row, and whose answer was on the left; it is on the disk before the next
pair is shown. The order of the pairs and the sides is drawn from run, row and person, so that it stays the same however
often the session is interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

from whet.errors import RunFolderError
from whet.evaluation.facts import AnswerLine
from whet.stats.agreement import cohens_kappa, format_agreement
from whet.stats.bradley_terry import fit_win_rate, format_win_rate
from whet.stats.facts import KappaFacts, WinRateFacts
from whet.stats.paired import clusters_of_lines
from whet.store.atomic import append_line, sync_file
from whet.store.reading import read_json_file, read_lines
from whet.text.conversation import plain, prompt_text
from whet.text.dates import now

Choice = Literal["left", "right", "tie", "bad", "skip"]
PREFERENCES, NO_PREFERENCE = "judgements.jsonl", "judgements-even.jsonl"


class Provenance(TypedDict):
    """Who judged what, and how."""

    run: str
    model: str
    row: int
    where: str
    who: str
    at: str
    """When, as an ISO date with its time."""
    left: Literal["base", "tuned"]
    """Whose answer was on the left."""
    choice: Choice
    won: NotRequired[Literal["base", "tuned"]]
    """Of a decision."""


class Judgement(TypedDict):
    """A line: chosen and rejected of a decision, else the answers of base and tuned."""

    prompt: Any
    chosen: NotRequired[str]
    rejected: NotRequired[str]
    base: NotRequired[str]
    tuned: NotRequired[str]
    provenance: Provenance


class PeopleFacts(WinRateFacts):
    """What all people together say of a run."""

    run: str
    people: list[str]
    choices: dict[str, int]
    """How often: decided, tie, bad, skip."""
    same: int
    """Rows for which base and tuned wrote the same."""
    agreement: KappaFacts
    """With the model that judged, if one did."""
    statement: str
    preferences: str
    """The file of the preference rows."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one request. `left` names the model whose answer is on the left; people never see that."""

    row: int
    where: str
    prompt: Any
    base: str
    tuned: str
    left: Literal["base", "tuned"]

    @property
    def right(self) -> Literal["base", "tuned"]:
        if self.left == "base":
            return "tuned"
        return "base"

    def text(self, side: Literal["left", "right"]) -> str:
        name = self.right
        if side == "left":
            name = self.left

        if name == "base":
            return self.base
        return self.tuned

    @property
    def request(self) -> str:
        return plain(prompt_text(self.prompt))


@dataclass(slots=True)
class JudgingSession:
    """One person who judges one run: `waiting` are the pairs that this person has not judged."""

    folder: Path
    who: str
    model: str
    waiting: list[Pair]
    same: int
    """Rows for which base and tuned wrote the same words: ties that nobody is asked about."""

    def keep(self, pair: Pair, choice: Choice) -> None:
        """Appends the judgement and puts it on the disk. Raises DiskFullError."""
        provenance = {
            "run": self.folder.name,
            "model": self.model,
            "row": pair.row,
            "where": pair.where,
            "who": self.who,
            "at": now(),
            "left": pair.left,
            "choice": choice,
        }
        if choice in ("left", "right"):
            if choice == "left":
                won = pair.left
            else:
                won = pair.right

            texts = {"base": pair.base, "tuned": pair.tuned}
            chosen, rejected = texts.pop(won), next(iter(texts.values()))
            row = {"prompt": pair.prompt, "chosen": chosen, "rejected": rejected}
            path = self.folder / PREFERENCES
            row["provenance"] = provenance | {"won": won}
        else:
            path = self.folder / NO_PREFERENCE
            row = {"prompt": pair.prompt, "base": pair.base, "tuned": pair.tuned, "provenance": provenance}

        append_line(path, json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode())
        sync_file(path)


def start_session(folder: Path, who: str) -> JudgingSession:
    """The session of a person. Raises RunFolderError if the run has no two answers to show."""
    answers = answers_of_run(folder)
    judged = {(line["provenance"]["row"], texts_of(line)) for line in judgements(folder) if judge_of(line) == who}

    waiting = []
    for answer in answers:
        base, tuned = answer["base"].strip(), answer["tuned"].strip()
        if base != tuned and (answer["row"], frozenset((base, tuned))) not in judged:
            if draw(folder.name, who, answer["row"], "side") % 2:
                left = "base"
            else:
                left = "tuned"
            waiting.append(Pair(answer["row"], answer["where"], answer["prompt"], base, tuned, left))

    waiting.sort(key=lambda pair: draw(folder.name, who, pair.row, "order"))
    same = sum(map(wrote_the_same, answers))
    return JudgingSession(folder, who, model_of(folder), waiting, same)


def answers_of_run(folder: Path) -> list[dict[str, Any]]:
    answers = read_lines(folder / "answers.jsonl")
    if not answers and (folder / "evaluation.json").exists():
        what = "this run learned text, and text has no answers to compare"
        fix = "judge a run that learned to answer, such as one of sft or dpo"
        raise RunFolderError(what, where=str(folder), fix=fix)

    fix = "judge a run that has been evaluated: whet eval RUN"
    for number, answer in enumerate(answers, start=1):
        if not answer.keys() >= {"row", "where", "prompt", "base", "tuned"}:
            raise RunFolderError("this line is no answer", where=f"{folder / 'answers.jsonl'}:{number}", fix=fix)

    if not answers:
        raise RunFolderError("this run has no answers to judge", where=str(folder / "answers.jsonl"), fix=fix)
    if not any(str(answer.get("base", "")).strip() or str(answer.get("tuned", "")).strip() for answer in answers):
        what = "the test rows of this run were compared by their probabilities; no answer was written"
        fix = "set evaluate.wins or evaluate.judge in its recipe, which have the answers written"
        raise RunFolderError(what, where=str(folder / "answers.jsonl"), fix=fix)

    return answers


def model_of(folder: Path) -> str:
    path = folder / "evaluation.json"
    if path.exists():
        return str(read_json_file(path).get("model", ""))
    return ""


def draw(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).digest()[:8], "big")


def judgements(folder: Path) -> list[Judgement]:
    """Every judgement so far, of all people. Raises RunFolderError for a line that is none."""
    lines: list[Judgement] = []
    for name in (PREFERENCES, NO_PREFERENCE):
        for number, line in enumerate(read_lines(folder / name), start=1):
            about = line.get("provenance")
            if not isinstance(about, dict) or not about.keys() >= {"row", "who", "choice"}:
                what = "this line is no judgement"
                raise RunFolderError(what, where=f"{folder / name}:{number}", fix="move the file elsewhere")

            lines.append(cast(Judgement, line))

    return lines


def judge_of(line: Judgement) -> str:
    return str(line["provenance"]["who"])


def texts_of(line: Judgement) -> frozenset[str]:
    """Both answers, however they were judged: a run that was trained again has others."""
    if "chosen" in line and "rejected" in line:
        return frozenset((line["chosen"], line["rejected"]))
    assert "base" in line and "tuned" in line
    return frozenset((line["base"], line["tuned"]))


def wrote_the_same(answer: Mapping[str, Any]) -> bool:
    """Whether base and tuned wrote the same words."""
    return answer["base"].strip() == answer["tuned"].strip()


def result(folder: Path) -> PeopleFacts:
    """What all people together say of the answers that the run has now: Bradley-Terry win rate, counts of choices, and
    agreement with the model that judged, if one did. Skipped pairs count for nothing; rows for which both wrote the
    same are ties, once."""
    answers = {answer["row"]: answer for answer in answers_of_run(folder)}
    current = [line for line in judgements(folder) if is_current(line, answers)]
    same = [answer["row"] for answer in answers.values() if wrote_the_same(answer)]

    outcomes, rows = [], []
    for line in current:
        if line["provenance"]["choice"] != "skip":
            outcomes.append(outcome_value(line))
            rows.append(line["provenance"]["row"])
    if outcomes:
        outcomes += [0.5] * len(same)
        rows += same

    facts = fit_win_rate(outcomes, rows, clusters_of_lines([answers[row] for row in rows]))
    people = sorted({judge_of(line) for line in current})
    agreed = agreement_with_model(answers, current)
    statement = format_win_rate(facts, _people_in_words(people))
    if len(same) == 1 and outcomes:
        statement += " 1 of the ties is a row where both wrote the same."
    elif same and outcomes:
        statement += f" {len(same)} of the ties are rows where both wrote the same."
    if agreed["rows"]:
        statement += " " + format_agreement(agreed, "the model that judged")

    return {
        "run": folder.name,
        **facts,
        "people": people,
        "choices": count_choices(current),
        "same": len(same),
        "agreement": agreed,
        "statement": statement,
        "preferences": str(folder / PREFERENCES),
    }


def _people_in_words(people: Sequence[str]) -> str:
    if not people:
        return "people"
    if len(people) == 1:
        return "one person"
    return f"{len(people)} people"


def count_choices(lines: Sequence[Judgement]) -> dict[str, int]:
    """How often people decided, called it a tie, called both bad, or skipped."""
    choices: dict[str, int] = dict.fromkeys(("decided", "tie", "bad", "skip"), 0)
    for line in lines:
        choice = line["provenance"]["choice"]
        if choice in ("left", "right"):
            choice = "decided"
        choices[choice] += 1
    return choices


def agreement(folder: Path, lines: Sequence[AnswerLine]) -> KappaFacts:
    """As agreement_with_model, for the lines of answers.jsonl that are about to be written."""
    answers = {line["row"]: line for line in lines}
    return agreement_with_model(answers, [line for line in judgements(folder) if is_current(line, answers)])


def is_current(line: Judgement, answers: Mapping[int, Mapping[str, Any]]) -> bool:
    answer = answers.get(line["provenance"]["row"])
    return answer is not None and texts_of(line) == {answer["base"].strip(), answer["tuned"].strip()}


def outcome_value(line: Judgement) -> float:
    """1 if the tuned answer won, 0 if the base's did, 0.5 for ties and both bad."""
    won = line["provenance"].get("won")
    if won is None:
        return 0.5
    return float(won == "tuned")


def labels_by_row(lines: Sequence[Judgement]) -> dict[int, str]:
    """base, tuned or tie for each row, by the majority of the people who judged it."""
    lean: dict[int, float] = {}
    for line in lines:
        if line["provenance"]["choice"] != "skip":
            row = line["provenance"]["row"]
            lean[row] = lean.get(row, 0.0) + outcome_value(line) - 0.5

    labels = {}
    for row, value in lean.items():
        if value > 0:
            labels[row] = "tuned"
        elif value < 0:
            labels[row] = "base"
        else:
            labels[row] = "tie"
    return labels


def agreement_with_model(answers: Mapping[int, Mapping[str, Any]], current: Sequence[Judgement]) -> KappaFacts:
    """Cohen's kappa between people and the language model of evaluate.judge, on the rows that both judged."""
    people = labels_by_row(current)
    rows = [row for row in people if answers[row].get("judged")]
    of_people = [people[row] for row in rows]
    of_model = [answers[row]["judged"] for row in rows]
    return cohens_kappa(of_people, of_model, clusters_of_lines([answers[row] for row in rows]))
