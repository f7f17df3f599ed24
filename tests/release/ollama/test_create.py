"""An export handed to Ollama: a program of that name is called in the export's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from whet.errors import InputError, RunError
from whet.release.ollama.create import create, refuse_create


def program(folder: Path, ends: int) -> None:
    folder.mkdir()
    file = folder / "ollama"
    file.write_text(f'#!/bin/sh\necho "$PWD $@" > "{folder}/called"\necho "no server" >&2\nexit {ends}\n')
    file.chmod(0o755)


def test_it_is_called_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", 0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    refuse_create("ollama")
    create("tickets", tmp_path)
    assert (tmp_path / "bin" / "called").read_text().split() == [str(tmp_path), "create", "tickets", "-f", "Modelfile"]


def test_what_it_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", 1)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    with pytest.raises(RunError, match="no server"):
        create("tickets", tmp_path)


def test_it_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="only Ollama"):
        refuse_create("gguf")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="not installed"):
        refuse_create("ollama")
