"""The phases of a tune that are told apart: their functions are there, and those of the skills stay one."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from bench import plan_phases
from bench.plan_phases import INSIDE, SKILLS, Phases


@pytest.mark.parametrize(("module", "name"), INSIDE)
def test_every_function_that_is_watched_is_there(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(module), name))


def test_answers_that_are_written_for_the_skills_are_a_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_phases, "status", lambda key: 0)
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)
    watch = Phases()
    write = watch.inside(lambda: None, "writing answers")
    watch.inside(write, SKILLS)()
    write()
    watch.done()
    assert [phase["phase"] for phase in watch.found] == [
        "starting", SKILLS, "starting", "writing answers", "starting",
    ]  # fmt: skip
