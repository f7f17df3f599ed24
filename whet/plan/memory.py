"""Peak memory of training, by cause, in bytes: the largest of three moments of a step.

    the loss        everything kept for the backward pass, and the buffers of one chunk of logits
    backward        everything kept, and the working buffers of one layer; gradients of the output layer
    the update      float32 gradients beside float32 originals and moments; nothing is kept any more

Weights, adapter, optimiser and the process itself are there at all three. What a layer keeps, and its working buffers,
are counted from the code that computes it; each number below says where it comes from.
Letters: T tokens of a micro-batch (rounded up), N supervised ones, D hidden size, M width, R rank, V vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from whet.plan.shape import Shape

FLOAT = 4
"""Bytes of the optimiser's numbers: originals, moments and the gradients they are made from (train/optim.py)."""
NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits of a weight in NF4: 4, an 8-bit scale for 64 weights, a 32-bit one for 256 of these (QLoRA, section 3)."""
CHUNK_ELEMENTS = {"cpu": 8 * 1024 * 1024, "cuda": 64 * 1024 * 1024}
"""Logits alive at once (model/logprob.py), and the fewest rows of a chunk."""
LEAST_CHUNK = 32
KEPT, QUERIES = 8 * 1024 * 1024, 512
"""Most attention probabilities that a layer keeps, and queries of a block (model/fused/attention.py)."""
TOKEN_GRAIN, LENGTH_GRAIN = 128, 16
"""T and the length of a row are rounded up to these (model/attention.py)."""
FUSED = {"llama", "mistral", "qwen2", "qwen3"}
"""Families whose layers the fused kernels compute (model/fused/install.py)."""
ALLOCATOR = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """How a shape is trained."""

    tokens: int
    """Of a micro-batch."""
    longest: int
    """Tokens of its longest row."""
    rank: int | None = None
    """Of the adapter; None trains every weight."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    bytes_a_number: int = 2
    """Of weights and activations: 2 in bfloat16, 4 in float32."""
    quantised: bool = False
    light: bool = False
    """Only the input of each half layer is kept (activation checkpointing)."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    device: Literal["cpu", "cuda"] = "cpu"
    process: int = 0
    """Bytes of the program itself; measured (plan/machine.py)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by cause at the moment of the largest sum."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    process: int
    moment: str

    @property
    def total(self) -> int:
        held = self.weights + self.adapter + self.gradients + self.optimizer
        return held + self.activations + self.logits + self.process

    def facts(self) -> dict[str, int | str]:
        return asdict(self) | {"total": self.total}


def predict(shape: Shape, setting: Setting) -> Memory:
    """Peak memory of training this shape. Raises ModelError where the adapter's targets are unknown."""
    trained = trained_numbers(shape, setting)
    number = setting.bytes_a_number
    weights = weight_bytes(shape, setting)
    adapter = trained * number if setting.rank else 0
    optimizer = trained * (0 if number == FLOAT else FLOAT) + moment_bytes(shape, setting)
    kept, working = kept_bytes(shape, setting), layer_bytes(shape, setting)
    first = trained * number
    moments = (
        Memory(weights, adapter, 0, optimizer, kept + tail_bytes(shape, setting), logit_bytes(shape, setting),
               setting.process, "the loss"),
        Memory(weights, adapter, first if setting.light else table_gradient(shape, setting), optimizer,
               kept + working, 0, setting.process, "the backward pass"),
        Memory(weights, adapter, first, optimizer, working, 0, setting.process, "the end of the backward pass"),
        Memory(weights, adapter, trained * FLOAT, optimizer, 0, 0, setting.process, "the update"),
    )  # fmt: skip
    return max(moments, key=lambda memory: memory.total)
