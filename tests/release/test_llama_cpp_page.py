"""The page of llama.cpp and Ollama: what can run here is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release.gguf.test_families import NANO
from whet.release.forms.gguf import commands
from whet.release.gguf.write import GgufSource, write_gguf

PAGE = Path(__file__).parents[2] / "docs" / "running" / "llama-cpp.md"


def test_the_python_of_the_page_answers(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    write_gguf(GgufSource(NANO, [1], "nano"), "f32", tmp_path / "model.gguf")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert code.replace("FOLDER", "{folder}") == commands("model.gguf", "")["xllamacpp"], "an export prints other lines"
    told = code.replace("FOLDER", str(tmp_path))
    said = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120, check=True)
    assert said.stdout.strip()


def test_the_lines_of_the_page_are_those_of_an_export() -> None:
    lines = commands("model.gguf", "")["llama.cpp"].replace("{folder}", "FOLDER")
    assert lines.strip() in PAGE.read_text("utf-8")
