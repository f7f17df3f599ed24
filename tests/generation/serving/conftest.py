from __future__ import annotations

import pytest
import torch

from whet.generation.serving.open_batch import OpenBatch
from whet.model.base import Base, load_base


@pytest.fixture(scope="module")
def base() -> Base:
    return load_base("nano", torch.float32)


@pytest.fixture
def batch(base: Base) -> OpenBatch:
    return OpenBatch(base, slots=5, capacity=128)
