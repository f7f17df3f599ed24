"""Candidates as they are named: bases, GGUF files, models behind a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from whet.errors import InputError, ModelError
from whet.recipe.sections.compare import RemoteModel
from whet.selection.candidates import read_candidates


def test_a_url_says_its_model_and_its_price() -> None:
    nano, big = read_candidates("nano, http://host:8000/v1#org/big:8b@0.15/0.60", [])
    assert nano.remote is None and big.remote is not None
    assert (big.remote.url, big.remote.model) == ("http://host:8000/v1", "org/big:8b")
    assert (big.remote.price_in, big.remote.price_out) == (0.15, 0.6)


def test_a_model_that_the_recipe_lists_is_named_by_its_model_and_keys_may_be_given() -> None:
    listed = RemoteModel(model="big", url="http://host/v1", price_in=1.0, price_out=2.0, concurrency=2)
    keys = {"model": "other", "url": "http://host/v1", "price_in": 0, "price_out": 0}
    big, other = read_candidates(["big", keys], [listed])
    assert big.remote == listed and other.remote is not None and other.remote.price_in == 0
    with pytest.raises(InputError, match="no model at a URL"):
        read_candidates([{"model": "other"}], [])
    with pytest.raises(InputError, match="named twice"):
        read_candidates(["big", "http://host/v1#big@3/4"], [listed])


def test_a_url_that_holds_a_password_or_a_key_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="as far as /v1"):
        read_candidates("http://me:secret@host/v1#big@1/2", [])
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    keys = {"model": "big", "url": "http://host/v1", "price_in": 1, "price_out": 2, "key": "NO_SUCH_KEY"}
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        read_candidates([keys], [])


def test_a_file_that_is_no_gguf_and_a_folder_that_is_no_base_are_refused(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"no")
    with pytest.raises(ModelError, match="no GGUF file"):
        read_candidates(str(tmp_path / "base.gguf"), [])
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="not a model folder"):
        read_candidates([str(tmp_path / "folder")], [])
