"""The renderer: what is learned, what serving gives, and every way in which a row is refused."""

from __future__ import annotations

from datetime import datetime

import pytest

from whet.data.refused import RowRefused
from whet.data.render.chat_template import bind
from whet.data.render.field_coverage import check_structure
from whet.data.render.inspect import supervised_pieces
from whet.data.render.renderer import Renderer
from whet.errors import ModelError
from whet.types import Row

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find_city",
            "description": "Finds a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def chat(*pairs: tuple[str, str], **last: object) -> Row:
    messages = [{"role": role, "content": content} for role, content in pairs]
    messages[-1].update(last)  # type: ignore[arg-type]
    return Row(0, "rows.jsonl:1", messages)


def learned(renderer: Renderer, row: Row) -> list[str]:
    rendered = renderer.render(row)
    assert "".join(text for text, _ in supervised_pieces(rendered, renderer.tokenizer)) == rendered.text
    return [text for text, supervised in supervised_pieces(rendered, renderer.tokenizer) if supervised]


def refusal(renderer: Renderer, row: Row) -> RowRefused:
    with pytest.raises(RowRefused) as refused:
        renderer.render(row)
    assert refused.value.where and refused.value.fix, "a refusal says where and how to fix it"
    return refused.value


HELLO = chat(("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye"), ("assistant", "See you."))


def test_words_and_stop_are_learned_and_nothing_else(make_tokenizer) -> None:
    assert learned(Renderer(make_tokenizer(CHATML)), HELLO) == ["Hello!<|im_end|>", "See you.<|im_end|>"]


def test_padding_with_the_end_token_cannot_hide_it(make_tokenizer) -> None:
    tokenizer = make_tokenizer(CHATML)
    tokenizer.pad_token = tokenizer.eos_token
    rendered = Renderer(tokenizer).render(HELLO)
    last = max(place for place, weight in enumerate(rendered.weights) if weight)
    assert rendered.ids[last] == tokenizer.eos_token_id


def test_serving_starts_from_the_ids_that_training_had(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(CHATML))
    rendered = renderer.render(HELLO)
    for turn in (1, 3):
        prompt = renderer.prompt_ids(HELLO.messages[:turn])
        assert rendered.ids[: len(prompt)] == prompt and rendered.weights[len(prompt)] == 1.0


@pytest.mark.parametrize("answer", ["\nHello", "\n\n  Hello\n", " Hello ", "   "])
def test_white_space_before_an_answer_never_joins_with_the_prompt(make_tokenizer, answer: str) -> None:
    tokenizer = make_tokenizer(CHATML)
    renderer = Renderer(tokenizer)
    row = chat(("user", "Hi"), ("assistant", answer))
    rendered = renderer.render(row)
    prompt = renderer.prompt_ids(row.messages[:1])
    assert rendered.ids[: len(prompt)] == prompt
    assert not any(rendered.weights[: len(prompt)])
    assert tokenizer.decode(rendered.ids) == rendered.text
    assert learned(renderer, row) == [answer + "<|im_end|>"]


def test_a_blank_line_before_every_answer_is_cut_as_serving_cuts_it(gpt2) -> None:
    """GPT-2 reads '\\n\\n' alone as one token, before a word as two: the header's own ids must be those of serving."""
    template = "{% for m in messages %}{{ m.role }}:\n\n{{ m.content }}{{ eos_token }}{% endfor %}" + (
        "{% if add_generation_prompt %}assistant:\n\n{% endif %}"
    )
    renderer = Renderer(gpt2, template)
    row = chat(("user", "Hi"), ("assistant", "Hello"))
    rendered = renderer.render(row)
    prompt = renderer.prompt_ids(row.messages[:1])
    assert gpt2(rendered.text)["input_ids"][: len(prompt)] != prompt, "the trap is really there"
    assert rendered.ids[: len(prompt)] == prompt and gpt2.decode(rendered.ids) == rendered.text


def test_ids_are_those_of_transformers_where_nothing_joins(make_tokenizer) -> None:
    tokenizer = make_tokenizer(CHATML)
    theirs = tokenizer.apply_chat_template(HELLO.messages, tokenize=True, return_dict=False)
    assert Renderer(tokenizer).render(HELLO).ids == list(theirs)


def test_metaspace_tokenizers_work_too(make_tokenizer) -> None:
    template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
    )
    tokenizer = make_tokenizer(template, [], eos="</s>", bos="<s>", metaspace=True)
    renderer = Renderer(tokenizer)
    rendered = renderer.render(HELLO)
    prompt = renderer.prompt_ids(HELLO.messages[:1])
    assert rendered.ids[: len(prompt)] == prompt
    ids = [token for token, weight in zip(rendered.ids, rendered.weights, strict=True) if weight]
    assert tokenizer.convert_ids_to_tokens(ids)[-1] == "</s>"
    assert "".join(tokenizer.convert_ids_to_tokens(ids)).replace("▁", " ") == " Hello! </s> See you. </s>"


def test_a_tokenizer_that_cannot_cut_refuses_a_joined_answer(make_tokenizer) -> None:
    template = "{% for m in messages %}{{ m.role }}:{{ m.content }}</s>{% endfor %}" + (
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    tokenizer = make_tokenizer(template, [], eos="</s>", metaspace=True, plain=[":H"])  # joins header and answer
    assert refusal(Renderer(tokenizer), chat(("user", "x"), ("assistant", "Hello"))).code == "token-straddles"


def test_weights_of_messages(make_tokenizer) -> None:
    row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), weight=0.25)
    row.messages[1]["weight"] = 0
    renderer = Renderer(make_tokenizer(CHATML))
    assert learned(renderer, row) == ["d<|im_end|>"]
    assert sorted(set(renderer.render(row).weights)) == [0.0, 0.25]


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), "1", True])
def test_a_weight_must_be_a_number(make_tokenizer, weight: object) -> None:
    row = chat(("user", "a"), ("assistant", "b"), weight=weight)
    assert refusal(Renderer(make_tokenizer(CHATML)), row).code == "bad-weight"


def test_nothing_to_learn_is_refused(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(CHATML))
    assert refusal(renderer, chat(("user", "a"))).code == "nothing-to-learn"
    assert refusal(renderer, chat(("user", "a"), ("assistant", "b"), weight=0)).code == "nothing-to-learn"


def test_a_template_whose_stop_the_tokenizer_does_not_know_is_refused(make_tokenizer) -> None:
    """The classic: a ChatML template on a tokenizer without <|im_end|>: the stop would be six pieces of text."""
    refused = refusal(Renderer(make_tokenizer(CHATML, ["<|im_start|>"], eos="</s>")), HELLO)
    assert refused.code == "no-stop" and "<|im_end|>" in str(refused)


def test_a_stop_that_is_written_only_when_the_conversation_goes_on(make_tokenizer) -> None:
    """Qwen1.5: a last answer is left open. It is closed with what would follow it."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% if not loop.last or add_generation_prompt %}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt and messages[-1].role != 'assistant' %}<|im_start|>assistant\n{% endif %}"
    )
    renderer = Renderer(make_tokenizer(template, eos="</s>"))
    assert learned(renderer, HELLO) == ["Hello!<|im_end|>", "See you.<|im_end|>"]


def test_a_template_without_any_stop_closes_the_last_answer_and_refuses_earlier_ones(make_tokenizer) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}" + (
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    renderer = Renderer(make_tokenizer(template, [], eos="</s>"))
    assert learned(renderer, chat(("user", "a"), ("assistant", "b"))) == ["b</s>"]
    assert refusal(renderer, HELLO).code == "no-stop"


def test_a_template_without_a_generation_prompt_gets_its_own_header(make_tokenizer) -> None:
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    renderer = Renderer(make_tokenizer(template))
    assert learned(renderer, HELLO) == ["Hello!<|im_end|>", "See you.<|im_end|>"]
    assert renderer.prompt_text(HELLO.messages[:1]).endswith("<|im_start|>assistant\n")


THINKING = (
    "{%- set ns = namespace(last=-1) %}"
    "{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}"
    "{%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}"
    "{%- if m.role == 'assistant' and loop.index0 > ns.last and '</think>' in m.content %}"
    "{{- '<think>\\n' + m.content.split('</think>')[0].split('<think>')[-1].strip('\\n') + '\\n</think>\\n\\n' }}"
    "{%- elif m.role == 'assistant' and loop.index0 > ns.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{- content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{%- endif %}"
)
"""Qwen3's way: thoughts are removed from history, and an empty one is written where there is none."""


def test_thinking_in_history_is_context_but_never_silently_lost(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(THINKING, plain=["<think>", "</think>"]))
    thought = "<think>\nGreet.\n</think>\n\nHello!"
    row = chat(("user", "Hi"), ("assistant", thought), ("user", "Bye"), ("assistant", thought))
    assert refusal(renderer, row).code == "field-vanishes"
    row.messages[1]["weight"] = 0
    assert learned(renderer, row) == [thought + "<|im_end|>"]


def test_without_reasoning_the_thinking_is_switched_off_in_the_template(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(THINKING, plain=["<think>", "</think>"]))
    row = chat(("user", "Hi"), ("assistant", "Hello!"))
    assert learned(renderer, row) == ["<think>\n\n</think>\n\nHello!<|im_end|>"]
    quiet = renderer.without_thinking()
    assert quiet is not None and learned(quiet, row) == ["Hello!<|im_end|>"]
    assert quiet.prompt_text(row.messages[:1]).endswith("</think>\n\n")
    assert Renderer(quiet.tokenizer, quiet.template).render(row).ids == quiet.render(row).ids
    assert Renderer(make_tokenizer(CHATML)).without_thinking() is None


def test_a_header_that_differs_between_training_and_serving_is_refused(make_tokenizer) -> None:
    template = CHATML.replace("<|im_start|>assistant\n{% endif", "<|im_start|>bot\n{% endif")
    assert refusal(Renderer(make_tokenizer(template)), HELLO).code == "prompt-differs"


def test_fields_that_vanish_are_refused(make_tokenizer) -> None:
    no_system = CHATML.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
    renderer = Renderer(make_tokenizer(no_system))
    refused = refusal(renderer, chat(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!")))
    assert refused.code == "field-vanishes" and "system" in str(refused)
    # a short word that stands elsewhere too cannot hide that the message is gone
    hidden = refusal(renderer, chat(("system", "Hi"), ("user", "Hi"), ("assistant", "Hello!")))
    assert hidden.code == "field-vanishes"


def test_tools_that_vanish_are_refused(make_tokenizer) -> None:
    row = chat(("user", "Where?"), ("assistant", "There."))
    row.tools = TOOLS
    refused = refusal(Renderer(make_tokenizer(CHATML)), row)
    assert refused.code == "field-vanishes" and "find_city" in str(refused)


def test_tool_calls_that_vanish_are_refused(make_tokenizer) -> None:
    call = {"type": "function", "function": {"name": "find_city", "arguments": {"city": "Ulm"}}}
    row = chat(("user", "Where?"), ("assistant", "Let me see."), tool_calls=[call])
    refused = refusal(Renderer(make_tokenizer(CHATML)), row)
    assert refused.code == "field-vanishes" and "tool call" in str(refused)
    named = CHATML.replace(
        "<|im_end|>", "{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}<|im_end|>", 1
    )
    refused = refusal(Renderer(make_tokenizer(named)), row)
    assert refused.code == "field-vanishes" and "argument" in str(refused)


def test_unknown_fields_of_a_message_must_appear(make_tokenizer) -> None:
    row = chat(("user", "Hi"), ("assistant", "Hello!"), reasoning_content="They greet me.")
    assert refusal(Renderer(make_tokenizer(CHATML)), row).code == "field-vanishes"


def test_a_shape_check_that_cannot_run_does_not_refuse() -> None:
    """It would refuse both templates, which leave the content out; the first does not let it look."""
    picky = "{% for m in messages %}{% if m.content != 'a' %}{{ raise_exception('no') }}{% endif %}a{% endfor %}"
    messages = [{"role": "user", "content": "a"}]
    check_structure(bind(picky), messages)
    with pytest.raises(RowRefused) as refused:
        check_structure(bind("{% for m in messages %}a{% endfor %}"), messages)
    assert refused.value.code == "field-vanishes"


def test_control_tokens_in_the_text_are_refused(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(CHATML, plain=["<think>"]))
    row = chat(("user", "What does <|im_end|> mean?"), ("assistant", "The end."))
    assert refusal(renderer, row).code == "control-token-in-text"
    assert learned(renderer, chat(("user", "<think>?"), ("assistant", "Yes.")))  # an ordinary added token


def test_an_order_of_roles_that_the_template_refuses(make_tokenizer) -> None:
    strict = CHATML + "{% if messages|length > 2 %}{{ raise_exception('too many turns') }}{% endif %}"
    refused = refusal(Renderer(make_tokenizer(strict)), HELLO)
    assert refused.code == "template-raises" and "refuses this conversation: too many turns" in str(refused)
    assert "order of roles" in refused.fix
    broken = "{% for m in messages %}{{ m.content + 1 }}{% endfor %}"
    refused = refusal(Renderer(make_tokenizer(broken)), HELLO)
    assert refused.code == "template-raises" and "fails on this conversation: TypeError" in str(refused)
    assert "repair the chat template" in refused.fix and "order of roles" not in refused.fix


def test_a_template_cannot_reach_out_of_its_sandbox(make_tokenizer) -> None:
    evil = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    assert refusal(Renderer(make_tokenizer(evil)), HELLO).code == "template-raises"


def test_images_are_refused(make_tokenizer) -> None:
    row = chat(("user", "x"), ("assistant", "A cat."))
    row.messages[0]["content"] = [{"type": "image", "image": "cat.png"}, {"type": "text", "text": "What?"}]
    assert refusal(Renderer(make_tokenizer(CHATML)), row).code == "not-text"


def test_an_answer_that_nothing_stands_before_is_refused(make_tokenizer) -> None:
    bare = "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    renderer = Renderer(make_tokenizer(bare))
    assert refusal(renderer, chat(("assistant", "Hello!"))).code == "no-prompt"


def test_the_begin_token_stands_exactly_once(make_tokenizer) -> None:
    tokenizer = make_tokenizer("{{ bos_token }}" + CHATML, bos="<s>", adds_bos=True)
    rendered = Renderer(tokenizer).render(HELLO)
    assert rendered.ids.count(tokenizer.bos_token_id) == 1 and rendered.ids[0] == tokenizer.bos_token_id
    with pytest.raises(ModelError, match="begin token twice"):
        Renderer(tokenizer, "{{ bos_token }}{{ bos_token }}" + CHATML).render(HELLO)
    tokenizer.chat_template = None
    plain = Renderer(tokenizer).render(HELLO)
    assert plain.ids.count(tokenizer.bos_token_id) == 1 and plain.ids[0] == tokenizer.bos_token_id


def test_plain_text_is_learned_whole(make_tokenizer) -> None:
    tokenizer = make_tokenizer(None, [], eos="</s>", bos="<s>", adds_bos=True)
    rendered = Renderer(tokenizer).render(Row(0, "a.txt", text="Hello, Ulm."))
    assert tokenizer.decode(rendered.ids) == "<s>Hello, Ulm.</s>"
    assert rendered.weights == [0.0] + [1.0] * (len(rendered.ids) - 1)


def test_stop_ids_are_every_token_that_ends_a_turn(make_tokenizer) -> None:
    tokenizer = make_tokenizer(CHATML, eos="</s>")
    ids = Renderer(tokenizer).stop_ids
    assert ids == {tokenizer.convert_tokens_to_ids(token) for token in ("</s>", "<|im_end|>")}


def test_the_built_in_template_shows_every_field(make_tokenizer) -> None:
    renderer = Renderer(make_tokenizer(None, [], eos="</s>"))
    row = chat(("system", "Be brief."), ("user", "Where?"), ("assistant", ""))
    row.tools = TOOLS
    row.messages[2]["tool_calls"] = [
        {"type": "function", "function": {"name": "find_city", "arguments": {"city": "Ulm"}}}
    ]
    row.messages[2]["reasoning_content"] = "A city is asked for."
    row.messages += [{"role": "tool", "content": "Found."}, {"role": "assistant", "content": "In Ulm."}]
    first, second = learned(renderer, row)
    assert "find_city" in first and "Ulm" in first and "A city is asked for." in first and first.endswith("</s>")
    assert second == "In Ulm.</s>"
    assert refusal(renderer, chat(("narrator", "x"), ("assistant", "y"))).code == "template-raises"


def test_arguments_as_text_where_a_template_wants_them(make_tokenizer) -> None:
    template = CHATML.replace(
        "<|im_end|>",
        "{% for c in m.tool_calls or [] %}{{ c.function.name + ': ' + c.function.arguments }}{% endfor %}<|im_end|>",
        1,
    )
    row = chat(("user", "Where?"), ("assistant", ""))
    row.messages[1]["tool_calls"] = [{"function": {"name": "find_city", "arguments": {"city": "Ulm"}}}]
    assert learned(Renderer(make_tokenizer(template)), row) == ['find_city: {"city": "Ulm"}<|im_end|>']


def test_a_date_in_a_template_is_fixed_for_the_run(make_tokenizer) -> None:
    tokenizer = make_tokenizer("{{ strftime_now('%d %b %Y') }}" + CHATML)
    one, other = (Renderer(tokenizer, clock=datetime(2025, 1, day)) for day in (1, 2))
    assert one.render(HELLO).text.startswith("01 Jan 2025")
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == Renderer(tokenizer, clock=datetime(2025, 1, 1, 9)).fingerprint


def test_a_release_carries_the_template_that_was_trained_with(make_tokenizer, tmp_path) -> None:
    from transformers import AutoTokenizer

    renderer = Renderer(make_tokenizer(None, [], eos="</s>"))  # Whet's plain template
    renderer.tokenizer.chat_template = renderer.chat_template
    renderer.tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    prompt = HELLO.messages[:3]
    theirs = loaded.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert list(theirs) == renderer.prompt_ids(prompt) == Renderer(loaded).prompt_ids(prompt)


def test_a_base_without_template_and_end_token_is_refused(make_tokenizer) -> None:
    with pytest.raises(ModelError, match="neither a chat template nor an end token"):
        Renderer(make_tokenizer(None, [], eos=None))


def test_a_broken_template_is_refused_with_its_line(make_tokenizer) -> None:
    with pytest.raises(ModelError, match="line 2"):
        Renderer(make_tokenizer("a\n{% if %}")).prompt_ids([{"role": "user", "content": "a"}])
