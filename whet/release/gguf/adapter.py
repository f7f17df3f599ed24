"""An adapter alone as a GGUF file, for llama.cpp's --lora over a GGUF file of its base.

llama.cpp has one alpha for the whole file and multiplies by alpha / rank. Whatever else an adapter's scale is made of
(rsLoRA's root, an alpha of its own for some modules), llama.cpp's converter drops silently; here it is multiplied into
B.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import Tensor

from whet.errors import ModelError
from whet.model.gguf.header import package
from whet.model.gguf.tensor_names import Wanted, wanted_tensors
from whet.release.adapter_weights import AdaptedModule, AdapterWeights, adapter_weights
from whet.release.gguf.architecture import architecture_of, described
from whet.release.gguf.kinds import quantised
from whet.release.gguf.write import turned
from whet.release.tuned import Tuned

MORE = {
    "use_dora": "DoRA's magnitudes", "modules_to_save": "modules that were trained whole",
    "trainable_token_indices": "rows of the embedding", "target_parameters": "adapters on experts",
    "layer_replication": "repeated layers", "lora_bias": "biases",
}  # fmt: skip
"""What an adapter of PEFT may have, and one of llama.cpp cannot hold; by the key of its config."""
USE_WHOLE = "use --type f16: the adapter is merged into the weights"


def lora_refusal(model: Tuned) -> str | None:
    """Why this adapter cannot be one of llama.cpp, and what to use; None where it can."""
    try:
        architecture_of(model.config, model.name)
    except ModelError as error:
        return f"{error.what}: use --to adapter"

    if model.quantised:
        return f"it was trained over a base in 4 bits, which llama.cpp has not: {USE_WHOLE}"
    found = [words for key, words in MORE.items() if model.adapter_config.get(key)]
    found += ["biases"] if model.adapter_config.get("bias", "none") != "none" else []
    found += [f"an adapter on {name}" for name in adapter_weights(model).modules if name.count(".") < 2]

    if found:
        return f"this adapter has {found[0]}, which an adapter of llama.cpp cannot hold: {USE_WHOLE}"
    return None


def write_lora(model: Tuned, base: Path, file: Path) -> list[str]:
    """Writes the file and returns sentences that people must know. `base` is a folder with the base's config.

    Raises ModelError for a module that llama.cpp's form of the family has no place for.
    """
    adapter, about = adapter_weights(model), described(base)
    alpha = float(adapter.config["lora_alpha"])
    places = {tensor.name: (old, tensor) for old, tensor in wanted_tensors(about.architecture, about.config).items()}
    factors: dict[str, float] = {}
    writer = package().GGUFWriter(file, about.architecture)

    try:
        writer.add_type("adapter")
        writer.add_name(model.name)
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)

        for module in adapter.modules.values():
            old, tensor = _place(module, places)
            a, b = (adapter.tensor(module.keys[half]) for half in ("A", "B"))
            factors[module.name] = module.scale * a.shape[0] / alpha
            _add(writer, f"{old}.lora_a", a)
            _add(writer, f"{old}.lora_b", turned(b.float() * factors[module.name], tensor.heads))

        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()

    return _folded(adapter, factors)


def _place(module: AdaptedModule, places: dict[str, tuple[str, Wanted]]) -> tuple[str, Wanted]:
    if f"{module.name}.weight" not in places:
        raise ModelError(f"llama.cpp's form of this family takes no adapter on {module.name}", fix=USE_WHOLE)
    return places[f"{module.name}.weight"]


def _add(writer: Any, name: str, values: Tensor) -> None:
    """Float32: an adapter is small."""
    packed, chosen = quantised(name, values, "f32")
    writer.add_tensor(name, packed, raw_dtype=chosen)


def _folded(adapter: AdapterWeights, factors: dict[str, float]) -> list[str]:
    changed = sorted(name for name, factor in factors.items() if not math.isclose(factor, 1.0))
    if not changed:
        return []
    return [
        f"the scales of {len(changed)} of {len(adapter.modules)} modules are multiplied into B, because llama.cpp reads"
        f" one alpha and no rsLoRA ({changed[0]}: {factors[changed[0]]:.4g})"
    ]
