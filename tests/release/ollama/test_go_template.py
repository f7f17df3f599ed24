"""Chat templates in Go: found by rendering, and rendered again."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from transformers import AutoTokenizer

from tests.release.gguf.test_families import NANO
from whet.release.ollama.chat_shape import TALKS, ChatShape, Differs, Write, cuts_blanks, shape_of, writer_of
from whet.release.ollama.go_template import go_template, render
from whet.release.ollama.modelfile import Modelfile, unquotable
from whet.types import Message

CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nBe good."
    "<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TRIMMING = CHATML.replace("message['content']", "message['content'] | trim")
INSTRUCTIONS = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'system' %}<<SYS>>{{ m['content'] }}<</SYS>>{% else %} {{ m['content'] }}</s>"
    "{% endif %}{% endfor %}"
)
INTO_USER = (
    "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}<{{ m['role'] }}>"
    "{% if loop.first and s %}{{ s }}\n{% endif %}{{ m['content'] }}</>{% endfor %}"
    "<assistant>"
)
COUNTING = CHATML.replace("<|im_end|>\n{% endfor", "<|im_end|>{{ loop.index }}\n{% endfor")
BRACES = CHATML.replace("<|im_start|>", "<{{ '{{' }}>")


def writer(template: str) -> Write:
    made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(template)

    def write(talk: list[Message], answering: bool = True) -> str:
        return made.render(messages=talk, add_generation_prompt=answering)

    return write


@pytest.mark.parametrize("template", [CHATML, TRIMMING, INSTRUCTIONS, BRACES])
def test_what_goes_around_each_turn_is_found_and_said_in_go(template: str) -> None:
    write = writer(template)
    shape = shape_of(write)
    assert isinstance(shape, ChatShape)
    for talk in TALKS:
        assert render(go_template(shape), talk) == write(talk)


def test_nano(tmp_path: Any) -> None:
    write = writer_of(AutoTokenizer.from_pretrained(NANO))
    shape = shape_of(write)
    around = {role: (f"<|{role}|>", "<|end|>") for role in ("system", "user", "assistant")}
    assert shape == ChatShape("", around, "", "<|assistant|>")


def test_a_system_prompt_of_the_template_s_own() -> None:
    shape = shape_of(writer(CHATML))
    assert isinstance(shape, ChatShape) and "Be good." in shape.default
    assert "Be good." in render(go_template(shape), [{"role": "user", "content": "a"}])
    told = [{"role": "system", "content": "Other."}, {"role": "user", "content": "a"}]
    assert "Be good." not in render(go_template(shape), told)


@pytest.mark.parametrize("template", [INTO_USER, COUNTING])
def test_a_template_that_does_more_is_refused(template: str) -> None:
    assert isinstance(shape_of(writer(template)), Differs)


def test_blanks_that_are_cut_are_known() -> None:
    for template, cuts in ((CHATML, False), (TRIMMING, True)):
        shape = shape_of(writer(template))
        assert isinstance(shape, ChatShape)
        assert cuts_blanks(writer(template), shape) is cuts


@pytest.mark.parametrize(
    "template", ["{{ .System }}", "{{ range .Messages }}", "a{{ end }}b{{ end }}", "{{ toJson . }}"]
)
def test_what_is_not_written_here_is_not_rendered(template: str) -> None:
    with pytest.raises(ValueError):
        render(template, [{"role": "user", "content": "a"}])


def test_the_modelfile() -> None:
    made = Modelfile("model.gguf", "{{ .Content }}", ['<|"end|>'], 100_000, {"do_sample": True, "temperature": 0.3})
    assert made.text().splitlines() == [
        "FROM ./model.gguf", 'TEMPLATE """{{ .Content }}"""', 'PARAMETER stop "<|\\"end|>"',
        "PARAMETER temperature 0.3", "PARAMETER top_k 0", "PARAMETER top_p 1.0",
        "PARAMETER repeat_penalty 1.0", "PARAMETER num_ctx 8192",
    ]  # fmt: skip
    plain = Modelfile("m", "t", ["x"], 512, {})
    assert plain.parameters() == {"temperature": 0, "repeat_penalty": 1.0, "num_ctx": 512}


def test_what_cannot_stand_in_a_modelfile() -> None:
    assert unquotable('say """', ["<end>"]) and unquotable("t", ["\n"]) and not unquotable("t", ["<end>"])
