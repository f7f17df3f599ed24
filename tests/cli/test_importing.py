"""The command line's imports: collected never, and everything else as before."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from whet.cli.importing import without_garbage_collection

ROOT = Path(__file__).parents[2]


def test_what_a_verb_imports_is_kept_out_of_later_collections() -> None:
    code = (
        "import gc\n"
        "from whet.cli.importing import without_garbage_collection\n"
        "with without_garbage_collection():\n"
        "    assert not gc.isenabled()\n"
        "    made = [[] for _ in range(10_000)]\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 10_000\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_failing_import_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "whet.api", raising=False)
    with pytest.raises(ImportError), without_garbage_collection():
        raise ImportError
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert gc.isenabled() and frozen


def test_a_process_that_holds_the_engine_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whet.api", sys)
    with without_garbage_collection():
        assert gc.isenabled()
    assert not gc.get_freeze_count()
