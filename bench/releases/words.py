"""Faults of what surrounds the weights: templates, tokens, stops, lengths, positions."""

from __future__ import annotations

from bench.releases.fault import Planted
from bench.releases.gguf_edit import rewrite
from bench.releases.place import Place

TEMPLATE, GENERATION, MODEL = "chat_template.jinja", "generation_config.json", "model.gguf"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""What consumers fall back to where they find no template."""
INJECTED = (
    "{%- if messages[0]['role'] != 'system' -%}{{ '<|system|>You are a helpful assistant.<|end|>' }}{%- endif -%}"
)


def replaced(place: Place) -> None:
    place.change_text(TEMPLATE, lambda text: CHATML)


def no_generation_prompt(place: Place) -> None:
    place.change_text(TEMPLATE, lambda text: text[: text.index("{%- if add_generation_prompt")])


def default_system(place: Place) -> None:
    place.change_text(TEMPLATE, lambda text: text.replace("{{- bos_token -}}", "{{- bos_token -}}" + INJECTED))


def begun_twice(place: Place) -> None:
    place.change_text(TEMPLATE, lambda text: "{{- bos_token -}}" + text)


def not_begun(place: Place) -> None:
    place.change_text(TEMPLATE, lambda text: text.replace("{{- bos_token -}}", ""))


def without_tools(place: Place) -> None:
    def cut(text: str) -> str:
        start = text.index("{%- if tools -%}")
        end = text.index("{%- endif -%}", start) + len("{%- endif -%}")
        return (text[:start] + text[end:]).replace("not (tools and loop.first and message['role'] == 'system')", "true")

    place.change_text(TEMPLATE, cut)


def other_stop(place: Place) -> None:
    place.change_json(GENERATION, lambda told: told.update(eos_token_id=0))


def no_stops(place: Place) -> None:
    place.change_json(GENERATION, lambda told: told.update(eos_token_id=None))
    place.change_json("config.json", lambda told: told.update(eos_token_id=None))


def padded_with_the_stop(place: Place) -> None:
    place.change_json(GENERATION, lambda told: told.update(pad_token_id=told["eos_token_id"]))


def other_splitting(place: Place) -> None:
    rewrite(place.folder / MODEL, {"tokenizer.ggml.pre": "gpt-2"})


def short_context(place: Place) -> None:
    rewrite(place.folder / MODEL, {"llama.context_length": 96})


def positions_lost(place: Place) -> None:
    plain = {"rope_type": "default", "rope_theta": 10000.0}
    place.change_json("config.json", lambda told: told.update(rope_parameters=plain))


def positions_lost_in_gguf(place: Place) -> None:
    rewrite(place.folder / MODEL, {"llama.rope.scaling.factor": 1.0})


def replaced_in_gguf(place: Place) -> None:
    rewrite(place.folder / MODEL, {"tokenizer.chat_template": CHATML.replace("im_start", "im_begin")})


def template_of_ollama(place: Place) -> None:
    place.change_text("Modelfile", lambda text: text.replace("{{ .Content }}<|end|>", "{{ .Content }} <|end|>", 1))
    told = (place.folder / "Modelfile").read_text("utf-8")
    template = told.partition('TEMPLATE """')[2].partition('"""')[0]
    place.served.more["go_template"] = template


M, G = "merged", "gguf"
T, L = "transformers", "llama_cpp"
FAULTS = [
    Planted("template replaced by the default", "lora", M, "float32", T, ("template-replaced",), replaced),
    Planted(
        "template lost its generation prompt", "lora", M, "float32", T, ("no-generation-prompt",), no_generation_prompt
    ),
    Planted("system prompt injected by default", "lora", M, "float32", T, ("default-system",), default_system),
    Planted("BOS doubled", "lora", M, "float32", T, ("bos-doubled",), begun_twice),
    Planted("BOS missing", "lora", M, "float32", T, ("bos-missing",), not_begun),
    Planted("eos wrong", "lora", M, "float32", T, ("stop-changed",), other_stop),
    Planted("stop list empty", "lora", M, "float32", T, ("stops-empty",), no_stops),
    Planted("pad equals eos in generation", "lora", M, "float32", T, ("pad-is-stop",), padded_with_the_stop),
    Planted("tool turns dropped", "lora", M, "float32", T, ("tools-dropped",), without_tools),
    Planted("pre-tokenizer hash wrong", "lora", G, "f16", L, ("pre-tokenizer-changed",), other_splitting),
    Planted("context length cut", "lora", G, "f16", L, ("context-cut",), short_context),
    Planted("rope scaling lost", "stretched", M, "float32", T, ("rope-changed",), positions_lost),
    Planted("rope scaling lost in GGUF", "stretched", G, "f32", L, ("rope-changed",), positions_lost_in_gguf),
    Planted("template changed in a Modelfile", "lora", "ollama", "f16", L, ("template-replaced",), template_of_ollama),
    Planted("real base: template replaced", "real", G, "f16", L, ("template-replaced",), replaced_in_gguf),
    Planted("real base: eos wrong", "real", M, "float32", T, ("stop-changed",), other_stop),
]
