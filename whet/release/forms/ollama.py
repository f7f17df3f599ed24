"""A folder for Ollama: the GGUF file, and a Modelfile with template, stops and parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from whet.errors import ModelError
from whet.model.gguf.header import read_header
from whet.observer import Observer
from whet.release.consumers.protocol import Served
from whet.release.folder_files import base_file
from whet.release.forms.gguf import FORM as GGUF
from whet.release.forms.gguf import LORA, MODEL
from whet.release.forms.protocol import Bound, ExportedFiles
from whet.release.gguf.kinds import KINDS
from whet.release.ollama.chat_shape import ChatShape, Differs, cuts_blanks, shape_of, writer_of
from whet.release.ollama.go_template import go_template, render
from whet.release.ollama.modelfile import Modelfile, unquotable
from whet.release.tuned import Tuned

MODELFILE = "Modelfile"
TODAY = ("strftime_now", "date_string")
"""What templates call that write today's date."""
USE_GGUF = "use --to gguf, whose file holds the template as it is, with llama-server"


class OllamaForm:
    name = "ollama"
    summary = "a GGUF file with a Modelfile: template, stops, parameters; --create hands it to Ollama"
    types: tuple[str, ...] = tuple(KINDS)

    def refusal(self, model: Tuned, kind: str | None) -> str | None:
        if kind == LORA:
            return f"{LORA!r} is no kind of numbers here: use --to gguf --type {LORA}"
        return GGUF.refusal(model, kind) or self.template_refusal(model)

    def template_refusal(self, model: Tuned) -> str | None:
        """Why the chat template cannot be written in Go, and what to use instead; None where it can."""
        try:
            _, _, stops = translated(model)
        except ModelError as error:
            return f"{error.what}: {error.fix}"
        if odd := unquotable("", stops):
            return f"{odd}: {USE_GGUF}"
        return None

    def bytes_needed(self, model: Tuned, kind: str | None) -> int:
        return GGUF.bytes_needed(model, kind)

    def export(self, model: Tuned, kind: str | None, out: Path, observer: Observer) -> ExportedFiles:
        made = GGUF.export(model, kind, out, observer)
        template, notes, stops = translated(model)
        header = read_header(out / MODEL)
        context = header.metadata[f"{header.architecture}.context_length"]
        written = Modelfile(MODEL, without_first(template, header.metadata), stops, context, _generation(model))
        (out / MODELFILE).write_text(written.text(), "utf-8")
        notes = [*made.notes, *notes, f"Ollama is told to make room for {written.parameters()['num_ctx']:,} tokens"]
        facts = made.facts | {"template": written.template, "parameters": written.parameters(), "stops": stops}
        commands = {"ollama": f"ollama create {model.name} -f {{folder}}/{MODELFILE}\nollama run {model.name}\n"}

        return replace(made, notes=notes, facts=facts, commands=commands)

    def lossy(self, kind: str | None) -> bool:
        return GGUF.lossy(kind)

    def bound(self, model: Tuned, kind: str | None) -> Bound:
        return GGUF.bound(model, kind)

    def consumers(self, model: Tuned, kind: str | None) -> tuple[str, ...]:
        return ("llama_cpp",)

    def served(self, model: Tuned, out: Path, files: ExportedFiles, consumer: str, compute: str) -> Served:
        """llama.cpp, which Ollama is built on, with the ids of what the Go template in the Modelfile writes."""
        opened = GGUF.served(model, out, files, consumer, compute)
        return replace(opened, more={"go_template": template_in(out / MODELFILE)})


def translated(model: Tuned) -> tuple[str, list[str], list[str]]:
    """The chat template in Go, what people must know of it, and the stops as texts.

    Raises ModelError for a template that does more than Go can be given here.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.folder)
    if not tokenizer.chat_template:
        raise ModelError("the model has no chat template, and Ollama chats", fix=USE_GGUF)
    if any(word in str(tokenizer.chat_template) for word in TODAY):
        raise ModelError("its chat template writes the date, which a Modelfile would fix to today's", fix=USE_GGUF)

    write = writer_of(tokenizer)
    shape = shape_of(write)
    if isinstance(shape, Differs):
        raise ModelError(f"its chat template cannot be written in Go: {shape.what}", fix=USE_GGUF)

    notes = ["Ollama's template is written in Go without tools: ask for tools through llama-server"]
    if cuts_blanks(write, shape):
        notes.append("the chat template cuts blanks around a message, which Ollama's does not: send none")
    return proved(shape), notes, tokenizer.convert_ids_to_tokens(model.stop_ids)


def proved(shape: ChatShape) -> str:
    """The Go template of a shape, rendered again: it must say what the shape says. Raises ModelError."""
    from whet.release.ollama.chat_shape import TALKS

    template = go_template(shape)
    if odd := unquotable(template, []):
        raise ModelError(f"its chat template cannot stand in a Modelfile: {odd}", fix=USE_GGUF)

    for talk in TALKS:
        if render(template, talk) != shape.write(talk):
            raise ModelError("its chat template, written in Go, writes another text", fix=USE_GGUF)

    return template


def without_first(template: str, metadata: dict[str, Any]) -> str:
    """Where llama.cpp puts the first token before every text, the template must not write it again."""
    if not metadata.get("tokenizer.ggml.add_bos_token"):
        return template
    first = metadata["tokenizer.ggml.tokens"][metadata["tokenizer.ggml.bos_token_id"]]
    return template.removeprefix(first)


def template_in(modelfile: Path) -> str:
    """The template as the Modelfile has it."""
    _, _, rest = modelfile.read_text("utf-8").partition('TEMPLATE """')
    return rest.partition('"""')[0]


def _generation(model: Tuned) -> dict[str, Any]:
    """How answers are chosen, as the model's own files say."""
    return base_file(str(model.folder), "generation_config.json") or base_file(model.base, "generation_config.json")


FORM = OllamaForm()
