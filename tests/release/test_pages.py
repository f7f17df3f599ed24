"""The pages of putting a model to work: their lines run as they stand, as far as their programs are here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

import whet
from tests.release.serving import serving_of
from whet.cli.main import run as whet_line
from whet.model.base import NANO
from whet.model.gguf.header import read_header
from whet.release import golden_of_run
from whet.release.golden_prompts import conversations
from whet.store.run import Run

PAGES = Path(__file__).parents[2] / "docs" / "running"
RELEASE, LLAMA_CPP = PAGES / "release.md", PAGES / "llama-cpp.md"
NAME = "tickets-1a2b3c4d"
"""Of the run, on the pages."""
NOT_HERE = {"pip", "vllm", "llama-server", "ollama"}
"""Programs that are no Python packages, need a GPU, or change this machine."""
WITH_SERVER = "http://localhost:8000/v1"
KNOWN = {"FROM", "TEMPLATE", "PARAMETER"}
PARAMETERS = {"stop", "temperature", "top_k", "top_p", "repeat_penalty", "num_ctx"}
"""Of Ollama's Modelfile (github.com/ollama/ollama, docs/modelfile.md), those that are written."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def lines(page: Path) -> list[list[str]]:
    """Words of each command in the page's shell blocks."""
    joined = "".join(blocks(page, "sh")).replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def uses(code: str) -> str:
    """The library that the first line imports from."""
    return code.split()[1]


@pytest.mark.parametrize(("form", "library"), [("merged", "transformers"), ("adapter", "peft")])
def test_the_python_of_the_guide_answers(
    sound: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, library: str
) -> None:
    whet.export(sound, form, out=tmp_path / "out")
    (code,) = [block for block in blocks(RELEASE, "python") if uses(block) == library]
    capsys.readouterr()
    exec(compile(code.replace("FOLDER", str(tmp_path / "out")).replace("BASE", str(NANO)), form, "exec"), {})
    assert capsys.readouterr().out.strip()


def test_every_program_of_the_pages_is_known() -> None:
    programs = {words[0] for page in (RELEASE, LLAMA_CPP) for words in lines(page)}
    assert programs == NOT_HERE | {"whet"}, "a new one is to be run here, or to be named as one that cannot"


@pytest.fixture
def named(sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of work with the run under the pages' name, and what others trained."""
    shutil.copytree(sound.folder, tmp_path / "runs" / NAME)
    shutil.copytree(sound.model, tmp_path / "their-adapter")
    shutil.copytree(NANO, tmp_path / "their-model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(golden_of_run, "conversations", lambda *asked: conversations(*asked)[6:9])
    return tmp_path


def given(words: list[str], url: str = "") -> None:
    """A line of the page, in this process."""
    served = [url if word == WITH_SERVER else word for word in words[1:]]
    if served[0] == "prove" and "--name" in served:
        served[served.index("--name") + 1] = "tuned"
    if "--push" in served and "--dry-run" not in served:
        served.append("--dry-run")  # nothing is sent from a test
    assert whet_line(served) == 0, " ".join(words)


@pytest.mark.slow
def test_the_lines_of_the_guide_are_given_one_after_the_other(named: Path) -> None:
    with serving_of(Run(named / "runs" / NAME)) as (url, _):
        for words in lines(RELEASE):
            if words[0] not in NOT_HERE:
                given(words, url)
    made = {folder.name for folder in (named / "runs" / NAME / "release").iterdir()}
    assert {"merged-float32", "adapter", "vllm-auto", "url"} <= made
    assert {"theirs", "their-model"} <= {folder.name for folder in (named / "runs").iterdir()}


@pytest.mark.slow
def test_the_lines_of_llama_cpp_are_given_one_after_the_other(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp")
    for words in lines(LLAMA_CPP):
        if words[0] not in NOT_HERE:
            given(words)
    release = named / "runs" / NAME / "release"
    for form, files in (("gguf-f16", ["model"]), ("gguf-q8_0", ["model"]), ("gguf-lora", ["base", "adapter"])):
        assert all((release / form / f"{file}.gguf").is_file() for file in files)

    as_ollama_reads(release / "ollama-q8_0" / "Modelfile")


def as_ollama_reads(modelfile: Path) -> None:
    """Instructions and parameters that Ollama knows, a GGUF file beside it, and a stop that the file's tokens hold."""
    text = modelfile.read_text("utf-8")
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    assert template and "{{ .Content }}" in template[1]
    told = [line.split(maxsplit=2) for line in text.replace(template[0], "").splitlines() if line]
    assert {words[0] for words in told} <= KNOWN
    assert {words[1] for words in told if words[0] == "PARAMETER"} <= PARAMETERS

    (source,) = [words[1] for words in told if words[0] == "FROM"]
    tokens = read_header(modelfile.parent / source).metadata["tokenizer.ggml.tokens"]
    stops = [words[2].strip('"') for words in told if words[:2] == ["PARAMETER", "stop"]]
    assert stops and set(stops) <= set(tokens)


def test_ollama_is_called_as_the_page_says(
    sound: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By a program of that name: what is beside the Modelfile is what it would read."""
    pytest.importorskip("xllamacpp")
    (program := tmp_path / "bin" / "ollama").parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@" >> calls\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)

    told = whet.export(sound, "ollama", out=tmp_path / "out")
    as_ollama_reads(tmp_path / "out" / "Modelfile")
    assert os.system(told["commands"]["ollama"]) == 0
    shown = [" ".join(words[1:]) for words in lines(LLAMA_CPP) if words[0] == "ollama"]
    called = (tmp_path / "calls").read_text().replace(str(tmp_path / "out"), "FOLDER").replace(sound.name, "tickets")
    assert called.splitlines() == shown
