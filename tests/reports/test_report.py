"""The report: one file, no scripts, nothing loaded, untrusted text harmless, damaged files named."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.reports.made_up_run import write_json, write_lines, write_run
from whet.errors import DiskFullError, RunFolderError
from whet.reports import answer_cards as samples
from whet.reports import chart, report
from whet.reports.report import write_report
from whet.reports.sections.making import training as training_view
from whet.text import numbers
from whet.text.conversation import prompt_text

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</p></article></main></body></html><style>*{display:none}</style>",
    "{{ 7 * 7 }} {% for x in y %}",
    "<!-- &lt;b&gt; ]]>",
    "javascript:alert(3)",
    "\u202egnp.exe \x00\x1b[31m \ud800 \u2028",
]
VOID = {"meta", "link", "input", "br", "img", "wbr"}


@dataclass
class Folder:
    folder: Path


class Page(HTMLParser):
    """Checks that tags nest, and collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def write(folder: Path) -> str:
    path = write_report(Folder(folder))
    assert path == folder / "report.html"
    return path.read_text("utf-8")


def change(path: Path, **values: Any) -> None:
    write_json(path, json.loads(path.read_text()) | values)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(write_run(tmp_path_factory.mktemp("runs") / "tickets-3f9a12cc"))


def test_the_report_tells_the_whole_story(html: str) -> None:
    text = " ".join(Page(html).text.split())
    for part in (
        "tickets-3f9a12cc",
        "better",
        "95% interval",
        "McNemar's mid-p",
        "Field by field",
        "Should it be used?",
        "the strongest opponent",
        "The base with three examples",
        "Content: ",
        "effective rows",
        "tickets.jsonl:",
        "Both wrong",
        "Not yet",
        "What the rows cannot tell",
        "General text",
        "within budget",
        "cannot tell",
        "Skills of the base",
        "-15.0",
        "Learning rate",
        "best, step 280",
        "Answers side by side",
        "Gained",
        "Trained on",
        "2,412",
        "duplicate-of-test",
        "learning_rate",
        "LoRA Without Regret",
        "2.13.0+cpu",
        "9.8 points",
        "1.31 GB",
    ):
        assert part in text, part


def test_the_report_is_one_small_file_without_scripts_or_network(html: str) -> None:
    assert len(html.encode()) < 300_000
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe", "object", "embed", "form", "base"}
    for _, attributes in page.tags:
        assert not any(
            name.startswith("on") or name in ("src", "srcset", "action", "formaction") for name in attributes
        )
        assert attributes.get("href", "data:,") == "data:," or str(attributes["href"]).startswith("#")
    assert "url(" not in html and "@import" not in html and "http://" not in html and "https://" not in html
    assert "default-src 'none'" in html


def test_no_fact_of_a_file_can_add_a_tag(tmp_path: Path) -> None:
    """Every string in every file of the run is replaced by something hostile; the page keeps its shape."""
    for place, hostile in enumerate(HOSTILE):
        plain_run = write_run(tmp_path / f"plain{place}", rows=30, steps=12)
        poison(plain_run, "harmless")
        expected = [tag for tag, _ in Page(write(plain_run)).tags]
        poison(plain_run, hostile)
        page = Page(write(plain_run))
        assert [tag for tag, _ in page.tags] == expected
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert not set("\x00\x1b\u202e\u2028\ud800") & set(page.text)
        if hostile.isprintable():
            assert hostile in page.text


def poison(folder: Path, word: str) -> None:
    keep = {"word", "unit", "status", "test", "created"}
    for name in ("evaluation.json", "choices.json", "ledger.json", "selfcheck.json", "environment.json"):
        write_json(folder / name, replace_strings(json.loads((folder / name).read_text()), word, keep))
    rows = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    write_lines(folder / "answers.jsonl", [replace_strings(row, word, keep) for row in rows])
    (folder / "recipe.resolved.yaml").write_text(f"data: {word}\n", "utf-8", errors="replace")
    change(folder / "status.json", status="failed", error=word)


def replace_strings(value: Any, word: str, keep: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: item if key in keep else replace_strings(item, word, keep) for key, item in value.items()}
    if isinstance(value, list):
        return [replace_strings(item, word, keep) for item in value]
    return word if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("base_skill", "tuned_skill", "rows", "headline"),
    [
        (0.3, 0.8, 100, "better"),
        (0.8, 0.3, 100, "worse"),
        (0.5, 0.52, 30, "undecided"),
        (1.0, 1.0, 400, "no difference"),
    ],
)
def test_each_verdict_has_its_headline(
    tmp_path: Path, base_skill: float, tuned_skill: float, rows: int, headline: str
) -> None:
    text = Page(write(write_run(tmp_path / "run", rows, base_skill, tuned_skill, 20))).text
    assert f"Tuned against its base: {headline}" in text


SECTIONS = {
    "evaluation.json": "Should it be used?",
    "answers.jsonl": "Answers side by side",
    "metrics.jsonl": "Learning rate",
    "evaluation.json ledger.json": "Where every row went",
    "choices.json": "What the rules filled in, and why",
    "selfcheck.json": "packed = plain",
    "environment.json": "2.13.0+cpu",
    "recipe.resolved.yaml": "alpha: 32",
    "run.json": "21 November 2026",
    "status.json": "out of memory",
}
"""What the page shows of each file and nowhere else."""
SHARED = "evaluation.json ledger.json"
"""The counts of rows are in both: the section goes with the second of them."""


def failed_run(folder: Path) -> Path:
    write_run(folder, rows=20, steps=10)
    change(folder / "status.json", status="failed", error="out of memory")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    return Page(write(failed_run(tmp_path_factory.mktemp("whole") / "run"))).text


@pytest.mark.parametrize("missing", SECTIONS)
def test_a_missing_file_leaves_its_section_out(tmp_path: Path, missing: str, whole: str) -> None:
    folder = failed_run(tmp_path / "run")
    for name in missing.split():
        (folder / name).unlink()
    left = Page(write(folder)).text
    assert [file for file, said in SECTIONS.items() if said not in whole] == []
    gone = [file for file, said in SECTIONS.items() if said not in left and file != SHARED]
    assert gone == [file for file in missing.split() if file in SECTIONS], "its own section, and no other"
    assert (SECTIONS[SHARED] in left) == (missing != SHARED)


def test_a_test_row_is_named_by_its_file_and_line() -> None:
    """The second test row may be the fourth line of its file."""
    for row, line, turn, said in ((1, 4, None, "tickets.jsonl:4"), (1, 4, 2, "tickets.jsonl:4, turn 2")):
        one = answer(row, 0, 1, where=f"tickets.jsonl:{line}", turn=turn)
        assert [card.row for pile in samples.choose([one], {}) for card in pile.cards] == [said]


def test_a_run_that_only_trained_shows_its_curves_and_says_what_is_missing(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "metrics.jsonl", [{"step": 0, "loss": 2.0}, {"step": 1, "loss": None}, {"step": 2, "loss": 1.5}]
    )
    text = Page(write(tmp_path)).text
    assert "Not measured against the base" in text and "Training" in text and "Answers" not in text


def test_a_comparison_of_likelihoods_shows_no_empty_answers(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    change(folder / "evaluation.json", metric={"name": "nll", "reason": "the rows have no reference answer"})
    lines = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert "Answers side by side" in Page(write(folder)).text
    write_lines(folder / "answers.jsonl", [line | {"base": "", "tuned": ""} for line in lines])
    assert "Answers side by side" not in Page(write(folder)).text


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="nothing to report"):
        write_report(Folder(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("evaluation.json", "{"),
        ("evaluation.json", "[1]"),
        (
            "evaluation.json",
            '{"verdict": {"word": "superb", "sentence": ""}, "difference": {"estimate": 0, "low": 0, "high": 0}}',
        ),
        ("evaluation.json", '{"base": {"score": 1}, "verdict": {"word": "better"}, "difference": {"low": "x"}}'),
        ("evaluation.json", '{"metric": "json", "seconds": 3}'),
        ("evaluation.json", '{"seconds": "long"}'),
        ("evaluation.json", '{"forgetting": {"measures": 3}}'),
        ("ledger.json", '{"trained": 3}'),
        ("choices.json", '[{"key": "a"}]'),
        ("run.json", '{"created": "yesterday"}'),
        ("metrics.jsonl", '{"step": 1, "loss": 2}\nnot json\n{}\n'),
        ("metrics.jsonl", '{"step": "x", "loss": 2}\n'),
        ("answers.jsonl", '{"row": 1}\n'),
        ("answers.jsonl", '{"row": 1, "base_score": NaN, "tuned_score": 1}\n'),
        ("answers.jsonl", "[]\n"),
    ],
)
def test_a_damaged_file_is_named_and_the_old_report_stays(tmp_path: Path, name: str, content: str) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    (folder / "report.html").write_text("old")
    (folder / name).write_text(content)
    with pytest.raises(RunFolderError, match=name.replace(".", r"\.")):
        write_report(Folder(folder))
    assert (folder / "report.html").read_text() == "old"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)

    def full(path: Path, text: str) -> None:
        raise DiskFullError("the disk is full", where=str(path))

    monkeypatch.setattr(report, "write_text", full)
    with pytest.raises(DiskFullError):
        write_report(Folder(folder))
    assert not (folder / "report.html").exists()


def test_a_ledger_that_does_not_add_up_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    change(folder / "ledger.json", rows_in=9999)
    assert "does not add up" in Page(write(folder)).text


def test_rows_that_were_cut_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=10)
    assert "cut short" not in Page(write(folder)).text
    change(folder / "ledger.json", truncated={"rows": 1234, "tokens": 56789})
    assert "1,234 of the rows used were too long and were cut short: 56,789 tokens" in Page(write(folder)).text


def test_thousands_of_long_answers_and_steps_stay_below_300_kilobytes(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=20, steps=20_000)
    words = "the quick brown fox jumps over a lazy dog and then sleeps < & > " * 40
    write_lines(
        folder / "answers.jsonl",
        [
            {
                "row": i,
                "prompt": words,
                "reference": words,
                "base": words[::-1],
                "tuned": words.replace("fox", f"cat{i}"),
                "base_score": 0.1 * (i % 3),
                "tuned_score": 0.2 * (i % 2),
            }
            for i in range(3000)
        ],
    )
    assert len(write(folder).encode()) < 300_000


def test_cards_are_taken_from_every_kind() -> None:
    answers = [
        {"row": i, "prompt": "p", "reference": "r", "base": "b", "tuned": "t", "base_score": 0, "tuned_score": 1}
        for i in range(500)
    ]
    answers += [
        {**answers[0], "row": 900, "base_score": 1, "tuned_score": 0},
        {**answers[0], "row": 901, "base_score": 1},
    ]
    piles = samples.choose(answers, {})
    assert [(pile.kind, pile.rows, len(pile.cards)) for pile in piles] == [
        ("lost", 1, 1), ("gained", 500, samples.MOST_CARDS - 2), ("right", 1, 1),
    ]  # fmt: skip
    assert [card.row for pile in piles for card in pile.cards if pile.kind != "gained"] == ["row 901", "row 902"]


def answer(row: int, base: float, tuned: float, **more: Any) -> dict[str, Any]:
    return {"row": row, "prompt": "p", "reference": "r", "base": "b", "tuned": "t"} | {
        "base_score": base, "tuned_score": tuned, **more,
    }  # fmt: skip


def test_errors_come_first_and_both_wrong_is_not_both_right() -> None:
    piles = samples.choose([answer(0, 1, 1), answer(1, 0, 1), answer(2, 0, 0), answer(3, 1, 0)], {})
    assert [(pile.label, pile.open) for pile in piles] == [
        ("Lost", True), ("Both wrong", True), ("Gained", False), ("Both right", False),
    ]  # fmt: skip
    graded = samples.choose([answer(0, 0.4, 0.4), answer(1, 1, 1)], {})
    assert [(pile.label, pile.rows) for pile in graded] == [("No change", 2)]  # 0.4 of ROUGE is neither


def test_a_card_names_file_and_line_and_shows_what_opponents_said() -> None:
    said = {"base": {"text": "b", "score": 0}, "constant": {"text": "ham", "score": 1}}
    row = answer(7, 0, 0, where="sms.csv:9", opponents=said)
    row |= {"base_content": None, "base_form": False, "tuned_content": "spam", "tuned_form": False}
    card = samples.card_of(row, "wrong", {"constant": "Always answering ham"})
    assert card.row == "sms.csv:9"
    assert [(one.by, one.note) for one in card.answers] == [
        ("Base", "not in form; nothing could be taken out"), ("Tuned", "not in form; it says: spam"),
        ("Always answering ham", ""),
    ]  # fmt: skip
    in_form = row | {"base_form": True, "tuned_form": True}
    assert [one.note for one in samples.card_of(in_form, "wrong", {}).answers] == ["", "", ""]
    assert samples.card_of(answer(7, 0, 0), "wrong", {}).row == "row 8"


def test_marks_show_where_an_answer_departs_from_the_reference() -> None:
    pieces = samples.diff_pieces('{"kind": "refund"}', '{"kind": "defect"}')
    assert [text for text, differs in pieces if differs] == ["refund"]
    assert "".join(text for text, _ in pieces) == '{"kind": "refund"}'
    assert samples.diff_pieces("", "x") == [] and samples.diff_pieces("nothing alike", "{}") == [
        ("nothing alike", False)
    ]


def test_hidden_characters_become_visible_and_the_middle_of_a_long_text_is_left_out() -> None:
    assert samples.display_text("a\u202eb\x00") == "a\u27e8U+202E\u27e9b\u27e8U+0000\u27e9"
    assert samples.display_text("tab\tline\r\nend") == "tab\tline\nend"
    text = samples.display_text("x" * 5000)
    assert len(text) < 1300 and "3,800 more characters" in text


def test_a_conversation_is_shown_with_its_roles() -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": None}]
    assert prompt_text(turns) == "system: Be kind.\n\nuser: "
    assert prompt_text([{"role": "user", "content": "Hi"}]) == "Hi"


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 100, ["0", "50", "100"]),
        (-0.37, 0.11, ["-0.2", "0.0"]),
        (0.9, 1.1, ["0.9", "1.0", "1.1"]),
        (0, 0.004, ["0.000", "0.002", "0.004"]),
        (0, 3e-5, ["0", "2e-5"]),
        (1_000_000, 4_000_000, ["2e6", "4e6"]),
    ],
)
def test_axis_ticks_are_round_numbers(low: float, high: float, labels: list[str]) -> None:
    assert [tick.label.lstrip("+") for tick in chart.axis(low, high, 2)] == labels


def test_thinning_keeps_the_spikes() -> None:
    points = [(float(i), 1.0) for i in range(10_000)]
    points[4321] = (4321.0, 99.0)
    kept = chart.downsample(points)
    assert len(kept) <= 1.1 * chart.MOST_POINTS and (4321.0, 99.0) in kept
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


def test_smoothing_is_a_centred_mean() -> None:
    points = [(float(i), float(i * i)) for i in range(9)]
    assert chart.smooth(points, 3)[4] == (4.0, pytest.approx((9 + 16 + 25) / 3))
    assert chart.smooth(points, 3)[0] == points[0] and chart.smooth(points, 1) == points


def falling(end: float, drop: float, steps: int = 200) -> list[dict[str, Any]]:
    """A loss that drops within the first steps, and from there falls to `end`."""
    return [{"step": n, "loss": end * (1 + drop * 0.5**n) + end * 0.5 * (1 - n / steps)} for n in range(steps)]


def test_a_first_drop_does_not_flatten_the_curve() -> None:
    made = training_view.charts(falling(0.01, 300.0), {})
    assert [one.title for one in made] == ["Loss", "Loss from step 30 on"]
    assert made[0].y_ticks != made[1].y_ticks
    decades = [{"step": n, "loss": 10 ** (1 - 4 * (n / 200) ** 0.5)} for n in range(200)]
    assert [one.title for one in training_view.charts(decades, {})] == ["Loss, logarithmic axis"]
    assert [tick.label for tick in training_view.charts(decades, {})[0].y_ticks] == ["0.001", "0.01", "0.1", "1", "10"]
    even = [{"step": n, "loss": 3 - 0.01 * n} for n in range(200)]
    assert [one.title for one in training_view.charts(even, {})] == ["Loss"]


def test_chosen_and_rejected_answers_have_a_curve() -> None:
    steps = [{"step": n, "loss": 0.7, "reward_chosen": 0.1 * n, "reward_rejected": -0.1 * n} for n in range(5)]
    chart_of = {one.title: one for one in training_view.charts(steps, {})}
    assert [line.name for line in chart_of["Chosen and rejected: gain over the base, times beta"].lines] == [
        "chosen", "rejected",
    ]  # fmt: skip


def test_a_flat_curve_and_a_single_point_can_be_drawn() -> None:
    for points in ([(0.0, 0.0)], [(0.0, 2.0), (1.0, 2.0)], [(5.0, 1e-9)]):
        made = chart.chart("Loss", [chart.Line("loss", "train", points)])
        assert made and "nan" not in made.lines[0].path and all(0 <= tick.place <= 100 for tick in made.x_ticks)
    assert chart.chart("Loss", [chart.Line("loss", "train", [])]) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.21, "3.2 s"), (47.3, "47 s"), (60, "1 min 00 s"), (3661, "1 h 01 min"), (59.97, "60 s")]
)
def test_durations_read_like_a_watch(seconds: float, text: str) -> None:
    assert numbers.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("tuned_skill", "forgetting", "title"),
    [
        (0.8, {"word": "kept", "broken": [], "unclear": [], "measures": []}, "Yes"),
        (0.8, {"word": "lost", "broken": ["The suite 'law'"], "unclear": [], "measures": []}, "No"),
        (0.8, {"word": "unclear", "broken": [], "unclear": ["General text"], "measures": []}, "Not yet"),
        (0.05, {"word": "kept", "broken": [], "unclear": [], "measures": []}, "No"),
        (0.3, {"word": "kept", "broken": [], "unclear": [], "measures": []}, "Not yet"),
    ],
)
def test_the_first_screen_answers_before_anything_else(
    tmp_path: Path, tuned_skill: float, forgetting: dict[str, Any], title: str
) -> None:
    folder = write_run(tmp_path / "run", 100, 0.28, tuned_skill, 12)
    change(folder / "evaluation.json", forgetting=forgetting)
    text = Page(write(folder)).text
    asked = text.index("Should it be used?")
    assert asked < text.index("Against each opponent") and re.search(rf"\s{title}\s", text[asked : asked + 60])
    for name in forgetting["broken"] + forgetting["unclear"]:
        assert name[1:] in text


def test_what_often_helps_stands_under_what_it_cost(html: str) -> None:
    text = " ".join(Page(html).text.split())
    cost, helps, unknown = (text.index(words) for words in ("What it cost", "What often helps", "What the rows cannot"))
    assert cost < helps < unknown and "--until-kept" in text and "whet frontier tickets-3f9a12cc" in text


def test_a_fall_of_a_score_is_shown_with_its_sign(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "score -8.8 points" in text and "budget -13.0 points" in text


def test_the_page_says_what_another_number_of_threads_does(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=30, steps=12)
    assert "Trained on 1 thread." in Page(write(folder)).text
    assert "two threads give another result" in Page(write(folder)).text
    change(folder / "evaluation.json", threads=2)
    assert "one thread gives another result" in Page(write(folder)).text
    change(folder / "evaluation.json", peak_memory_of="cuda")
    text = Page(write(folder)).text
    assert "Trained on a GPU." in text and "thread gives" not in text and "of the GPU's memory at most" in text


def test_a_run_of_before_says_nothing_of_threads(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", rows=30, steps=12)
    change(folder / "evaluation.json", threads=None)
    assert "another result" not in Page(write(folder)).text
