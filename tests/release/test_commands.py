"""The commands that an export prints are those that the guide shows; that they run is shown in test_pages.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.release.made_runs import made_run
from whet.release.commands import peft_code, transformers_code
from whet.release.opening import tuned_of
from whet.store.run import Run

GUIDE = Path(__file__).parents[2] / "docs" / "running" / "release.md"


def test_the_guide_shows_the_code_that_is_printed(sound: Run) -> None:
    model, page = tuned_of(sound), GUIDE.read_text("utf-8")
    for code in (peft_code(model), transformers_code(model, "bfloat16")):
        shown = code.replace("{folder}", "FOLDER").replace("{base}", "BASE").replace("float32", "bfloat16")
        assert f"```python\n{shown}```" in page


def test_a_4_bit_base_is_opened_as_it_was_trained_on(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    model = tuned_of(made_run(tmp_path, adapter={"kind": "lora", "rank": 4}, quantise="nf4"))
    code = peft_code(model)
    assert "load_in_4bit=True" in code and 'bnb_4bit_quant_type="nf4"' in code
    compile(code, "peft", "exec")
