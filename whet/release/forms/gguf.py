"""One GGUF file for llama.cpp, Ollama and what is built on them; or, as `lora`, the adapter over a GGUF of its base."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from whet.errors import ModelError
from whet.observer import Observer
from whet.release.consumers.protocol import Served
from whet.release.forms.merged import FORM as MERGED
from whet.release.forms.protocol import Bound, ExportedFiles
from whet.release.gguf.adapter import lora_refusal, write_lora
from whet.release.gguf.architecture import architecture_of
from whet.release.gguf.kinds import KINDS, LOSSLESS, kind_refusal
from whet.release.gguf.write import GgufSource, write_gguf
from whet.release.tuned import Tuned
from whet.store.atomic import remove

MODEL, ADAPTER, BASE = "model.gguf", "adapter.gguf", "base.gguf"
LORA = "lora"
"""The kind that leaves the adapter alone; its base is written beside it, in f16."""
BASE_KIND = "f16"
SCRATCH = ".merged"
"""Within the export's folder, while it is made."""
INSTALL = 'pip install "whet[gguf]"'
BOUNDS = {"f32": Bound(2e-3, 1e-2), "f16": Bound(0.02, 0.2), "bf16": Bound(0.05, 1.0)}
"""llama.cpp rounds what goes into a matrix to the type of the matrix: 11 bits of f16, 8 of bf16. In float32, Gemma's
GELU comes from a table in float16."""
MEASURED = Bound(None, None, fraction=(0.5, 1.5))
"""Quantised: differences are reported. What is served must still be the tune, neither the base nor twice the tune."""


class GgufForm:
    name = "gguf"
    summary = "one file for llama.cpp and Ollama, in f16, bf16, q8_0 or smaller; --type lora: the adapter over its base"
    types: tuple[str, ...] = (*KINDS, LORA)

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        if find_spec("gguf") is None:
            return f"the package gguf is not installed: {INSTALL}"
        if model.has_head:
            return "llama.cpp reads no head of scores: use --to merged"
        if kind == LORA:
            if model.is_adapter:
                return lora_refusal(model)
            return "every weight was trained: use --type f16"

        try:
            architecture_of(model.config, model.name)
        except ModelError as error:
            return f"{error.what}: {error.fix}"

        return kind_refusal(kind or self.types[0]) or MERGED.refusal(model, None)

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        """The merged weights, and the file, which is no larger than they are in float32."""
        return MERGED.bytes_needed(model, _merged_type(model)) + MERGED.bytes_needed(model, "float32")

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        if kind == LORA:
            return self.export_lora(model, out, observer)
        chosen = kind or self.types[0]
        merged = out / SCRATCH
        merged.mkdir()
        first = MERGED.export(model, _merged_type(model), merged, observer)
        notes = write_gguf(GgufSource(merged, model.stop_ids, model.name), chosen, out / MODEL)
        remove(merged)

        return ExportedFiles(MODEL, [*first.notes, *notes], first.facts | {"type": chosen}, commands(MODEL, ""))

    def export_lora(self, model: Tuned, out: Path, observer: Observer) -> ExportedFiles:
        """The base gets the tokenizer, the template and the stops that were trained, as the adapter has none."""
        folder = base_folder(model, out / SCRATCH)
        notes = write_gguf(GgufSource(folder, model.stop_ids, f"{model.name}-base"), BASE_KIND, out / BASE)
        notes += write_lora(model, folder, out / ADAPTER)
        remove(out / SCRATCH)
        notes.append(f"{BASE} is the base with the tokenizer of the tune: all adapters over one base can share it")

        return ExportedFiles(
            ADAPTER, notes, {"type": LORA, "base": BASE}, commands(BASE, f" --lora {{folder}}/{ADAPTER}")
        )

    def lossy(self, kind: str | None) -> bool:
        return (kind or self.types[0]) not in (*LOSSLESS, LORA)

    def bound(self, model: Tuned, kind: str | None) -> Bound:
        return BOUNDS.get(BASE_KIND if kind == LORA else kind or self.types[0], MEASURED)

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        return ("llama_cpp",)

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        base = files.facts.get("base")
        return Served(folder=out, main=files.main, base=str(base or ""), compute=compute)


def _merged_type(model: Tuned) -> str | None:
    """An adapter is added in float32, and the sum is rounded once, to the file's own kind."""
    return "float32" if model.is_adapter else None


def base_folder(model: Tuned, scratch: Path) -> Path:
    """The base's config and weights beside the tokenizer and the template that the adapter was trained with."""
    from whet.model.quantised.load import weight_files
    from whet.release.folder_files import copy_tokenizer, write_config, write_generation

    scratch.mkdir()
    write_config(model, scratch, model.dtype)
    write_generation(model, scratch)
    copy_tokenizer(model, scratch)

    for file in weight_files(model.base):
        (scratch / Path(file).name).symlink_to(Path(file).resolve())
    return scratch


def commands(main: str, more: str) -> dict[str, str]:
    """How the file is used, by consumer."""
    if more:
        adapter = f'settings.lora_adapters = [xllamacpp.CommonAdapterLoraInfo("{{folder}}/{ADAPTER}", 1.0)]\n'
    else:
        adapter = ""

    return {
        "llama.cpp": f"llama-server -m {{folder}}/{main}{more} --jinja --port 8080\n",
        "xllamacpp": f"""\
import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path = "{{folder}}/{main}"
{adapter}server = xllamacpp.Server(settings)
asked = {{"messages": [{{"role": "user", "content": "Hello"}}], "temperature": 0}}
print(server.handle_chat_completions(asked)["choices"][0]["message"]["content"])
""",
    }


FORM = GgufForm()
