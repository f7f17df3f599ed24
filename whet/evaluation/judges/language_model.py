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
from typing import Any
from urllib.parse import urlsplit

from whet.errors import RunError, count
from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import Measured
from whet.evaluation.heldout import Progress
from whet.evaluation.judges import people
from whet.evaluation.judges.model_families import same_family
from whet.generation.chat_client import Remote
from whet.recipe.sections.judges import PairJudge
from whet.stats.agreement import told_agreement
from whet.stats.bradley_terry import preferred, told
from whet.stats.paired import clusters_of_lines, mean_interval, win_interval
from whet.stats.power import mcnemar_p
from whet.store.atomic import append_line
from whet.store.checksums import with_sum
from whet.store.reading import read_lines
from whet.store.run import JUDGED, now
from whet.text.conversation import prompt_text

ORDERS = (("base", "tuned"), ("tuned", "base"))
AGREED = (["A", "B"], ["TIE", "TIE"])
"""Letters of both orders, sorted, that name the same answer."""
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


def measure_judge(lines: Sequence[dict[str, Any]], held_out: HeldOut, contestants: Sequence[str]) -> Measured:
    """The key `judge` of evaluation.json, with its agreement with the people who judged the same answers, and the
    lines of answers.jsonl with the verdict on each (`judged`). Raises as judge_pairs does."""
    recipe, folder, observer = held_out.recipe, held_out.run.folder, held_out.observer
    assert recipe.evaluate.judge is not None
    facts, picks = judge_pairs(
        lines, recipe.evaluate.judge, folder / JUDGED / TRANSCRIPT, contestants,
        lambda done, total: observer.step(done, total, {}),
    )  # fmt: skip
    lines = [line | {"judged": pick} for line, pick in zip(lines, picks, strict=True)]

    facts["agreement"] = people.agreement(folder, lines)
    if facts["agreement"]["rows"]:
        facts["statement"] += " " + told_agreement(facts["agreement"], "people")
    return facts, lines


def judge_pairs(
    lines: Sequence[dict[str, Any]], wanted: PairJudge, transcript: Path, contestants: Sequence[str], progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """The key `judge` of evaluation.json for the lines of answers.jsonl, and the verdict on each: base, tuned or tie.
    Two answers that are the same word for word are a tie that nobody is asked about. Raises as Remote.reply does, and
    RunError for a judge that gives no verdict."""
    remote = Remote(wanted.url, wanted.model, wanted.key, wanted.seconds, wanted.retries)
    questions = [question for n, line in enumerate(lines) for question in questions_of(n, line, wanted)]
    known = read_transcript(transcript)
    missing = {question.key: question for question in questions if question.key not in known}
    progress(len(questions) - len(missing), len(questions))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {pool.submit(ask_judge, remote, question.text): question for question in missing.values()}
        try:
            for done, future in enumerate(as_completed(asked), start=1):
                question, (letter, said) = asked[future], future.result()
                known[question.key] = letter
                told = record(question, lines[question.line], wanted, letter, said)
                append_line(transcript, json.dumps(with_sum(told)))
                progress(len(questions) - len(missing) + done, len(questions))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    letters: dict[int, list[str]] = {}
    for question in questions:
        letters.setdefault(question.line, []).append(known[question.key])

    picks = [combine_orders(letters[n]) if n in letters else "tie" for n in range(len(lines))]
    clusters = clusters_of_lines(lines)
    facts = preferred([OUTCOME_VALUE[pick] for pick in picks], clusters=clusters)

    if clusters is None:
        differing = None
    else:
        differing = [clusters[n] for n in letters]

    return summary(facts, position_bias(list(letters.values()), differing), wanted, contestants), picks


def questions_of(number: int, line: dict[str, Any], wanted: PairJudge) -> list[Question]:
    if line["base"].strip() == line["tuned"].strip():
        return []
    request = prompt_text(line["prompt"])

    made = []
    for order in ORDERS:
        first, second = (line[side].strip() for side in order)
        text = TEXT.format(rubric=wanted.rubric, request=request, first=first, second=second)
        key = hashlib.sha256("\0".join((wanted.url, wanted.model, text)).encode("utf-8", "replace")).hexdigest()
        made.append(Question(number, order, text, key))

    return made


def ask_judge(remote: Remote, text: str) -> tuple[str, str]:
    """(A, B or TIE; the judge's own words)."""
    said = ""
    for number in range(TRIES):
        said = remote.chat([{"role": "user", "content": text}], TOKENS, temperature=0.0 if not number else 1.0)
        if found := VERDICT.fullmatch(said):
            return found[1].upper(), said
    fix = "use a judge that follows instructions, or a simpler evaluate.judge.rubric; the run goes on from here"
    raise RunError(f"the judge said neither A, B nor TIE in {TRIES} tries", value=said, fix=fix)


def record(question: Question, line: dict[str, Any], wanted: PairJudge, letter: str, said: str) -> dict[str, Any]:
    """A line of the transcript. Of the URL only its server and path: before an @ or behind a ? may stand a secret."""
    place = urlsplit(wanted.url)
    server = f"{place.scheme}://{place.hostname}" + (f":{place.port}" if place.port else "") + place.path
    return {
        "key": question.key,
        "row": line.get("row"),
        "where": line.get("where"),
        "order": list(question.order),
        "asked": question.text,
        "said": said,
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
    first, second = (
        "tie" if letter == "TIE" else order["AB".index(letter)] for letter, order in zip(letters, ORDERS, strict=True)
    )
    return first if first == second else "tie"


def summary(
    facts: dict[str, Any], bias: dict[str, Any], wanted: PairJudge, contestants: Sequence[str]
) -> dict[str, Any]:
    """Win rate, position bias and warnings."""
    facts = facts | {"by": wanted.model, "rubric": wanted.rubric, "position": bias}
    statement = f"{told(facts, wanted.model)} {bias['statement']}"

    if shared := same_family(wanted.model, contestants):
        facts["warning"] = (
            f"The judge {wanted.model} is of the same family as {shared}: judges prefer answers like their own "
            "(Panickssery et al. 2024, arXiv 2404.13076). Check it against people: whet judge RUN."
        )

    return facts | {"statement": statement}


def position_bias(letters: Sequence[Sequence[str]], clusters: Sequence[object] | None = None) -> dict[str, Any]:
    """How often both orders agree (with Wilson's interval), and whether the rest leans to the first or second place;
    over clusters where pairs share one."""
    pairs = len(letters)
    first, second = sum(pair == ["A", "A"] for pair in letters), sum(pair == ["B", "B"] for pair in letters)
    agreed = [float(sorted(pair) in AGREED) for pair in letters]
    agree = round(sum(agreed))
    low, high = mean_interval(agreed, clusters=clusters) if pairs else (0.0, 1.0)
    p = mcnemar_p(first, second)

    leans = [1.0 if pair == ["A", "A"] else 0.0 if pair == ["B", "B"] else 0.5 for pair in letters]
    if pairs and (grouped := win_interval(leans, 0, clusters)):
        p = grouped[2]

    said = (
        f"Asked in both orders it said the same on {agree} of {count(pairs, 'pair')} with different answers; on "
        f"{first} it took the first answer both times, on {second} the second"
    )
    said += ": it leans to one position." if p < 0.05 else "."

    return {
        "pairs": pairs,
        "consistent": agree,
        "low": low,
        "high": high,
        "first": first,
        "second": second,
        "p": p,
        "statement": said,
    }
