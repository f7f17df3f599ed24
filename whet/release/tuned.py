"""A tuned model as it lies on the disk: what every form begins with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from whet.model.base_identity import BaseIdentity, base_identity
from whet.model.saved_model import ModelFacts
from whet.store.reading import read_json_file


@dataclass(frozen=True)  # no slots: a cached property needs a __dict__
class Tuned:
    """Its weights are proved to be those that the training left; they lie over `base` where they are an adapter."""

    name: str
    """Of the run, for people."""
    folder: Path
    """The run's model folder: adapter or whole weights, tokenizer, chat template, whet.json."""
    facts: ModelFacts
    """whet.json."""
    base: str
    """A folder, or a name on the Hub."""
    trust_remote_code: bool = False

    @property
    def is_adapter(self) -> bool:
        return (self.folder / "adapter_config.json").is_file()

    @property
    def has_head(self) -> bool:
        """It gives numbers and writes nothing."""
        return "head" in self.facts

    @property
    def dtype(self) -> str:
        """What its weights are kept in: `float32`, `bfloat16` or `float16`."""
        return str(self.facts["dtype"])

    @property
    def quantised(self) -> Literal["nf4"] | None:
        """How its base was quantised in training: `nf4`, or None."""
        return self.facts.get("quantise")

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that training taught as an end."""
        return list(self.facts["stop_ids"])

    @cached_property
    def identity(self) -> BaseIdentity:
        """What its base is called elsewhere."""
        return base_identity(self.facts)

    @cached_property
    def adapter_config(self) -> dict[str, Any]:
        """PEFT's, of an adapter."""
        return read_json_file(self.folder / "adapter_config.json", "r", "lora_alpha", "target_modules")

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json of the whole model; of an adapter, that of its base."""
        return read_json_file(Path(self.base if self.is_adapter else self.folder) / "config.json")
