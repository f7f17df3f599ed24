"""The page of a comparison: what to do, why, and the numbers behind it. One HTML file without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, cast

from whet.errors import HIDDEN, count
from whet.evaluation import decision
from whet.evaluation.comparison.advice import dollars, format_margin
from whet.evaluation.comparison.comparison_facts import (
    ArmFacts,
    ChosenShots,
    CompareFacts,
    CompareVerdict,
    SideBySideLine,
)
from whet.evaluation.facts import GroundingFacts, MetricFacts
from whet.reports import answer_cards as samples
from whet.reports import chart
from whet.reports.answer_cards import Pieces
from whet.reports.page import naming_damaged_file, templates_of_a_page
from whet.reports.sheet import Cell, Sheet, figure
from whet.store.atomic import write_text
from whet.store.reading import read_json_file, read_lines
from whet.text.conversation import prompt_text
from whet.text.numbers import format_change, format_change_range, format_p, format_range, format_score, unit
from whet.text.wording import capitalise, number, percent

MOST_ROWS = 12
"""Test rows that are shown with the answers of all arms."""
MOST_WRONG = 8
"""Of these, those that the advised arm gets wrong."""
STANDING = {"best": "best", "good enough": "good enough", "ruled out": "worse", "open": "not proved worse"}


def write_compare_report(folder: Path) -> Path:
    """Writes report.html from compare.json and side_by_side.jsonl. Raises RunFolderError for a damaged file."""
    facts = read_json_file(folder / "compare.json", "arms", "differences", "verdict", "metric")
    rows = read_lines(folder / "side_by_side.jsonl")
    values = naming_damaged_file("compare.json", folder, page, facts, rows)
    text = naming_damaged_file(
        "compare.json", folder, templates_of_a_page().get_template("compare.html.j2").render, values
    )
    path = folder / "report.html"
    write_text(path, HIDDEN.sub("\ufffd", text))
    return path


class RowCard(TypedDict):
    row: str
    prompt: str
    reference: str
    answers: list[tuple[str, str, Pieces]]
    """(arm, score, answer)."""


class ComparisonView(TypedDict):
    """Everything that compare.html.j2 needs."""

    name: str
    facts: list[str]
    word: str
    headline: str
    sentence: str
    caution: str | None
    metric: MetricFacts
    arms: Sheet
    notes: list[str]
    against: Sheet
    context: Sheet
    proof: list[str]
    prompts: list[tuple[str, str]]
    """(arm, what it was given)."""
    cards: list[RowCard]
    rows: int
    sections: list[tuple[str, str]]


def page(facts: CompareFacts, rows: Sequence[SideBySideLine]) -> ComparisonView:
    arms, verdict, scale = facts["arms"], facts["verdict"], facts["scale"]
    if scale is None:
        ends = (0.0, 1.0)
    else:
        ends = chart.padded_range(arms)

    chosen = verdict["arm"] or verdict["meanwhile"]
    labels = {arm["name"]: arm["label"] for arm in arms}
    warning = caution(facts)
    word = "better"
    if verdict["arm"] is None or warning:
        word = "undecided"

    contexts = [[Cell(arm["label"]), figure(context_of(arm))] for arm in arms]
    prompts = [(labels[name], samples.display_text(text)) for name, text in facts.get("prompts", {}).items()]
    cards = [card(row, labels) for row in errors_first(rows, chosen)]
    return {
        "name": facts["run"],
        "facts": [facts["model"], count(arms[0]["rows"], "test row"), f"metric: {facts['metric']['name']}"],
        "word": word,
        "headline": headline(verdict),
        "sentence": verdict["sentence"],
        "caution": warning,
        "metric": facts["metric"],
        "arms": arm_sheet(facts, chosen, ends),
        "notes": notes(facts),
        "against": against(facts, labels),
        "context": Sheet(["arm", "longest context"], contexts),
        "proof": proof(facts),
        "prompts": prompts,
        "cards": cards,
        "rows": len(rows),
        "sections": sections(bool(notes(facts)), bool(rows)),
    }


def sections(noted: bool, answered: bool) -> list[tuple[str, str]]:
    """(anchor, title) of what the page has."""
    titles = []
    if noted:
        titles.append(("notes", "Before you believe it"))

    titles += [("measured", "How it was measured"), ("pairs", "Every two arms"), ("prompts", "Prompts")]
    if answered:
        titles.append(("answers", "Answers"))
    return titles


def errors_first(rows: Sequence[SideBySideLine], chosen: str | None) -> list[SideBySideLine]:
    """At most MOST_ROWS: first those that the advised arm does not answer right, evenly spread, and then others."""
    wrong = [row for row in rows if chosen in row["answers"] and row["answers"][chosen]["score"] < 1]
    right = [row for row in rows if row not in wrong]
    first = samples.spread(wrong, max(MOST_WRONG, MOST_ROWS - len(right)))
    return first + samples.spread(right, MOST_ROWS - len(first))


def headline(verdict: CompareVerdict) -> str:
    """What to do, in as few words as there are."""
    return verdict.get("headline") or decision.headline(verdict)


def caution(facts: CompareFacts) -> str | None:
    """What speaks against the tuned model where it is advised, now or until more rows decide: its own run does not say
    that it should be used, as where it forgot more than its budget allows. None where nothing does."""
    chosen = facts["verdict"]["arm"] or facts["verdict"]["meanwhile"]
    if not any(arm["trained"] and arm["name"] == chosen for arm in facts["arms"]):
        return None

    answer = facts.get("ship")
    if answer is None:
        return f"What this tuned model cost elsewhere was not measured: whet eval {facts['run']}"
    if answer["answer"] == "yes":
        return None
    return f"Of this tuned model the run itself says: {answer['sentence']} See report.html of run {facts['run']}."


def arm_sheet(facts: CompareFacts, chosen: str | None, ends: tuple[float, float]) -> Sheet:
    """A row an arm, the advised one marked, with the interval placed on its axis."""
    arms, priced = facts["arms"], any(arm["cost"] is not None for arm in facts["arms"])
    columns = ["arm", "score, 95% interval", "prompt tokens", "answer tokens", "time each"]
    rows = [arm_row(arm, facts["standing"], arm["name"] == chosen, facts["scale"], ends) for arm in arms]

    if priced:
        columns.append("cost of 1,000")
        for arm, row in zip(arms, rows, strict=True):
            row.append(figure("\u2013" if arm["cost"] is None else dollars(arm["cost"])))

    places = [n for n, arm in enumerate(arms) if arm["name"] == chosen]
    return Sheet(columns, rows, chosen=places, style="arms")


def arm_row(
    arm: ArmFacts, standing: dict[str, str], chosen: bool, scale: float | None, ends: tuple[float, float]
) -> list[Cell]:
    score = arm["score"]
    span = chart.span(number(arm["low"], score), score, number(arm["high"], score), *ends)
    words = format_score(score, scale)
    tone = "tuned-side" if chosen else "base-side"

    return [
        Cell(capitalise(arm["label"].removeprefix("the ")), STANDING.get(standing.get(arm["name"], ""), ""), bold=True),
        Cell(words, format_range(arm["low"], arm["high"], scale), span=span, tone=tone),
        figure(f"{arm['prompt_tokens']:,.0f}"),
        figure(f"{arm['answer_tokens']:,.0f}"),
        figure(seconds(arm["seconds_per_answer"])),
    ]


def context_of(arm: ArmFacts) -> str:
    used = f"{arm['context_used']:,}"
    if arm["context"] is None:
        return used
    return f"{used} of {arm['context']:,}"


def seconds(value: float) -> str:
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s"


def notes(facts: CompareFacts) -> list[str]:
    """What a reader must know before believing the table: what did not fit, what was cut off, what has no price."""
    lines = []
    for arm in facts["arms"]:
        label = capitalise(arm["label"])
        if arm["reduced"]:
            if arm["bare"]:
                bare = f", {arm['bare']:,} of them none"
            else:
                bare = ""
            lines.append(
                f"{label}: {arm['reduced']:,} of {arm['rows']:,} prompts did not fit into the context and hold fewer "
                f"{arm['beside']} than {arm['offered']}{bare}; on average {arm['kept']:.1f}."
            )

        if arm["tokens_estimated"]:
            lines.append(f"{label}: the server did not count its tokens; what stands here is an upper bound.")

    cut = [f"{arm['cut_off']:,} of {arm['label']}" for arm in facts["arms"] if arm["cut_off"]]
    if cut:
        limit, room = facts["decoding"]["max_new_tokens"], facts["decoding"].get("room")
        if room:
            more = f" ({room:,} where the base was given something beside the question)"
        else:
            more = ""
        lines.append(f"Answers cut off at {limit:,} tokens{more}: {', '.join(cut)}.")

    costs = [arm["cost"] is not None for arm in facts["arms"]]
    if not all(costs):
        keys = "compare.price_per_hour, and price_in and price_out of each model at a URL"
        lines.append(f"Without all prices arms are compared by tokens; for costs set {keys}.")

    return lines


def against(facts: CompareFacts, labels: dict[str, str]) -> Sheet:
    """Pair, difference with its interval, and p of every two arms, the clearest first."""
    scale = facts["scale"]
    ordered = sorted(facts["differences"], key=lambda pair: (pair["p"], -abs(pair["estimate"])))
    rows = [
        [
            Cell(f"{labels[pair['arm']]} \u2013 {labels[pair['other']]}"),
            figure(format_change(pair["estimate"], scale) + unit(scale)),
            figure(format_change_range(pair["low"], pair["high"], scale)),
            figure(format_p(pair["p"], prefix=False)),
        ]
        for pair in ordered
    ]

    return Sheet(["difference", "estimate", "95% interval", "p, corrected"], rows)


def format_repeats(rows: int) -> str:
    return f"{count(rows, 'test row')} {'repeats' if rows == 1 else 'repeat'}"


def proof(facts: CompareFacts) -> list[str]:
    """How the numbers were made, and that nothing was chosen on the rows that judge."""
    honest, decoding = facts["honest"], facts["decoding"]
    shots, retriever = facts["shots"], facts["retriever"]
    margin = format_margin(facts["margin"], facts["scale"])
    room = decoding.get("room")
    more = ""
    if room:
        more = f", the base with something in its prompt {room:,}"

    lines = [
        f"Each arm answered the same rows, greedily, with at most {decoding['max_new_tokens']:,} tokens an answer"
        f"{more}.",
        f"Differences are paired by row; p-values are corrected for all {len(facts['differences'])} pairs (Holm). An "
        f"arm is good enough when it is proved to be at most {margin} below the best.",
        f"{honest['rows']['trained']:,} rows were trained on, {honest['rows']['validation']:,} chose, "
        f"{honest['rows']['test']:,} judged. No row is in two of these parts ({honest['file']} lists them), and "
        f"{format_repeats(honest['same_content'])} the content of another part.",
    ]

    if turns := facts.get("turns"):
        lines.append(turns["statement"])

    if checkpoint := honest.get("checkpoint"):
        step = checkpoint.get("best_step")
        if "best_validation_reward" in checkpoint:
            by = "reward"
        else:
            by = "loss"
        lines.append(f"The tuned model is the checkpoint of step {step}, chosen by its {by} on validation rows.")

    if shots.get("part"):
        choice = cast(ChosenShots, shots)
        scores = [f"{number}: {format_score(score, facts['scale'])}" for number, score in choice["scores"].items()]
        rows = count(choice["rows"], "validation row")
        lines.append(f"{choice['chosen']} examples were chosen on {rows} ({', '.join(scores)}).")

    if retriever and (by_depth := retriever.get("recall")):
        recall = ", ".join(f"{percent(share)} among the first {depth}" for depth, share in by_depth.items())
        lines.append(
            f"The retriever by itself, over {count(retriever['passages'], 'passage')}: a passage with the answer is "
            f"{recall} (known for rows by: {retriever['by']}; {count(retriever['without'], 'row')} without)."
        )

    return lines + [describe_grounding(arm["label"], arm["grounding"]) for arm in facts["arms"] if arm["grounding"]]


def describe_grounding(label: str, grounding: GroundingFacts) -> str:
    """How far the answers of an arm stand on its passages."""
    rates = (
        (grounding["supported"], "have every content word in their passages or the question"),
        (grounding["refusal_where_absent"], "are refused where the passages lack the answer"),
        (grounding["refusal_where_present"], "are refused where they hold it"),
    )
    shares = [f"{percent(rate['mean'])} of {rate['rows']:,} {words}" for rate, words in rates if rate]

    return f"{capitalise(label)}, its answers against their passages: {'; '.join(shares)}."


def card(row: SideBySideLine, labels: dict[str, str]) -> RowCard:
    """A test row with what each arm said."""
    reference = samples.display_text(row["reference"])
    return {
        "row": samples.place_of(row),
        "prompt": samples.display_text(prompt_text(row["prompt"])),
        "reference": reference,
        "answers": [
            (
                labels[name],
                chart.short_number(answer["score"]),
                samples.diff_pieces(samples.display_text(answer["text"]), reference),
            )
            for name, answer in row["answers"].items()
        ],
    }
