"""What a GGUF file says and holds otherwise than it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from whet.model.gguf.convert import unpack
from whet.model.gguf.header import Header, read_header
from whet.release.diagnosis import Fault
from whet.release.inspection.settings import restore, template_fault
from whet.release.inspection.tensors import Stored, tensor_faults
from whet.release.proof import Test

NAMED: dict[str, tuple[str, Test, str]] = {
    "tokenizer.ggml.pre": ("pre-tokenizer-changed", "ids", "Text is split by another rule."),
    "tokenizer.ggml.add_bos_token": (
        "begin-token-changed",
        "ids",
        "The first token is put, or is not put, before texts.",
    ),
    "tokenizer.ggml.bos_token_id": ("begin-token-changed", "ids", "Another token comes first."),
    "tokenizer.ggml.eos_token_id": ("stop-changed", "stops", "Answers stop at another token."),
    "tokenizer.ggml.tokens": ("tokenizer-changed", "ids", "The tokens are others."),
    "tokenizer.ggml.token_type": ("tokenizer-changed", "ids", "Other tokens are marks."),
    "tokenizer.ggml.merges": ("tokenizer-changed", "ids", "The merges are others."),
    "adapter.lora.alpha": ("scale-changed", "fraction", "The adapter has another scale."),
}
BY_END: dict[str, tuple[str, Test, str]] = {
    ".context_length": ("context-cut", "ids", "The context has another length."),
    ".rope.scaling.type": ("rope-changed", "difference", "Positions are stretched otherwise."),
    ".rope.scaling.factor": ("rope-changed", "difference", "Positions are stretched otherwise."),
    ".rope.freq_base": ("rope-changed", "difference", "Positions turn at other speeds."),
}
TEMPLATE = "tokenizer.chat_template"


def gguf_faults(wanted: Path, found: Path) -> list[Fault]:
    """Of two GGUF files."""
    right, seen = read_header(wanted), read_header(found)
    keys = sorted({*right.metadata, *seen.metadata})
    changed = [key for key in keys if right.metadata.get(key) != seen.metadata.get(key)]
    faults = [_fault(key, right.metadata.get(key), seen.metadata.get(key), found.name) for key in changed]
    return faults + tensor_faults(_stored(right), _stored(seen), lambda name: None)


def _stored(header: Header) -> Stored:
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}

    def read(name: str) -> Tensor:
        return unpack(header, header.tensors[name])

    return Stored(shapes, dict.fromkeys(shapes, header.path.name), read)


def _fault(key: str, right: Any, seen: Any, file: str) -> Fault:
    if key == TEMPLATE:
        return Fault(*template_fault(right or "", seen or ""), restore(file))
    by_end = next((told for end, told in BY_END.items() if key.endswith(end)), None)
    name, test, what = NAMED.get(key) or by_end or ("settings-changed", "difference", "Its settings are others.")

    if isinstance(right or seen, list):
        said = ""
    else:
        said = f": {seen!r:.40}, and should be {right!r:.40}"

    return Fault(name, test, f"{what} {key}{said}.", restore(file))
