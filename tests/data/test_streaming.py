"""Many rows: streamed, rendered by workers, cached by content, in memory that hardly grows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.chats import chats, write_chats
from whet.data import chunk_rows
from whet.data import prepare as prepare_module
from whet.data import row_cache as rowcache
from whet.data.batches.loader import Loader, in_order
from whet.data.batches.segment_files import SegmentFile, Segments, SegmentWriter, pack
from whet.data.prepare import Prepared, prepare
from whet.data.render.renderer import Renderer
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Row, Segment

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def tokenizer(make_tokenizer):
    return make_tokenizer(TEMPLATE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """600 rows of which three cannot be used, for three reasons."""
    path = write_chats(tmp_path / "chats.jsonl", 600)
    lines = path.read_text().splitlines()
    lines[17] = '{"messages": [{"role": "user", "content": "only a question"}]}'
    lines[300] = '{"messages": [{"role": "user", "content": "<|im_end|>"}, {"role": "assistant", "content": "b"}]}'
    lines[599] = '{"messages": [{"role": "king", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    path.write_text("\n".join(lines) + "\n")
    return path


def everything(prepared: Prepared) -> Any:
    parts = [list(part) for part in (prepared.train, prepared.validation, prepared.test, prepared.segments)]
    sizes = (prepared.tokens, prepared.supervised_tokens, prepared.longest)
    facts = (prepared.test_rows, prepared.shape, prepared.notes, prepared.renderer.template)
    return parts, list(prepared.ledger.rows_jsonl()), prepared.ledger.summary(), sizes, facts


def test_a_row_is_rendered_as_the_renderer_renders_it_alone(tokenizer, data: Path) -> None:
    prepared = prepare(Recipe(data=str(data)), tokenizer)
    texts = list(chats(600))
    for segment in [*prepared.train[:40], *prepared.validation[:10], *prepared.test[:10]]:
        alone = Renderer(tokenizer).render(Row(segment.row, "", texts[segment.row]["messages"]))
        assert (segment.ids, segment.weights, segment.parent) == (alone.ids, alone.weights, None)
        entry = prepared.ledger.entry(segment.row)
        assert (entry.tokens, entry.supervised) == (len(alone.ids), alone.supervised)
        assert entry.where == f"chats.jsonl:{segment.row + 1}"
    refused = {line["row"]: line["reason"] for line in prepared.ledger.rows_jsonl() if line["fate"] == "dropped"}
    assert refused == {17: "no-answer", 300: "control-token-in-text", 599: "unknown-role"}


@pytest.mark.parametrize(
    "written",
    [
        "{{ m.content }}",
        "{{ m.content | trim }}{% if 'x' in m.content %} (with an x){% endif %}",
        "{% if 'x' in m.content %}{{ m.content | upper }}{% else %}{{ m.content }}{% endif %}",
        "{{ m.content }}{% if 'x' in m.content %}<|im_end|>{% endif %}",
        "{% if 'x' in m.content %}{{ ' ' }}{% endif %}{{ m.content }} ",
    ],
)
def test_what_earlier_rows_taught_changes_no_row(make_tokenizer, written: str) -> None:
    """A renderer that has seen rows of a shape takes the short way; one that has seen none renders around each turn."""
    tokenizer = make_tokenizer(TEMPLATE.replace("{{ m.content | trim }}", written))
    taught = Renderer(tokenizer)
    words = ["plain", "exact", " padded ", "line\nbreak", "a x b", "ends in x\n", "plain", "x"]
    for number, (first, last) in enumerate(zip(words, words[::-1], strict=True)):
        turns = [first, last, last, first] if number % 2 else [last, first]
        row = Row(number, "", [{"role": ("user", "assistant")[n % 2], "content": t} for n, t in enumerate(turns)])
        alone, after = (_outcome(renderer, row) for renderer in (Renderer(tokenizer), taught))
        assert alone == after


def _outcome(renderer: Renderer, row: Row) -> Any:
    try:
        rendered = renderer.render(row)
    except DataError as refusal:
        return str(refusal)
    return rendered.ids, rendered.weights, rendered.spans


def test_the_number_of_workers_changes_nothing(tokenizer, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_module, "MANY_ROWS", 1)
    monkeypatch.setattr("whet.data.chunk_rows.CHUNK_ROWS", 50)
    one, two, three = (everything(prepare(Recipe(data=str(data)), tokenizer, processes=n)) for n in (1, 2, 3))
    assert one == two == three


def test_weights_of_turns_come_through(tokenizer, tmp_path: Path) -> None:
    rows = list(chats(30))
    rows[4]["messages"] = rows[4]["messages"][-2:] * 3
    rows[4]["messages"] = [dict(message) for message in rows[4]["messages"]]
    for number, weight in ((1, 0), (3, 0.3), (5, 2)):
        rows[4]["messages"][number]["weight"] = weight
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    segment = prepare(Recipe(data=str(path)), tokenizer).segments[4]
    assert set(segment.weights) == {0.0, 0.3, 2.0}
    assert segment.weights == Renderer(tokenizer).render(Row(4, "", rows[4]["messages"])).weights


def test_what_the_cache_gives_is_the_same_and_no_row_is_read(
    tokenizer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, cache = Recipe(data=str(data)), tmp_path / "cache"
    fresh = everything(prepare(recipe, tokenizer, cache=cache))
    assert fresh == everything(prepare(recipe, tokenizer))

    def refuse(*_: Any) -> None:
        raise AssertionError("a row was read")

    for module, name in ((prepare_module, "survey"), (chunk_rows, "unread_source"), (chunk_rows, "to_row")):
        monkeypatch.setattr(module, name, refuse)
    assert everything(prepare(recipe, tokenizer, cache=cache)) == fresh
    with pytest.raises(DataError, match="drop_budget"):
        prepare(recipe.model_copy(update={"drop_budget": 0.0}), tokenizer, cache=cache)


def test_anything_that_changes_rows_misses_the_cache(
    tokenizer, make_tokenizer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, cache = Recipe(data=str(data)), tmp_path / "cache"

    def folders(changed: Recipe = recipe, with_: Any = tokenizer, **keys: Any) -> int:
        prepare(changed, with_, cache=cache, **keys)
        return len(list(cache.glob("rows-*")))

    assert folders() == 1 and folders() == 1
    assert folders(recipe.model_copy(update={"learning_rate": 0.1, "drop_budget": 0.5})) == 1
    assert folders(recipe.model_copy(update={"seed": 1})) == 2
    assert folders(recipe.model_copy(update={"system": "Be brief."})) == 3
    assert folders(context=5000) == 4
    assert folders(with_=make_tokenizer(TEMPLATE.replace("trim", "trim | trim"))) == 5
    text = data.read_text()
    data.write_text(text.replace("the", "thy", 1))
    assert folders() == 6
    data.write_text(text)
    monkeypatch.setattr(rowcache, "made_by", lambda *_, **__: "another version")
    assert folders() == 7
    assert not list(cache.glob(".*"))


@pytest.mark.parametrize(
    "name", ["ids.bin", "runs.bin", "columns.npz", "test_rows.jsonl", "facts.json", "facts.sha256"]
)
def test_a_damaged_cache_is_made_anew_and_said(tokenizer, data: Path, tmp_path: Path, name: str) -> None:
    recipe, cache = Recipe(data=str(data)), tmp_path / "cache"
    fresh = everything(prepare(recipe, tokenizer, cache=cache))
    path = next(cache.glob(f"rows-*/{name}"))
    content = path.read_bytes()
    for damaged in (content[:-3], bytes([content[0] ^ 1]) + content[1:], None):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        again = prepare(recipe, tokenizer, cache=cache)
        assert "damaged" in again.notes.pop() and everything(again) == fresh
        assert path.read_bytes() == content or name in ("columns.npz", "facts.json", "facts.sha256")
    assert not any("damaged" in note for note in prepare(recipe, tokenizer, cache=cache).notes)


def test_a_run_that_fails_leaves_no_cache(tokenizer, tmp_path: Path) -> None:
    path = write_chats(tmp_path / "a.jsonl", 100)
    path.write_text(path.read_text() + "{broken\n")
    with pytest.raises(DataError, match=r"a\.jsonl:101: not valid JSON"):
        prepare(Recipe(data=str(path)), tokenizer, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_folders_that_were_used_longest_ago_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rowcache, "LARGEST", 250)
    for age in range(5):
        folder = tmp_path / f"rows-{age}"
        folder.mkdir()
        (folder / "ids.bin").write_bytes(bytes(100))
        os.utime(folder, (1e9 - age, 1e9 - age))
    (tmp_path / ".rows-dead.1234.tmp").mkdir()
    os.utime(tmp_path / ".rows-dead.1234.tmp", (1e9, 1e9))
    rowcache.evict(tmp_path, tmp_path / "rows-4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows-0", "rows-4"]


def test_trees_of_segments_come_back_with_their_parents(tmp_path: Path) -> None:
    made: list[Segment] = []
    for row in range(40):
        root = len(made)
        made.append(Segment([1, 2, row], [0.0, 0.0, 0.0], row))
        made += [Segment([7, row + n], [1.0, 1.0 - 0.5 * n], row, parent=root) for n in range(row % 3)]
    writer = SegmentWriter(tmp_path)
    middle = next(n for n, segment in enumerate(made) if segment.row == 20)
    for begin, piece in ((0, made[:middle]), (middle, made[middle:])):
        shift = [dataclasses.replace(s, parent=None if s.parent is None else s.parent - begin) for s in piece]
        writer.add(pack(shift))
    file = SegmentFile(tmp_path, writer.columns())
    whole = Segments(file, np.arange(len(made)))
    assert list(whole) == made
    odd = Segments(file, np.array([n for n, segment in enumerate(made) if segment.row % 2]))
    assert odd.parents.tolist() == [-1 if s.parent is None else s.parent for s in odd]
    assert odd.lengths.tolist() == [len(s.ids) for s in odd]
    for lazy, eager in ((whole, made), (odd, list(odd))):
        pairs = zip(in_order(lazy, 20), in_order(eager, 20), strict=True)
        assert all(a.ids_T.tolist() == b.ids_T.tolist() and a.parents == b.parents for a, b in pairs)
        one, other = Loader(lazy, 30, 15, 0).step(1), Loader(eager, 30, 15, 0).step(1)
        assert [batch.ids_T.tolist() for batch in one] == [batch.ids_T.tolist() for batch in other]


def test_a_worker_that_dies_is_said_and_one_that_raises_is_heard() -> None:
    from whet.data import workers
    from whet.errors import RunError

    def square(number: int) -> int:
        if number == 5:
            raise DataError("five", where="here", fix="six")
        if number == 11:
            os._exit(3)
        return number * number

    assert [made for _, made in workers.in_order(square, iter(range(5)), 2)] == [0, 1, 4, 9, 16]
    with pytest.raises(DataError) as raised:
        list(workers.in_order(square, iter(range(20)), 2))
    assert (raised.value.what, raised.value.where, raised.value.fix) == ("five", "here", "six")
    with pytest.raises(RunError, match="ended before its time"):
        list(workers.in_order(square, iter(range(6, 20)), 2))
    stopped = workers.in_order(square, iter(range(5)), 2)
    next(stopped)
    stopped.close()
    import multiprocessing

    assert not multiprocessing.active_children()


MEASURE = """
import resource, sys
from pathlib import Path
from whet.data.batches.loader import Loader
from whet.data.prepare import prepare
from whet.model.base import load_tokenizer
from whet.recipe.schema import Recipe
prepared = prepare(Recipe(data=sys.argv[1]), load_tokenizer("nano", False), cache=Path(sys.argv[2]), context=512)
Loader(prepared.train, 8192, 4096, 0).step(0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_hardly_grows_with_the_rows(tmp_path: Path) -> None:
    peak = {}
    for rows in (5_000, 50_000):
        data = write_chats(tmp_path / f"{rows}.jsonl", rows)
        command = [sys.executable, "-c", MEASURE, str(data), str(tmp_path / f"cache{rows}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak[rows] = int(done.stdout) * 1024
    assert peak[50_000] - peak[5_000] < 45_000 * 600, "bytes a row, while rows are prepared"


def test_chats_are_the_same_everywhere() -> None:
    digest = hashlib.sha256(repr(list(chats(5))).encode()).hexdigest()
    assert digest == hashlib.sha256(repr(list(chats(9))[:5]).encode()).hexdigest()
