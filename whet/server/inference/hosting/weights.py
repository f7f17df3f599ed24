"""Which host a model is written by: adapters share the host of their base, whole models have one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from whet.model.base import Base, load_base, load_config, random_base
from whet.model.precision import choose_dtype, device
from whet.model.saved_model import ModelFacts
from whet.recipe.schema import Quantise


@dataclass(frozen=True, slots=True)
class Weights:
    """What a host holds. Two models with equal ones share it."""

    base: str
    """As load_base takes it; of a whole model, its folder."""
    dtype: str
    quantise: Quantise | None = None
    trust_remote_code: bool = False
    seed: int | None = None
    """Of a base of random weights, as training from scratch begins with."""
    digest: str = ""
    """Of a whole model's files: trained again into the same folder it is another."""

    def open(self) -> Base:
        """Raises ModelError."""
        dtype = getattr(torch, self.dtype)
        if self.seed is not None:
            base = random_base(self.base, dtype, self.seed, self.trust_remote_code)
            base.model.to(device())
            return base
        return load_base(self.base, dtype, self.trust_remote_code, self.quantise, device())


def weights_of_base(name: str) -> Weights:
    """In the numbers that are faster here, as tuning and chat choose them."""
    dtype, _ = choose_dtype("auto", load_config(name).hidden_size, device())
    return Weights(name, str(dtype).removeprefix("torch."))


def weights_under(folder: Path, facts: ModelFacts, digest: str, trust_remote_code: bool) -> Weights:
    """Under an adapter its base, in the numbers that it was trained in; otherwise the model itself."""
    if facts["adapter"] == "full":
        return Weights(str(folder), facts["dtype"], trust_remote_code=trust_remote_code, digest=digest)
    seed = facts["seed"] if facts["from_scratch"] else None
    return Weights(facts["base"], facts["dtype"], facts.get("quantise"), trust_remote_code, seed)
