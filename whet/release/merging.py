"""An adapter added to its base, file by file: the base's tensors are read, summed in float32, and written once.

Why not PEFT's merge_and_unload: it needs the whole model in memory, and adds in the base's own 16 bits, where a small
tune is lost. It remains the way for adapters that cannot be added tensor by tensor (experts), and the tests' oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from whet.errors import ModelError
from whet.model.quantised.load import weight_files
from whet.observer import Progress
from whet.release.adapter_weights import AdaptedModule, AdapterWeights, merged_weight
from whet.release.tensor_files import Shaped, TensorWriter, read_tensor, shapes_in, write_index, writing

HEAD = "lm_head.weight"
"""The output layer, under the name that nearly every architecture of transformers gives it."""


@dataclass(slots=True)
class Merge:
    """What becomes of every tensor of a base."""

    dtype: torch.dtype
    """That the merged weights are written in."""
    trained: torch.dtype
    """That the base was read in while it was trained: its tensors are rounded to it first."""
    adapter: AdapterWeights | None = None
    modules: dict[str, AdaptedModule] = field(default_factory=dict)
    """By the name of the tensor in the base's files."""
    whole: dict[str, str] = field(default_factory=dict)
    """Tensors that are replaced, to the name in the adapter's file."""
    untied_from: str = ""
    """The embedding whose old values the output layer keeps; empty where the two stay one, or always were two."""
    head: str = ""
    """The output layer in the adapter's file, where it was trained apart from the embedding."""
    coarse: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """Of a base that was trained in 4 bits: what makes of a tensor the one that was trained on."""
    error: float = 0.0
    """Sum of squares that `coarse` took away..."""
    power: float = 0.0
    """...of this sum of squares."""

    def tensor(self, name: str, stored: Tensor) -> Tensor:
        """The merged tensor, in float32 where anything was added."""
        if name in self.whole:
            assert self.adapter is not None
            stored = self.adapter.tensor(self.whole[name])

        if not stored.is_floating_point():
            return stored
        base = stored.to(self.trained)

        if name in self.coarse:
            base = self._coarser(name, base)
        if name not in self.modules:
            return base
        assert self.adapter is not None

        return merged_weight(base, self.modules[name], self.adapter)

    def _coarser(self, name: str, base: Tensor) -> Tensor:
        rounded = self.coarse[name](base)
        self.error += float((rounded.float() - base.float()).square().sum())
        self.power += float(base.float().square().sum())
        return rounded

    @property
    def coarse_error(self) -> float:
        """Relative root mean square of what 4 bits took away from the base."""
        if self.power:
            return (self.error / self.power) ** 0.5
        return 0.0

    def planned(self, shapes: Mapping[str, Shaped]) -> dict[str, Shaped]:
        """What a file will hold."""
        plan = {}
        for name, one in shapes.items():
            shape = one.shape
            if name in self.whole:
                assert self.adapter is not None
                shape = tuple(self.adapter.tensor(self.whole[name]).shape)
            plan[name] = Shaped(self.dtype if one.dtype.is_floating_point else one.dtype, shape)

        if self.untied_from in shapes:
            plan[HEAD] = Shaped(self.dtype, shapes[self.untied_from].shape)
        return plan


def place(merge: Merge, adapter: AdapterWeights, names: Mapping[str, Shaped], tied: bool) -> str | None:
    """Finds the tensor of the base for each that the adapter changes; why that cannot be done, or None.

    An embedding that is the output layer, too, becomes two where only one of them was trained.
    """
    merge.adapter = adapter
    for module in adapter.modules.values():
        name = _stored_name(f"{module.name}.weight", names)
        if name is None:
            return f"the base's files call {module.name} otherwise"

        merge.modules[name] = module

    for wanted, key in adapter.whole.items():
        name = _stored_name(wanted.replace(".base_layer.", "."), names)  # PEFT saves an adapted embedding, too
        if name is not None:
            merge.whole[name] = key
        elif not (tied and wanted == HEAD):
            return f"the base's files call {wanted} otherwise"

    if tied:
        _untie(merge, adapter, names)
    return None


def _untie(merge: Merge, adapter: AdapterWeights, names: Mapping[str, Shaped]) -> None:
    embedding = next((name for name in names if name.endswith("embed_tokens.weight")), "")
    if adapter.config.get("ensure_weight_tying"):
        return
    merge.head = adapter.whole.get(HEAD, "")
    if merge.head or embedding in merge.whole or embedding in merge.modules:
        merge.untied_from = embedding


def _stored_name(wanted: str, names: Mapping[str, Shaped]) -> str | None:
    """A tensor under the model's name for it, or without the model's prefix, as some files have it."""
    for name in (wanted, wanted.partition(".")[2]):
        if name in names:
            return name
    return None


def base_shapes(path: str) -> dict[str, dict[str, Shaped]]:
    """Each file of weights of a base with what it holds. Raises ModelError where there are none."""
    try:
        return {file: shapes_in(file) for file in weight_files(path)}
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"the base's weights cannot be read: {reason}", where=path, fix="restore the base") from error


def write_merged(merge: Merge, files: Mapping[str, Mapping[str, Shaped]], out: Path, progress: Progress) -> None:
    """Writes the base's files anew into `out`, one tensor at a time."""
    plans = {Path(file).name: merge.planned(shapes) for file, shapes in files.items()}
    total, done = sum(len(plan) for plan in plans.values()), 0
    for file, shapes in files.items():
        name = Path(file).name
        with writing(out / name, plans[name]) as writer:
            for tensor in shapes:
                writer.write(tensor, merge.tensor(tensor, read_tensor(file, tensor)))
                done += 1
                progress(done, total)
            _write_head(merge, file, shapes, writer)

    write_index(out, plans)


def _write_head(merge: Merge, file: str, shapes: Mapping[str, Shaped], writer: TensorWriter) -> None:
    if merge.untied_from in shapes:
        assert merge.adapter is not None
        if merge.head:
            kept = merge.adapter.tensor(merge.head)
        else:
            kept = read_tensor(file, merge.untied_from)
        writer.write(HEAD, kept.to(merge.trained))
