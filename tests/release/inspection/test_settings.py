"""What a changed setting is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whet.release.inspection.settings import setting_faults


def folder(place: Path, stops: Any) -> Path:
    place.mkdir()
    (place / "generation_config.json").write_text(json.dumps({"eos_token_id": stops}))
    return place


@pytest.mark.parametrize(
    ("stops", "name"), [(0, "stop-changed"), ([0], "stop-changed"), (None, "stops-empty"), ([], "stops-empty")]
)
def test_the_token_of_number_0_is_a_stop_token(tmp_path: Path, stops: Any, name: str) -> None:
    (fault,) = setting_faults(folder(tmp_path / "right", [1]), folder(tmp_path / "seen", stops))
    assert fault.name == name
