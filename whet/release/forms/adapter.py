"""The adapter as PEFT reads it, over the base that it was trained on."""

from __future__ import annotations

from pathlib import Path

from whet.observer import Observer
from whet.release.adapter_weights import WEIGHTS, AdapterWeights, adapter_weights
from whet.release.commands import peft_code
from whet.release.consumers.protocol import Served
from whet.release.folder_files import copy_tokenizer, size_of, write_generation
from whet.release.forms.protocol import ROUNDING, Bound, ExportedFiles
from whet.release.tensor_files import shapes_in, writing
from whet.release.tuned import Tuned
from whet.store.atomic import write_json


class AdapterForm:
    name = "adapter"
    summary = (
        "a PEFT folder over its base; scales that a consumer would drop (rsLoRA, alpha patterns) are folded into B"
    )
    types: tuple[str, ...] = ()

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        if model.is_adapter:
            return None
        return "every weight was trained, so there is no adapter; use the form merged"

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        return size_of(model.folder)

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        adapter = adapter_weights(model)
        config, notes = dict(model.adapter_config), []

        folded = folding(adapter)
        if folded:
            notes.append(
                f"The scales of {len(folded)} modules were folded into B: some consumers (llama.cpp) drop rsLoRA and "
                "alpha patterns, and the adapter now means the same without them."
            )
            config |= {"use_rslora": False, "alpha_pattern": {}}

        base = {"base_model_name_or_path": model.identity.setting, "revision": model.identity.revision}
        write_json(out / "adapter_config.json", config | base)
        _write_weights(adapter, folded, out / WEIGHTS)
        copy_tokenizer(model, out)
        write_generation(model, out)

        if config.get("modules_to_save"):
            names = ", ".join(config["modules_to_save"])
            notes.append(f"Modules that were trained whole ({names}) are in it; llama.cpp and vLLM do not read them.")

        return ExportedFiles("", notes, {"folded_modules": len(folded)}, {"peft": peft_code(model)})

    def lossy(self, kind: str | None) -> bool:
        return False

    def bound(self, model: Tuned, kind: str | None) -> Bound:
        rounded = model.quantised or folding(adapter_weights(model))
        return ROUNDING[model.dtype if rounded else "float32"]

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        return ("peft",)

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        return Served(
            folder=out,
            base=model.base,
            dtype=model.dtype,
            compute=compute,
            quantised=model.quantised,
            trust_remote_code=model.trust_remote_code,
        )


def folding(adapter: AdapterWeights) -> dict[str, float]:
    """By which factor the B of each tensor is to be multiplied so that alpha/r alone is its scale; nothing where that
    is its scale already."""
    config = adapter.config
    if not config.get("use_rslora") and not config.get("alpha_pattern"):
        return {}

    shapes, found = shapes_in(adapter.file), {}
    for module in adapter.modules.values():
        up, down = (module.keys.get(part) or module.keys[f"embedding_{part}"] for part in ("B", "A"))
        found[up] = module.scale * shapes[down].shape[0] / config["lora_alpha"]

    return found


def _write_weights(adapter: AdapterWeights, folded: dict[str, float], path: Path) -> None:
    shapes = shapes_in(adapter.file)
    with writing(path, shapes) as writer:
        for name in shapes:
            tensor = adapter.tensor(name)
            writer.write(name, (tensor.float() * folded[name]).to(tensor.dtype) if name in folded else tensor)


FORM = AdapterForm()
