"""One model of safetensors: the adapter added to its base in float32 and rounded once, one tensor at a time."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from whet.building import building
from whet.model.adapter import load_adapter, merge_adapter
from whet.model.base import load_base, load_config
from whet.model.quantised.nf4 import bitsandbytes
from whet.observer import Observer
from whet.release.adapter_weights import adapter_weights, streamable
from whet.release.commands import transformers_code
from whet.release.consumers.protocol import Served
from whet.release.folder_files import copy_tokenizer, write_config, write_generation
from whet.release.forms.protocol import ROUNDING, Bound, ExportedFiles
from whet.release.merging import HEAD, Merge, base_shapes, place, write_merged
from whet.release.tensor_files import shapes_in
from whet.release.tuned import Tuned

BESIDE = 50_000_000
"""Bytes for tokenizer and settings."""


class MergedForm:
    name = "merged"
    summary = "one folder of safetensors that transformers and most servers read; the adapter is added in float32"
    types: tuple[str, ...] = ("float32", "bfloat16", "float16")

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        return None

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        width = getattr(torch, kind or model.dtype).itemsize
        files = base_shapes(model.base if model.is_adapter else str(model.folder))
        return BESIDE + sum(math.prod(one.shape) * width for shapes in files.values() for one in shapes.values())

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        dtype = kind or model.dtype
        merge = Merge(getattr(torch, dtype), getattr(torch, model.dtype))
        files = base_shapes(model.base if model.is_adapter else str(model.folder))

        why = self._placed(model, merge, {name: one for shapes in files.values() for name, one in shapes.items()})
        if why:
            files = self._whole(model, dtype, out)
        else:
            write_merged(merge, files, out, lambda done, total: observer.step(done, total, {}))

        changed = self._changed(merge)
        write_config(model, out, dtype, **changed)

        if not model.has_head:
            write_generation(model, out)
        copy_tokenizer(model, out)
        facts = {"in_memory": why, "untied": bool(merge.untied_from), "base_rounding": merge.coarse_error}

        return ExportedFiles(
            "", _notes(model, merge, why, dtype), facts, {"transformers": transformers_code(model, dtype)}
        )

    def lossy(self, kind: str | None) -> bool:
        return False

    def bound(self, model: Tuned, kind: str | None) -> Bound:
        written = kind or model.dtype
        if not model.is_adapter and written == model.dtype:
            return ROUNDING["float32"]
        return ROUNDING[model.dtype if model.quantised and written == "float32" else written]

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        return ("transformers",)

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        written = next(iter(shapes_in(next(iter(sorted(out.glob("*.safetensors"))))).values())).dtype
        return Served(
            folder=out,
            dtype=str(written).removeprefix("torch."),
            compute=compute,
            trust_remote_code=model.trust_remote_code,
        )

    def _placed(self, model: Tuned, merge: Merge, names: dict) -> str | None:
        """Why the merge cannot be made tensor by tensor; None where it is planned."""
        if not model.is_adapter:
            return None
        adapter = adapter_weights(model)

        tied = HEAD not in names
        if why := streamable(adapter) or place(merge, adapter, names, tied):
            return why
        if model.quantised:
            merge.coarse = dict.fromkeys(_quantised(model, names), _through_4_bits)
        return None

    def _whole(self, model: Tuned, dtype: str, out: Path) -> dict:
        """By PEFT, in memory, for an adapter that cannot be added tensor by tensor."""
        base = load_base(model.base, getattr(torch, model.dtype), model.trust_remote_code, model.quantised)
        if model.quantised:
            base.model = base.model.dequantize()
        merged = merge_adapter(load_adapter(base.model.float(), model.folder))
        merged.to(getattr(torch, dtype)).save_pretrained(out, safe_serialization=True)
        return base_shapes(str(out))

    def _changed(self, merge: Merge) -> dict:
        """What of config.json the merge changes."""
        changed: dict = {"tie_word_embeddings": False} if merge.untied_from else {}
        for name in merge.whole:
            if name.endswith("embed_tokens.weight"):
                assert merge.adapter is not None
                changed["vocab_size"] = merge.adapter.tensor(merge.whole[name]).shape[0]
        return changed


def _quantised(model: Tuned, names: dict) -> list[str]:
    """The tensors that were 4-bit in training: of every linear layer but the output layer."""
    from transformers import AutoModelForCausalLM

    with building(), torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(copy.deepcopy(load_config(model.base, model.trust_remote_code)))
    head = empty.get_output_embeddings()
    linears = [name for name, one in empty.named_modules() if isinstance(one, nn.Linear) and one is not head]
    return [f"{name}.weight" for name in linears if f"{name}.weight" in names]


def _through_4_bits(weight: Tensor) -> Tensor:
    """What the base computed with in training: the weight in NF4 blocks, and back."""
    functional = bitsandbytes().functional
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    return functional.dequantize_4bit(packed, state)


def _notes(model: Tuned, merge: Merge, why: str | None, dtype: str) -> list[str]:
    notes = []
    if why:
        notes.append(f"PEFT merged it in memory, because {why}.")

    if model.quantised and not why:
        notes.append(
            "The base was trained on in 4 bits; those weights were unpacked, and the adapter added to them. They "
            f"differ from the base's own by {merge.coarse_error:.1%} (root mean square); the adapter has learned to "
            "live with that."
        )

    if merge.untied_from:
        notes.append("The embedding was trained and the output layer was not: the two are no longer one.")
    if dtype != model.dtype:
        notes.append(f"Trained in {model.dtype}, written in {dtype}.")
    return notes


FORM = MergedForm()
