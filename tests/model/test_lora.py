"""Layers with adapters are told without importing peft."""

from __future__ import annotations

import subprocess
import sys

from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from whet.model.lora import is_lora


def test_the_layer_that_peft_has_wrapped_is_told_from_the_plain_ones() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["0"]), model)
    assert [is_lora(layer) for layer in (model[0], model[0].base_layer, model[1])] == [True, False, False]


def test_the_verbs_are_imported_without_peft() -> None:
    """Which takes three seconds, and only what builds an adapter needs it."""
    code = "import sys, whet.api; from torch import nn; from whet.model.lora import is_lora; "
    code += "sys.exit(is_lora(nn.Linear(2, 2)) or 'peft' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0
