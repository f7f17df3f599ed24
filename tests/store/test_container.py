"""A container's limit counts where it is below what the machine has: Linux kills what takes more, without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from whet.model.accelerator import all_memory
from whet.planning.machine import available_memory
from whet.recipe.schema import Recipe
from whet.store import container, memory_and_cores
from whet.training.micro_batch import micro_here

GB = 10**9
CPU = torch.device("cpu")


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of control groups, without any limit yet; a machine of 64 GB, 40 of them free."""
    monkeypatch.setattr(container, "MOUNTED", tmp_path / "cgroup")
    monkeypatch.setattr(container, "OWN", tmp_path / "own")
    monkeypatch.setattr("whet.model.accelerator.machine_memory", lambda: 64 * GB)
    monkeypatch.setattr("whet.planning.machine.free_memory", lambda: 40 * GB)
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def group(mounted: Path, path: str, limit: object, used: int, version: int = 2) -> None:
    folder = mounted / "cgroup" / ("memory" if version == 1 else "") / path
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")


def test_without_a_limit_the_machine_counts(mounted: Path) -> None:
    assert container.memory_limit() is None and container.memory_left() is None
    group(mounted, "", "max", 3 * GB)
    (mounted / "own").write_text("0::/\n")
    assert container.memory_limit() is None
    assert (all_memory(CPU), available_memory()) == (64 * GB, 40 * GB)


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_is_all_there_is(mounted: Path, version: int) -> None:
    group(mounted, "", 8 * GB, 3 * GB, version)
    assert (all_memory(CPU), available_memory()) == (8 * GB, 5 * GB)


@pytest.mark.parametrize(("version", "line"), [(1, "4:cpu,memory:/shop/job"), (2, "0::/shop/job")])
def test_a_limit_of_a_group_or_of_one_that_it_lies_in_counts(mounted: Path, version: int, line: str) -> None:
    """A service under systemd sees the whole tree."""
    (mounted / "own").write_text(f"9:name=systemd:/other\n{line}\n")
    group(mounted, "shop/job", 16 * GB, 1 * GB, version)
    group(mounted, "shop", 12 * GB, 10 * GB, version)
    group(mounted, "other", 1 * GB, 0, version)
    assert (all_memory(CPU), available_memory()) == (12 * GB, 2 * GB)


def test_unlimited_in_version_1_is_a_number_above_the_machine(mounted: Path) -> None:
    group(mounted, "", 9223372036854771712, 3 * GB, 1)
    assert (all_memory(CPU), available_memory()) == (64 * GB, 40 * GB)


def test_a_micro_batch_is_cut_for_the_container_and_stays_what_it_is(mounted: Path) -> None:
    recipe, config, found = Recipe.model_validate({"data": "none.jsonl"}), LlamaConfig(hidden_size=2048), []
    for limit, used in (("max", 0), (24 * GB, 1 * GB), (24 * GB, 20 * GB)):
        group(mounted, "", limit, used)
        found.append(micro_here(recipe, config, 300, torch.float32, CPU))
    assert found[0] and found[1] and found[0] > found[1] == found[2], "others in the container change nothing"


def test_this_machine_is_read() -> None:
    assert 0 < all_memory(CPU) <= memory_and_cores.all_memory()
