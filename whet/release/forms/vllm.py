"""What vLLM serves: the adapter over its base where vLLM reads such an adapter, the merged model otherwise.

vLLM itself needs a GPU or a build of its own, so an export is proved through the library that reads the same files;
the server is proved where it runs, by `whet prove RUN --url`.
"""

from __future__ import annotations

from pathlib import Path

from whet.observer import Observer
from whet.recipe.vllm_limits import rank_flag, refused_by_vllm
from whet.release.consumers.protocol import Served
from whet.release.forms.adapter import FORM as ADAPTER
from whet.release.forms.merged import FORM as MERGED
from whet.release.forms.protocol import Bound, ExportedFiles, Form
from whet.release.tuned import Tuned

AUTO = "auto"


class VllmForm:
    name = "vllm"
    summary = "the adapter where vLLM can serve it, merged weights otherwise, with the command line"
    types: tuple[str, ...] = (AUTO, ADAPTER.name, MERGED.name)

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        if model.has_head:
            return "it has a head; use the form merged"
        if kind != ADAPTER.name:
            return None
        why = ADAPTER.refusal(model, None) or unread(model)
        if why:
            return f"{why}; use its type merged"
        return None

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        form, own = self._of(model, kind)
        return form.bytes_needed(model, own)

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        form, own = self._of(model, kind)
        files = form.export(model, own, out, observer)
        notes = list(files.notes)

        if form is MERGED and model.is_adapter and kind != MERGED.name:
            notes.append(f"Merged, because of the adapter vLLM says no: {unread(model)}.")

        if form is ADAPTER:
            command = adapter_command(model)
        else:
            command = merged_command(model)

        return ExportedFiles(files.main, notes, files.facts | {"as": form.name}, files.commands | {"vllm": command})

    def lossy(self, kind: str | None) -> bool:
        return False

    def bound(self, model: Tuned, kind: str | None) -> Bound:
        form, own = self._of(model, kind)
        return form.bound(model, own)

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        form, own = self._of(model, kind)
        return form.consumers(model, own)

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        if files.facts["as"] == ADAPTER.name:
            form = ADAPTER
        else:
            form = MERGED
        return form.served(model, out, files, consumer, compute)

    def _of(self, model: Tuned, kind: str | None) -> tuple[Form, str | None]:
        """The form behind it, with that one's type."""
        if kind == MERGED.name or ADAPTER.refusal(model, None) or unread(model):
            return MERGED, model.dtype
        return ADAPTER, None


def unread(model: Tuned) -> str | None:
    """Why vLLM cannot serve a model's adapter; None where it can, and where there is none."""
    if not model.is_adapter:
        return None
    config = model.adapter_config
    targets = config["target_modules"]

    refused = refused_by_vllm(
        _ranks(model),
        dora=bool(config.get("use_dora")),
        modules_to_save=config.get("modules_to_save") or (),
        rank_pattern=bool(config.get("rank_pattern")),
        targets=[targets] if isinstance(targets, str) else targets or (),
    )
    if refused is not None:
        return refused.what
    return "it adapts tensors of experts, which vLLM does not" if config.get("target_parameters") else None


def _ranks(model: Tuned) -> list[int]:
    config = model.adapter_config
    return [int(config["r"]), *(int(rank) for rank in (config.get("rank_pattern") or {}).values())]


def adapter_command(model: Tuned) -> str:
    """The tokenizer and its template are the adapter's, and so is where answers stop."""
    if model.quantised:
        quantised = " \\\n  --quantization bitsandbytes"
    else:
        quantised = ""

    return (
        f"vllm serve {{base}} --enable-lora --max-lora-rank {rank_flag(max(_ranks(model)))} \\\n"
        f"  --lora-modules {model.name}={{folder}} \\\n"
        f"  --tokenizer {{folder}} --generation-config {{folder}} --dtype {model.dtype}{quantised}\n"
        f"# ask for the model by the adapter's name, {model.name}: the base's name answers as the base\n"
        f"whet prove {model.name} --url http://localhost:8000/v1 --name {model.name}\n"
    )


def merged_command(model: Tuned) -> str:
    return (
        f"vllm serve {{folder}} --served-model-name {model.name} --dtype {model.dtype}\n"
        f"whet prove {model.name} --url http://localhost:8000/v1 --name {model.name}\n"
    )


FORM = VllmForm()
