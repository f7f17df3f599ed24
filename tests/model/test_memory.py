"""The kernels that oneDNN keeps for every shape of a product: bounded, where it makes any."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from whet.model.memory import KERNELS

SHAPES = KERNELS + 40
SCRIPT = """
import sys
from whet.model.memory import keep_few_kernels
if sys.argv[1] == "few":
    keep_few_kernels()
import torch
weight = torch.ones(512, 512, dtype=torch.bfloat16)
for rows in range(1, {shapes} + 1):
    torch.mm(weight[:rows], weight)
print("again", flush=True)
torch.mm(weight[:1], weight)
""".replace("{shapes}", str(SHAPES))


def made_again(how: str) -> bool:
    """True where the first shape's kernel was made anew after all others. Skips where oneDNN does not tell."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("ONEDNN_")}  # a run may have set it
    told = plain | {"ONEDNN_VERBOSE": "profile_create"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, env=told)
    before, _, after = done.stdout.partition("again")
    if before.count("create:cache_miss") < SHAPES:
        pytest.skip("these products do not go through oneDNN on this processor")
    return "create:cache_miss" in after


def test_the_kernels_of_many_shapes_do_not_stay() -> None:
    """Counted by oneDNN itself: how much memory each one fills differs by processor."""
    assert not made_again("all")
    assert made_again("few")
