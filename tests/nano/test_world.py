import json
import re
from itertools import islice

import pytest

from nano import words, world_facts
from nano.world import HELDOUT_OFFSET, KINDS, documents, main, skills, stream_seed

LEVELS = (0, 1, 2)
COPY_KINDS = ("repeat", "lookup", "passage", "extract", "pick_out", "convert")
DEMO_WORDS = re.compile(r'order[_ ]number|urgency|"intent"|"product"', re.IGNORECASE)


def rows(seed: int, level: int, count: int, kind: str | None = None) -> list[dict]:
    return list(islice(documents(seed, level, {kind: 1.0} if kind else None), count))


def text_of(row: dict) -> str:
    return row.get("text") or "\n".join(message["content"] for message in row["messages"])


@pytest.mark.parametrize("level", LEVELS)
def test_same_seed_gives_same_rows(level: int) -> None:
    assert rows(3, level, 300) == rows(3, level, 300)
    assert rows(3, level, 300) != rows(4, level, 300)


def test_rows_are_texts_or_conversations() -> None:
    for level in LEVELS:
        for row in rows(1, level, 1500):
            assert row["kind"] in KINDS
            if "text" in row:
                assert row["text"].strip()
                continue
            roles = [message["role"] for message in row["messages"] if message["role"] != "system"]
            assert roles == ["user", "assistant"] * (len(roles) // 2) and roles
            assert all(message["content"].strip() for message in row["messages"])


def test_more_than_half_are_conversations() -> None:
    share = sum("messages" in row for row in rows(0, 2, 3000)) / 3000
    assert 0.55 < share < 0.68


def test_levels_grow() -> None:
    lengths = [sum(len(text_of(row)) for row in rows(0, level, 1500)) / 1500 for level in LEVELS]
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("kind", COPY_KINDS)
def test_heldout_rows_are_fresh(kind: str) -> None:
    train = {text_of(row) for row in rows(stream_seed(0, "train"), 1, 1500, kind)}
    heldout = {text_of(row) for row in rows(stream_seed(0, "heldout"), 1, 300, kind)}
    assert len(heldout - train) >= 0.97 * len(heldout)


def test_seed_must_stay_below_the_heldout_stream() -> None:
    assert stream_seed(5, "heldout") == HELDOUT_OFFSET + 5
    with pytest.raises(ValueError, match="seed must lie"):
        stream_seed(HELDOUT_OFFSET, "train")


@pytest.mark.parametrize("kind", ("extract", "extract_series", "extract_by_example"))
def test_json_answers_parse_and_are_copied(kind: str) -> None:
    for row in rows(2, 2, 400, kind):
        said = "\n".join(message["content"] for message in row["messages"] if message["role"] != "assistant")
        for message in row["messages"]:
            if message["role"] == "assistant":
                for value in json.loads(message["content"]).values():
                    assert value is None or str(value) in said


@pytest.mark.parametrize("kind", ("lookup", "pick_out"))
def test_looked_up_values_occur_in_the_prompt(kind: str) -> None:
    for row in rows(2, 2, 400, kind):
        assert row["messages"][-1]["content"] in row["messages"][-2]["content"]


def test_converted_json_parses() -> None:
    answers = [row["messages"][-1]["content"] for row in rows(2, 1, 600, "convert")]
    parsed = [json.loads(answer) for answer in answers if answer[0] in "{[" and answer[-1] in "}]"]
    assert len(parsed) > 300


def test_the_demo_task_stays_unseen() -> None:
    for level in LEVELS:
        for row in rows(9, level, 3000):
            assert not DEMO_WORDS.search(text_of(row))


def test_random_names_cannot_contradict_the_world() -> None:
    people = {name for person in world_facts.PEOPLE for name in person.subject.split()}
    assert not people & {*words.FIRST, *words.LAST}
    assert not set(world_facts.TOWN_NAMES) & set(words.CITIES)
    assert len(world_facts.PEOPLE) == 60 and len(world_facts.TOWN_NAMES) == 25


def test_skill_items_are_repeatable_and_graded() -> None:
    suite = skills(0, 40)
    assert set(suite) == {"copying", "json", "facts", "passage", "arithmetic", "instructions"}
    assert suite == skills(0, 40) != skills(1, 40)
    for name, items in suite.items():
        assert len({item["messages"][-1]["content"] for item in items}) == 40
        assert all(item["messages"][-1]["role"] == "user" and item["answer"] for item in items)
        if name == "json":
            assert all(json.loads(item["answer"]) is not None for item in items)


def test_command_line_writes_whole_files_only(tmp_path, monkeypatch) -> None:
    out = tmp_path / "rows.jsonl"
    monkeypatch.setattr("sys.argv", ["world", "--seed", "1", "--level", "0", "--rows", "50", "--out", str(out)])
    main()
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert written == rows(1, 0, 50)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        next(documents(0, 1, {"nonsense": 1.0}))
