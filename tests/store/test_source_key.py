"""A cached file is read only where the code that made it is the code of now: all of it, found from its imports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from whet.data.cache_key import WITHIN
from whet.store.source_key import HERE, modules_of, source_key

ROOTS = ("whet.data.pretrain.corpus", "whet.data.prepare")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, in which `convert` imports a new module and nobody imports another."""
    shutil.copytree(HERE / "whet" / "data", tmp_path / "whet" / "data")
    for name in ("__init__.py", "types.py"):
        shutil.copy(HERE / "whet" / name, tmp_path / "whet" / name)
    (tmp_path / "whet" / "data" / "fresh.py").write_text("ONE = 1\n")
    (tmp_path / "whet" / "data" / "alone.py").write_text("ONE = 1\n")
    convert = tmp_path / "whet" / "data" / "rows" / "convert.py"
    late = "\n\ndef late():\n    from whet.data import fresh\n\n    return fresh.ONE\n"
    convert.write_text(convert.read_text() + late)
    return tmp_path


@pytest.mark.parametrize("root", ROOTS)
def test_one_byte_of_any_module_that_is_imported_makes_another_key(tree: Path, root: str) -> None:
    def key() -> str:
        return source_key.__wrapped__(root, within=WITHIN, folder=tree)

    before = key()
    (tree / "whet" / "data" / "alone.py").write_text("ONE = 2\n")
    assert key() == before, "nobody imports it"
    rooms = ("data/render/turn_spans.py", "data/split/parts.py", "data/read/tables.py")
    for path in ("data/fresh.py", *rooms, "types.py"):
        file = tree / "whet" / path
        text = file.read_text()
        file.write_text(text + "#")
        assert key() != before, path
        file.write_text(text)
    assert key() == before


def test_the_keys_cover_what_reads_renders_and_splits() -> None:
    for root in ROOTS:
        names = modules_of((root,), WITHIN)
        rows = {f"whet.data.rows.{name}" for name in ("convert", "row_format", "judgements", "unpaired")}
        assert rows | {"whet.data.render.turn_frames", "whet.data.read.hub"} <= set(names)
        assert "whet.types" in names and not any(name.startswith("whet.training") for name in names)
    assert "whet.data.pretrain.blocks" in modules_of(("whet.data.pretrain.corpus",), WITHIN)


def test_a_root_that_was_moved_is_an_error_and_not_an_empty_key() -> None:
    with pytest.raises(ValueError, match="no module"):
        source_key("whet.data.moved_away", within=WITHIN)
