"""The kernels that oneDNN keeps for every shape of a product: bounded, where it makes any."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHAPES = 900
SCRIPT = """
import sys
from pathlib import Path
from whet.model.memory import keep_few_kernels
if sys.argv[1] == "few":
    keep_few_kernels()
import torch
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
weight = torch.ones(512, 512, dtype=torch.bfloat16)
torch.mm(weight, weight)
before = resident()
for rows in range(1, {shapes} + 1):
    torch.mm(weight[:rows], weight)
print(resident() - before)
""".replace("{shapes}", str(SHAPES))


def growth(how: str) -> int:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ONEDNN_")}  # a run may have set it
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, env=plain)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_many_shapes_do_not_fill_the_memory() -> None:
    """The kernels of the last shapes stay, and no more."""
    all_kept = growth("all")
    if all_kept < 50e6:
        pytest.skip("this processor's products keep little for a shape")
    assert growth("few") < 0.7 * all_kept
