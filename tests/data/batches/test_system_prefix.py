"""What a system prompt adds to a row is found, is the same for every row, and is read once a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.tiny_models import tiny
from whet.data.batches.forest import build_batch, segments_of
from whet.data.batches.system_prefix import (
    SystemPrefix,
    prompted_batch,
    refuse_other_front,
    refuse_own_system,
    system_prefix,
    with_system,
)
from whet.data.refused import RowRefused
from whet.data.render.renderer import Rendered, Renderer
from whet.errors import RecipeError
from whet.model.architecture_proof import install_forest
from whet.model.base import load_tokenizer
from whet.model.policy import Policy, reference_logprobs
from whet.types import Message, Row, Segment

PROMPT = "Answer in one word, and never say why."
BODY = (
    "{%- for m in messages -%}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)
TEMPLATES = {
    "as nano": BODY,
    "a beginning": "{{ '<|pad|>' }}" + BODY,
    "a default of its own": (
        "{%- if messages[0]['role'] != 'system' -%}{{ '<|system|>You are kind.<|end|>' }}{%- endif -%}" + BODY
    ),
}


def chat(question: str, *answers: str) -> list[Message]:
    messages: list[Message] = []
    for answer in answers:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages


def renderer_of(template: str) -> Renderer:
    return Renderer(load_tokenizer("nano"), template)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_front_is_all_that_the_prompt_changes(name: str) -> None:
    renderer = renderer_of(TEMPLATES[name])
    front = system_prefix(renderer, PROMPT)
    for number, messages in enumerate([chat("Is 7 odd?", "yes"), chat("x", "Yes.", "No."), chat("  é\n", "\nok")]):
        row = Row(number, "r", messages)
        bare, prompted = (renderer.render(replace(row, messages=m)) for m in (messages, with_system(PROMPT, messages)))
        refuse_other_front(row, bare, prompted, front)
        assert prompted.ids == front.prompted + bare.ids[len(front.bare) :]
        assert len(prompted.ids) == len(bare.ids) + front.extra_tokens
    begins = {"as nano": 0, "a beginning": 1}
    assert len(front.bare) == begins.get(name, len(front.bare)) and front.extra_tokens > 0


def test_a_template_that_puts_the_prompt_elsewhere_is_refused_row_by_row() -> None:
    """The prompt behind the last question: the answers would be read after other words."""
    template = (
        "{%- set p = messages[0]['content'] if messages[0]['role'] == 'system' else '' -%}"
        "{%- for m in messages if m['role'] != 'system' -%}"
        "{{ '<|' + m['role'] + '|>' + (p + ' ' + m['content'] if m['role'] == 'user' and p else m['content']) }}"
        "{{ '<|end|>' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
    )
    renderer = renderer_of(template)
    front = system_prefix(renderer, PROMPT)
    messages = chat("What is it?", "A bee.", "A fly.")
    bare, prompted = (renderer.render(Row(0, "r", m)) for m in (messages, with_system(PROMPT, messages)))
    with pytest.raises(RowRefused, match="more of this row"):
        refuse_other_front(Row(0, "r", messages), bare, prompted, front)


@pytest.mark.parametrize("changed", [0, 4, 6])
def test_one_other_token_is_enough_to_refuse_a_row(changed: int) -> None:
    front = SystemPrefix([1], [1, 8, 9])
    bare = Rendered([1, 2, 3, 4, 5], [0, 0, 0, 1, 1], "", [])
    prompted = Rendered([1, 8, 9, 2, 3, 4, 5], [0, 0, 0, 0, 0, 1, 1], "", [])
    refuse_other_front(Row(0, "r"), bare, prompted, front)
    prompted.ids[changed] = 7
    with pytest.raises(RowRefused, match="more of this row"):
        refuse_other_front(Row(0, "r"), bare, prompted, front)


@pytest.mark.parametrize(
    ("template", "prompt", "fault"),
    [
        ("{%- for m in messages if m['role'] != 'system' -%}" + BODY.split("-%}", 1)[1], PROMPT, "leaves the system"),
        (BODY, "say <|end|>", "control token"),
    ],
)
def test_a_prompt_that_cannot_be_given_is_refused(template: str, prompt: str, fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        system_prefix(renderer_of(template), prompt)


def test_a_row_with_a_system_prompt_of_its_own_is_refused() -> None:
    with pytest.raises(RowRefused, match="of its own"):
        refuse_own_system(Row(0, "r", with_system("Hm.", chat("a", "b"))))
    refuse_own_system(Row(0, "r", chat("a", "b")))


def segments_in(front: SystemPrefix, seed: int = 0) -> list[Segment]:
    random = torch.Generator().manual_seed(seed)
    made: list[Segment] = []
    for row in range(4):
        ids = torch.randint(3, 60, (6 + row,), generator=random).tolist()
        weights = [0.0] * 3 + [1.0, 0.0, 0.5] + [1.0] * row
        made.append(Segment([*front.bare, *ids], [0.0] * len(front.bare) + weights, row))
    return made


FRONTS = [SystemPrefix([], [5, 6, 7]), SystemPrefix([1], [1, 5, 6, 7]), SystemPrefix([1, 9], [1, 4, 4])]


@pytest.mark.parametrize("front", FRONTS)
def test_rows_behind_one_prompt_are_rows_with_a_prompt_each(front: SystemPrefix) -> None:
    """Token by token what the model's own forward says of each whole row, alone."""
    rows = segments_in(front)
    model: Any = tiny("Llama")
    batch = build_batch(rows)
    prompted = prompted_batch(batch, front)
    assert len(prompted.ids_T) == len(front.prompted) + sum(len(row.ids) - len(front.bare) for row in rows)
    assert torch.equal(prompted.target_N, batch.target_N) and torch.equal(prompted.weight_N, batch.weight_N)
    separate = []
    for row in rows:
        begin, added = len(front.bare), len(front.prompted)
        whole = Segment([*front.prompted, *row.ids[begin:]], [0.0] * added + row.weights[begin:], row.row)
        separate.append(reference_logprobs(model, build_batch([whole])))
    install_forest(model)
    with torch.no_grad():
        together = Policy(model).logprobs(prompted)
    torch.testing.assert_close(together, torch.cat(separate), rtol=1e-5, atol=1e-5)


def test_a_batch_gives_back_what_it_was_built_from() -> None:
    tree = [Segment([1, 2], [0, 0], 0), Segment([3], [0.5], 0, 0), Segment([4, 5], [1, 0], 0, 1), Segment([6], [0], 1)]
    assert segments_of(build_batch(tree)) == tree


def test_a_batch_that_begins_otherwise_is_refused() -> None:
    with pytest.raises(ValueError, match="begin in one way"):
        prompted_batch(build_batch([Segment([1, 2, 3], [0, 1, 1], 0)]), SystemPrefix([9], [9, 8]))
