"""The page "move from OpenAI fine-tuning in five lines", followed with the official client from an empty HOME."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from whet.demo_data.support_desk import generate

PAGE = Path(__file__).parents[2] / "docs" / "running" / "from-openai.md"
QUESTION = "My invoice shows the wrong amount, please correct it."
ROWS = 120
SECONDS = 180
"""What the page may take, from the start of the service to the answer of the tuned model."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def options_of_the_page() -> list[str]:
    """What the page gives `whet serve`."""
    line = next(line for line in blocks("sh")[0].splitlines() if line.startswith("whet serve"))
    return line.split()[2:]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The service as the page starts it, on a free port, in a home where nothing is."""
    outside = {"PATH", "PYTHONPATH", "LANG", "OMP_NUM_THREADS", "VIRTUAL_ENV"}
    env = {name: value for name, value in os.environ.items() if name in outside} | {"HOME": str(tmp_path)}
    command = [sys.executable, "-m", "whet", "serve", *options_of_the_page(), "--port", "0", "--json"]
    with open(tmp_path / "serve.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout
    yield json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


SHORT = """suffix="support",
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
    extra_body={"whet": {"keep": False, "evaluate": {"against": ["base"], "forgetting": False}}},
)"""
"""What is added to the page's request for a job that is over soon."""


@pytest.mark.parametrize(
    "added", [pytest.param(SHORT, id="shortened"), pytest.param("", marks=pytest.mark.slow, id="as it stands")]
)
def test_the_page_leads_from_a_file_to_chat_with_the_tuned_model(
    service: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    began = time.monotonic()
    rows = [
        {"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]}
        for row in generate(ROWS, seed=0)
    ]
    (tmp_path / "support.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", service["url"])
    monkeypatch.setenv("OPENAI_API_KEY", service["key"])

    five_lines, events = blocks("python")
    seen: dict[str, Any] = {"time": time, "question": [{"role": "user", "content": QUESTION}]}
    if added:
        assert 'suffix="support")' in five_lines
        five_lines = five_lines.replace('suffix="support")', added)
    exec(five_lines, seen)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(events, seen)

    job, answer = seen["job"], seen["answer"]
    assert job.status == "succeeded" and job.fine_tuned_model.startswith("ft:") and ":support:" in job.fine_tuned_model
    assert answer.model == job.fine_tuned_model and answer.choices[0].message.content
    assert "The job has successfully completed" in said.getvalue()
    assert time.monotonic() - began < SECONDS
