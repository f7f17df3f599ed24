"""A base has one name: it is listed, asked and tuned by the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.server.serving import served
from whet.model.base import NANO
from whet.server.bases import bases_of
from whet.server.settings import Settings

ROW = b'{"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."}]}\n'


def test_a_base_in_a_folder_is_tuned_by_the_name_that_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "my-base"
    shutil.copytree(NANO, folder)
    with served(tmp_path / "home", models=(str(folder),), aliases={"gpt-4o-mini": "my-base"}) as made:
        client = made.client()
        listed = {model.id for model in client.models.list()}
        assert listed == {"my-base", "gpt-4o-mini"}

        file = client.files.create(file=("rows.jsonl", ROW * 12), purpose="fine-tune")
        for name in listed:
            job = client.fine_tuning.jobs.create(model=name, training_file=file.id)
            assert job.model == name
            asked = client.chat.completions.create(
                model=name, messages=[{"role": "user", "content": "Where?"}], max_tokens=3
            )
            assert asked.model == name


@pytest.mark.parametrize("target", ["nowhere", "nano"])
def test_an_alias_of_what_is_no_base_here_cannot_be_tuned(tmp_path: Path, target: str) -> None:
    assert bases_of(Settings(tmp_path, models=(), aliases={"gpt": target})) == {}
