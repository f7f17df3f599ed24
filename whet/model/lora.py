"""Which layers have an adapter, without importing peft: that takes seconds, and most commands build no adapter."""

from __future__ import annotations

import sys
from typing import Any


def is_lora(module: Any) -> bool:
    """Whether peft has put an adapter into this layer; none has one while nobody has imported peft's layers."""
    layers = sys.modules.get("peft.tuners.lora")
    return layers is not None and isinstance(module, layers.LoraLayer)
