"""Lineage as boxes and lines, and the card as HTML: numbers and text, without a browser."""

from __future__ import annotations

from typing import Any

from whet.web.naming.card import shown
from whet.web.naming.tree import HIGH, LONGEST, WIDE, shortened, tree_of


def lineage(**more: Any) -> dict[str, Any]:
    """Of a run that was made from a run that was made from another one."""
    first = {
        "how": "base",
        "name": "first",
        "run": "first",
        "there": True,
        "known": True,
        "versions": [],
        "parents": [],
    }
    before = {
        **first,
        "how": "retrained",
        "name": "before",
        "run": "before",
        "versions": ["desk@1"],
        "parents": [first],
    }
    fates = {"trained": 90, "validation": 5, "test": 5, "dropped": 0}
    data = {"files": [{"key": "data", "name": "/secret/rows.jsonl", "there": True}], "rows": {"rows.jsonl": fates}}
    base = {"name": "nano", "there": None, "fingerprint": "0123456789abcdef"}
    release = {"form": "gguf", "type": "q8_0", "counts": False, "folder": "/secret/release/gguf-q8_0"}
    told = {"run": "now", "method": "sft", "imported_from": None, "data": data, "base": base, "parents": [before]}
    return told | {"versions": ["desk@2", "help@1"], "releases": [release]} | more


def test_what_was_before_lies_above_and_what_came_of_it_below() -> None:
    tree = tree_of(lineage(), "desk")
    heights = {box.title: box.y for box in tree.boxes}
    assert heights["first"] < heights["before"] == heights["rows.jsonl"] == heights["nano"] < heights["now"]
    assert heights["now"] < heights["desk@2"] == heights["help@1"] == heights["gguf q8_0"]
    assert len(tree.paths) == len(tree.boxes) - 1


def test_no_two_boxes_overlap_and_all_lie_inside() -> None:
    many = [{"key": "data", "name": f"rows-{number}.jsonl", "there": True} for number in range(7)]
    tree = tree_of(lineage(data={"files": many, "rows": {}}), "desk")
    places = [(box.x, box.y) for box in tree.boxes]
    for place, (x, y) in enumerate(places):
        assert 0 <= x <= tree.width - WIDE and 0 <= y <= tree.height - HIGH
        for other_x, other_y in places[place + 1 :]:
            assert abs(x - other_x) >= WIDE or abs(y - other_y) >= HIGH


def test_a_line_leads_from_a_run_to_the_run_that_was_made_of_it() -> None:
    tree = tree_of(lineage(), "desk")
    first = next(box for box in tree.boxes if box.title == "first")
    before = next(box for box in tree.boxes if box.title == "before")
    begins, ends = f"M{first.x + WIDE / 2:.0f} {first.y + HIGH:.0f} ", f" {before.x + WIDE / 2:.0f} {before.y:.0f}"
    assert any(path.startswith(begins) and path.endswith(ends) for path in tree.paths)


def test_names_are_told_and_never_folders() -> None:
    assert "/secret" not in tree_of(lineage(), "desk").told


def test_who_may_not_see_runs_is_led_to_none() -> None:
    assert {box.link for box in tree_of(lineage(), "desk", to_runs=False).boxes if "/runs/" in box.link} == set()
    assert "/runs/now" in {box.link for box in tree_of(lineage(), "desk").boxes}


def test_a_long_name_keeps_its_ends() -> None:
    name = "support-desk-intents-2026-11-30-final.jsonl"
    assert (
        len(shortened(name)) <= LONGEST
        and shortened(name).startswith("support")
        and shortened(name).endswith("l.jsonl")
    )
    assert shortened("rows.jsonl") == "rows.jsonl"


def test_what_a_card_quotes_stays_text() -> None:
    text = '---\nlicense: mit\n---\n\n# A <script>alert(1)</script>\n\n"><img src=x onerror=alert(1)>\n\n'
    html = shown(text + "[x](javascript:alert(1)) ![x](https://evil.example/x.png)\n\n| a |\n| --- |\n| <b>b</b> |\n")
    for planted in ("<script", "<img", "<b>", 'href="javascript', "license: mit"):
        assert planted not in html
    assert "<h2>A &lt;script" in html and "<table " in html
