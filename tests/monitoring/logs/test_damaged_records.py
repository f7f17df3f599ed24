"""Whatever stands in the place of a value, a log is read, or refused with its place: nothing else happens."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.logs import samples
from tests.monitoring.logs.samples import write_lines
from whet.errors import DataError
from whet.monitoring.logs.reading import read_log
from whet.monitoring.logs.whet import read_back, written

STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1e308,
    "",
    "x",
    "{",
    "[1]",
    "\u0000",
    [],
    [[]],
    [None],
    {},
    {"": ""},
    {"a": 1},
]
TIMES = 30
"""Logs a format. The seeds 0 to 3,000 were tried once."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys."""
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in inner] + [place for _, item in inner for place in places(item)]


@pytest.mark.parametrize("form", ["flywheel", "litellm", "langfuse", "phoenix", "otel", "whet"])
def test_strange_values_are_read_or_refused(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    refused = 0
    for seed in range(TIMES):
        rows = json.loads(json.dumps(content(form, tmp_path)))
        for container, key in random.Random(seed).sample(places(rows), 3):
            container[key] = random.Random(seed + 1).choice(STRANGE)
        try:
            log = read_log(write_lines(path, rows))
        except DataError as error:
            refused += 1
            assert "a.jsonl" in str(error)
        else:
            for trace in log.traces:
                assert read_back(json.loads(json.dumps(written(trace))), "") == [trace], "it is of the right types"
    assert refused < TIMES, "some are read"


def content(form: str, folder: Path) -> list[Any]:
    if form == "whet":
        traces = read_log(write_lines(folder / "made.jsonl", samples.phoenix())).traces
        return [written(trace) for trace in traces]
    return getattr(samples, form)()


def test_a_text_log_with_any_byte_changed_is_read_or_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.log", samples.vllm().encode()
    for seed in range(TIMES):
        draw = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            read_log(path)
        except DataError as error:
            assert "a.log" in str(error)
