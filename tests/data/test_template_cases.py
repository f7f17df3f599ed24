"""27 chat templates of real models: what they render, and which words of it are learned. Spans were read by hand."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from whet.data.refused import RowRefused
from whet.data.render.chat_template import TemplateRaised, bind
from whet.data.render.renderer import Renderer
from whet.data.render.turn_spans import CannotLocate, PromptDiffers, spans_of
from whet.types import Row

CLOCK = datetime(2025, 7, 10, 12)
JAVASCRIPT = "MadeAgents/Hammer2.1"
"""Prints tools with the host language's own `string` filter: the targets come from JavaScript."""

GREAT = "I'm doing great. How can I help you today?"
SPANS = {
    "_base": [GREAT + "<|im_end|>"],
    "gpt_neox": [GREAT + "<|endoftext|>"],
    "llama": [f" {GREAT} </s>"],
    "HuggingFaceH4/zephyr-7b-beta (add_generation_prompt=false)": [GREAT + "</s>"],
    "HuggingFaceH4/zephyr-7b-gemma-v0.1": [GREAT + "<|im_end|>"],
    "mistralai/Mixtral-8x7B-Instruct-v0.1": [GREAT + "</s>"],
    "openchat/openchat-3.5-0106": [f" {GREAT}<|end_of_turn|>"],
    "Qwen/Qwen1.5-72B-Chat": [GREAT + "<|im_end|>"],
    "h2oai/h2o-danube-1.8b-chat": [GREAT + "</s>"],
    "TheBloke/deepseek-coder-33B-instruct-AWQ": [GREAT + "\n<|EOT|>"],
    "abacusai/Smaug-34B-v0.1": [f" {GREAT} </s>"],
    "deepseek-ai/deepseek-coder-33b-instruct": [GREAT + "\n<|EOT|>"],
    "mistralai/Mistral-7B-Instruct-v0.3 (JSON Schema)": [
        ' [TOOL_CALLS] [{"name": "get_current_temperature", "arguments": {"location": "Paris, France", '
        '"unit": "celsius"}, "id": "abcdef123"}] </s>'
    ],
    "Qwen/Qwen3.5-4B": [
        "\n</think>\n\n<tool_call>\n<function=get_temperature_date>\n<parameter=location>\nSan Francisco, CA, USA\n"
        "</parameter>\n<parameter=date>\n2024-10-01\n</parameter>\n</function>\n</tool_call><|im_end|>"
    ],
    "openbmb/MiniCPM3-4B": [
        '<|tool_call_start|>\n```python\nget_delivery_date(order_id="1234")\nget_delivery_date(order_id="4321")\n```\n'
        "<|tool_call_end|>\n<|im_end|>",
        "<|thought_start|>\n\nI have the information you need, both orders will be delivered on the same date, "
        "2024-09-05.\n\n<|thought_end|>\nBoth your orders will be delivered on 2024-09-05.<|im_end|>",
    ],
    "HuggingFaceTB/SmolLM3-3B": [
        "<think>The user is asking for the capital of France. This is a factual question. I know this information."
        "</think>The capital of France is Paris.<|im_end|>"
    ],
    # GLM writes no stop of its own: what ends a turn is the mark of the next one.
    "zai-org/GLM-5.1": [
        "</think><tool_call>load_tools<arg_key>names</arg_key>"
        '<arg_value>["get_weather", "get_time"]</arg_value></tool_call><|observation|>'
    ],
}
NO_ASSISTANT = {
    "fireworks-ai/firefunction-v1",
    "CohereForAI/c4ai-command-r-v01",
    "NousResearch/Hermes-2-Pro-Llama-3-8B (JSON Schema)",
    "meta-llama/Llama-3.1-8B-Instruct",
    "MadeAgents/Hammer2.1",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "moonshotai/Kimi-K2-Thinking",
}
INCONSISTENT = {"blenderbot_small", "codellama/CodeLlama-70b-Instruct-hf"}
"""These write something else before an answer in the training text than at the end of a prompt."""


def parts(case: dict) -> tuple[str, list, list | None, dict, bool]:
    data = dict(case["data"])
    prompt = data.pop("add_generation_prompt", False)
    return case["chat_template"], data.pop("messages"), data.pop("tools", None), data, prompt


def test_there_are_27_cases_and_each_is_in_one_list(cases: list[dict]) -> None:
    names = {case["name"] for case in cases}
    assert len(cases) == len(names) == 27
    assert names == set(SPANS) | NO_ASSISTANT | INCONSISTENT


def test_renderings_equal_the_targets(cases: list[dict]) -> None:
    for case in cases:
        template, messages, tools, variables, prompt = parts(case)
        text = bind(template, tools=tools, variables=variables, clock=CLOCK)(messages, prompt=prompt)
        if case["name"] == JAVASCRIPT:
            assert text == case["target"].replace(
                re.search(r"\[\{\"type\".*\]", case["target"]).group(),  # type: ignore[union-attr]
                str(tools),
            )
        else:
            assert text == case["target"], case["name"]


def test_renderings_equal_those_of_transformers(cases: list[dict]) -> None:
    for case in cases:
        template, messages, tools, variables, prompt = parts(case)
        if "strftime_now" in template:
            clock = datetime.now()
        else:
            clock = CLOCK
        [theirs], _ = render_jinja_template(
            [messages], tools=tools, chat_template=template, add_generation_prompt=prompt, **variables
        )
        assert bind(template, tools=tools, variables=variables, clock=clock)(messages, prompt=prompt) == theirs


def test_spans_are_the_words_and_the_stop(cases: list[dict]) -> None:
    for case in cases:
        template, messages, tools, variables, _ = parts(case)
        if case["name"] in INCONSISTENT:
            with pytest.raises(PromptDiffers):
                spans_of(template, messages, tools, clock=CLOCK, **variables)
            continue
        text, spans = spans_of(template, messages, tools, clock=CLOCK, **variables)
        assert [text[start:end] for start, end in spans] == SPANS.get(case["name"], []), case["name"]
        assert all(text.startswith(case["target"][:start]) for start, _ in spans if case["name"] != JAVASCRIPT)


def renderer_for(case: dict, make_tokenizer) -> Renderer:
    """With every mark that the template may write as a control token, as the model's own tokenizer has them."""
    template, _, _, variables, _ = parts(case)
    found = re.findall(r"<[|｜]?[a-zA-Z_▁]+[|｜]?>", template + case["target"])
    marks = [mark for mark in dict.fromkeys(found) if "|" in mark or "｜" in mark or mark == "<step>"]
    own = variables.pop("bos_token", None), variables.pop("eos_token", None)
    tokenizer = make_tokenizer(template, [m for m in marks if m not in own], eos=own[1] or "<|im_end|>", bos=own[0])
    return Renderer(tokenizer, variables=variables, clock=CLOCK)


REFUSED = {
    "blenderbot_small": "prompt-differs",
    "codellama/CodeLlama-70b-Instruct-hf": "prompt-differs",
    # It leaves the system prompt out. The row says something that the model would never see.
    "mistralai/Mistral-7B-Instruct-v0.3 (JSON Schema)": "field-vanishes",
}


def test_tokens_and_weights_agree_with_the_spans(cases: list[dict], make_tokenizer) -> None:
    for case in cases:
        _, messages, tools, _, _ = parts(case)
        if case["name"] in NO_ASSISTANT:
            continue
        renderer = renderer_for(case, make_tokenizer)
        row = Row(0, case["name"], messages, tools)
        if case["name"] in REFUSED:
            with pytest.raises(RowRefused) as refused:
                renderer.render(row)
            assert refused.value.code == REFUSED[case["name"]]
            continue
        assert learned(renderer, row) == "".join(SPANS[case["name"]]), case["name"]


def learned(renderer: Renderer, row: Row) -> str:
    rendered = renderer.render(row)
    assert renderer.tokenizer.decode(rendered.ids) == rendered.text
    ids = [token for token, weight in zip(rendered.ids, rendered.weights, strict=True) if weight]
    return str(renderer.tokenizer.decode(ids))


LAST = {
    "blenderbot_small": "prompt-differs",
    "codellama/CodeLlama-70b-Instruct-hf": "prompt-differs",
    "CohereForAI/c4ai-command-r-v01": "prompt-differs",  # writes its action block after the answer, not before
    "mistralai/Mistral-7B-Instruct-v0.3 (JSON Schema)": "field-vanishes",
    "Qwen/Qwen2.5-VL-7B-Instruct": "not-text",
    "meta-llama/Llama-3.2-11B-Vision-Instruct": "not-text",
}
AROUND = {
    "HuggingFaceH4/zephyr-7b-gemma-v0.1": "{}<|im_end|>",  # and then, at the very end, <eos>
    "fireworks-ai/firefunction-v1": "<plain>{}",
    "zai-org/GLM-5.1": "</think>{}",  # the prompt opens a thought
    "moonshotai/Kimi-K2-Thinking": "<think></think>{}",
}
"""What the model has to write itself beside the words and the last control token."""


def test_an_answer_at_the_end_is_learned_exactly_as_it_is_served(cases: list[dict], make_tokenizer) -> None:
    """Every case again, made to end in an answer: prompt of serving + what is learned = the whole training row."""
    answer = {"role": "assistant", "content": "Done, and thanks."}
    seen = set()
    for case in cases:
        _, messages, tools, _, _ = parts(case)
        if messages[-1]["role"] == "assistant":
            continue
        renderer = renderer_for(case, make_tokenizer)
        history = [{**m, "weight": 0} if m["role"] == "assistant" else m for m in messages]
        row = Row(0, case["name"], [*history, answer], tools)
        try:
            rendered = renderer.render(row)
        except RowRefused as refused:
            assert LAST.get(case["name"]) == refused.code, (case["name"], str(refused))
            seen.add(case["name"])
            continue
        assert case["name"] not in LAST, case["name"]
        prompt = renderer.prompt_ids(history, tools)
        first = next(place for place, weight in enumerate(rendered.weights) if weight)
        last = max(place for place, weight in enumerate(rendered.weights) if weight)
        assert rendered.ids[:first] == prompt, case["name"]
        assert rendered.ids[last] in renderer.stop_ids, case["name"]
        assert all(rendered.weights[first : last + 1])
        words = str(renderer.tokenizer.decode(rendered.ids[first:last])).strip()
        assert words == AROUND.get(case["name"], "{}").format("Done, and thanks."), case["name"]
    assert seen == set(LAST)


def test_a_template_that_refuses_says_why(cases: list[dict]) -> None:
    llama = next(case for case in cases if case["name"] == "llama")
    twice = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(TemplateRaised, match="roles must alternate"):
        bind(llama["chat_template"], variables={"bos_token": "<s>", "eos_token": "</s>"})(twice, prompt=False)


def test_where_an_answer_cannot_be_located_nothing_is_guessed() -> None:
    counting = "{% for m in messages %}{{ m.content ~ messages|length }}{% endfor %}"
    row = [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}, {"role": "user", "content": "e"}]
    with pytest.raises(CannotLocate):
        spans_of(counting, row)
