"""A language model as judge of pairs: is the tuned model's answer better than the base's, or the other way round?

Judges lean to one position (Zheng et al. 2023, arXiv 2306.05685; Shi et al. 2024, arXiv 2406.07791), so each pair is
asked in both orders; where the two verdicts differ, the pair is a tie. Each verdict is appended to a transcript of
plain JSON lines as it comes, so that a run that is resumed asks only for what is missing. The transcript holds no key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from whet.errors import RunError, count
from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import AnswerLine
from whet.evaluation.judges import people
from whet.evaluation.judges.model_families import same_family
from whet.evaluation.preference_facts import JudgeFacts, PositionFacts
from whet.generation.chat_client import ChatClient
from whet.observer import Progress
from whet.recipe.sections.judges import PairJudge
from whet.stats.agreement import format_agreement
from whet.stats.bradley_terry import fit_win_rate, format_win_rate
from whet.stats.facts import WinRateFacts
from whet.stats.paired import clusters_of_lines, mean_interval, win_interval
from whet.stats.power import mcnemar_p
from whet.store.atomic import append_line
from whet.store.checksums import with_sum
from whet.store.reading import read_lines
from whet.store.run import JUDGED
from whet.text.conversation import prompt_text
from whet.text.dates import now

ORDERS = (("base", "tuned"), ("tuned", "base"))
AGREED = (["A", "B"], ["TIE", "TIE"])
"""Letters of both orders, sorted, that name the same answer."""
LEANS = {"AA": 1.0, "BB": 0.0}
"""Letters of both orders that name the first place, or the second, both times; all others lean to neither."""
OUTCOME_VALUE = {"tuned": 1.0, "tie": 0.5, "base": 0.0}
TRANSCRIPT = "pairs.jsonl"
AT_ONCE = 8
"""Requests on their way at the same time."""
TRIES = 3
"""Questions to a judge that gives no verdict."""
TOKENS = 16
TEXT = """You compare two answers, A and B, to the same request. What makes an answer better: {rubric}

The request:
{request}

Answer A, between the lines of ====:
====
{first}
====
Answer B, between the lines of ====:
====
{second}
====
Do not prefer an answer for its position or its length. Reply with one word: A, B, or TIE if neither is better."""
VERDICT = re.compile(r"\W*(?:answer\s+)?(a|b|tie)\W*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """One pair in one order. `line` is its place among the answers."""

    line: int
    order: tuple[str, str]
    text: str
    key: str


def measure_judge(
    lines: Sequence[AnswerLine], held_out: HeldOut, contestants: Sequence[str]
) -> tuple[JudgeFacts, list[AnswerLine]]:
    """The key `judge` of evaluation.json, with its agreement with the people who judged the same answers, and the
    lines of answers.jsonl with the verdict on each (`judged`). Raises as judge_pairs does."""
    recipe, folder, observer = held_out.recipe, held_out.run.folder, held_out.observer
    assert recipe.evaluate.judge is not None
    facts, picks = judge_pairs(
        lines, recipe.evaluate.judge, folder / JUDGED / TRANSCRIPT, contestants,
        lambda done, total: observer.step(done, total, {}),
    )  # fmt: skip

    judged: list[AnswerLine] = []
    for line, pick in zip(lines, picks, strict=True):
        judged.append({**line, "judged": pick})

    agreement = people.agreement(folder, judged)
    facts["agreement"] = agreement
    if agreement["rows"]:
        facts["statement"] += " " + format_agreement(agreement, "people")
    return facts, judged


def judge_pairs(
    lines: Sequence[AnswerLine], wanted: PairJudge, transcript: Path, contestants: Sequence[str], progress: Progress
) -> tuple[JudgeFacts, list[str]]:
    """The key `judge` of evaluation.json for the lines of answers.jsonl, and the verdict on each: base, tuned or tie.
    Two answers that are the same word for word are a tie that nobody is asked about. Raises as the client's `reply`
    does, and RunError for a judge that gives no verdict."""
    questions: list[Question] = []
    for number, line in enumerate(lines):
        questions += questions_of(number, line, wanted)

    known = read_transcript(transcript)
    ask_missing(questions, known, lines, wanted, transcript, progress)
    letters: dict[int, list[str]] = {}
    for question in questions:
        letters.setdefault(question.line, []).append(known[question.key])

    picks = ["tie"] * len(lines)
    for number, both in letters.items():
        picks[number] = combine_orders(both)

    clusters = clusters_of_lines(lines)
    facts = fit_win_rate([OUTCOME_VALUE[pick] for pick in picks], clusters=clusters)
    differing = None
    if clusters is not None:
        differing = [clusters[number] for number in letters]

    bias = position_bias(list(letters.values()), differing)
    return summary(facts, bias, wanted, contestants), picks


def ask_missing(
    questions: Sequence[Question],
    known: dict[str, str],
    lines: Sequence[AnswerLine],
    wanted: PairJudge,
    transcript: Path,
    progress: Progress,
) -> None:
    """Asks the questions whose verdict is not known, several at a time, and keeps each verdict as it comes."""
    remote = ChatClient(wanted.url, wanted.model, wanted.key, wanted.seconds, wanted.retries)
    missing = {question.key: question for question in questions if question.key not in known}
    before, total = len(questions) - len(missing), len(questions)
    progress(before, total)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = {pool.submit(ask_judge, remote, question.text): question for question in missing.values()}
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                question, (letter, reply) = waiting[future], future.result()
                known[question.key] = letter
                line = record(question, lines[question.line], wanted, letter, reply)
                append_line(transcript, json.dumps(with_sum(line)))
                progress(before + done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def questions_of(number: int, line: AnswerLine, wanted: PairJudge) -> list[Question]:
    if line["base"].strip() == line["tuned"].strip():
        return []
    request = prompt_text(line["prompt"])

    questions = []
    for order in ORDERS:
        first, second = (line[side].strip() for side in order)
        text = TEXT.format(rubric=wanted.rubric, request=request, first=first, second=second)
        key = hashlib.sha256("\0".join((wanted.url, wanted.model, text)).encode("utf-8", "replace")).hexdigest()
        questions.append(Question(number, order, text, key))

    return questions


def ask_judge(remote: ChatClient, text: str) -> tuple[str, str]:
    """(A, B or TIE; the judge's own words)."""
    reply, temperature = "", 0.0
    for _ in range(TRIES):
        reply = remote.chat([{"role": "user", "content": text}], TOKENS, temperature=temperature)
        if match := VERDICT.fullmatch(reply):
            return match[1].upper(), reply
        temperature = 1.0

    fix = "use a judge that follows instructions, or a simpler evaluate.judge.rubric; the run goes on from here"
    raise RunError(f"the judge said neither A, B nor TIE in {TRIES} tries", value=reply, fix=fix)


def record(question: Question, line: AnswerLine, wanted: PairJudge, letter: str, reply: str) -> dict[str, Any]:
    """A line of the transcript. Of the URL it holds only server and path: a secret may be before an @ or behind a ?."""
    place = urlsplit(wanted.url)
    port = ""
    if place.port:
        port = f":{place.port}"
    server = f"{place.scheme}://{place.hostname}{port}{place.path}"

    return {
        "key": question.key,
        "row": line.get("row"),
        "where": line.get("where"),
        "order": list(question.order),
        "asked": question.text,
        "said": reply,
        "verdict": letter,
        "judge": wanted.model,
        "url": server,
        "at": now(),
    }


def read_transcript(path: Path) -> dict[str, str]:
    """Verdict by the key of its question."""
    return {line["key"]: line["verdict"] for line in read_lines(path)}


def combine_orders(letters: Sequence[str]) -> str:
    """base, tuned or tie, by both orders together: `letters` in the order of ORDERS."""
    picks = []
    for letter, order in zip(letters, ORDERS, strict=True):
        if letter == "TIE":
            picks.append("tie")
        else:
            picks.append(order["AB".index(letter)])

    first, second = picks
    if first == second:
        return first
    return "tie"


def summary(rate: WinRateFacts, bias: PositionFacts, wanted: PairJudge, contestants: Sequence[str]) -> JudgeFacts:
    """Win rate, position bias and warnings."""
    facts: dict[str, Any] = {**rate, "by": wanted.model, "rubric": wanted.rubric, "position": bias}
    statement = f"{format_win_rate(rate, wanted.model)} {bias['statement']}"

    if shared := same_family(wanted.model, contestants):
        facts["warning"] = (
            f"The judge {wanted.model} is of the same family as {shared}: judges prefer answers like their own "
            "(Panickssery et al. 2024, arXiv 2404.13076). Check it against people: whet judge RUN."
        )

    return cast(JudgeFacts, facts | {"statement": statement})


def position_bias(letters: Sequence[Sequence[str]], clusters: Sequence[object] | None = None) -> PositionFacts:
    """How often both orders agree (with Wilson's interval), and whether the rest leans to the first or second place;
    over clusters if pairs share one."""
    pairs = len(letters)
    agreed = [float(sorted(pair) in AGREED) for pair in letters]
    leans = [LEANS.get("".join(pair), 0.5) for pair in letters]
    first, second, consistent = leans.count(1.0), leans.count(0.0), round(sum(agreed))

    low, high = 0.0, 1.0
    if pairs:
        low, high = mean_interval(agreed, clusters=clusters)

    p = mcnemar_p(first, second)
    if pairs and (grouped := win_interval(leans, 0, clusters)):
        p = grouped[2]

    statement = (
        f"Asked in both orders it said the same on {consistent} of {count(pairs, 'pair')} with different answers; on "
        f"{first} it took the first answer both times, on {second} the second"
    )
    if p < 0.05:
        statement += ": it leans to one position."
    else:
        statement += "."

    return {
        "pairs": pairs,
        "consistent": consistent,
        "low": low,
        "high": high,
        "first": first,
        "second": second,
        "p": p,
        "statement": statement,
    }
