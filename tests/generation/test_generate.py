"""The engine writes what transformers would write, in any batch, and its log-probabilities are the policy's."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import tiny, tiny_tokenizer
from whet.data.batches.forest import build_batch
from whet.errors import InputError
from whet.generation.engine import Sampling, generate, stream
from whet.generation.sampling import Chooser, greedy, likeliest, nucleus
from whet.model.adapter import add_adapter, causal_lm, without_adapter
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.recipe.schema import Lora
from whet.types import Answer, Segment

NAMES = ["Llama", "Mistral", "Gemma2", "Gemma3", "GPT2", "Mixtral"]
"""Mistral and the Gemmas have a window of 6 tokens, which prompts and answers outgrow."""
LENGTHS = (3, 11, 5, 17, 1, 8)
NEW = 14
TOKENIZER = tiny_tokenizer()
NO_STOP: frozenset[int] = frozenset()


def prompts() -> list[list[int]]:
    random = torch.Generator().manual_seed(0)
    return [torch.randint(3, 61, (length,), generator=random).tolist() for length in LENGTHS]


def model_of(name: str) -> Any:
    model = tiny(name)
    install_forest(model)
    return model


def write(
    model: Any, given: list[list[int]], stop: frozenset[int] = NO_STOP, batch: int = 16_384, **sampling: Any
) -> list[Answer]:
    return generate(model, TOKENIZER, given, stop, Sampling(**{"max_new_tokens": NEW} | sampling), batch)


def greedy_reference(model: Any, prompt: list[int], new: int = NEW) -> list[int]:
    """transformers' own generate, one prompt at a time, with its own attention."""
    model.set_attn_implementation("eager")
    model.generation_config.eos_token_id = None
    ids = torch.tensor([prompt])
    length = {"max_new_tokens": new, "min_new_tokens": new}
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0, **length)
    return out[0, len(prompt) :].tolist()


def slow_reference(model: Any, prompt: list[int], new: int = NEW) -> list[int]:
    """Greedy decoding by definition: read everything again for each token."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(new):
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("name", NAMES)
def test_greedy_is_transformers_token_for_token_in_any_batch(name: str) -> None:
    given = prompts()
    plain = tiny(name)
    expected = [greedy_reference(plain, prompt) for prompt in given]
    assert len({tuple(ids) for ids in expected}) > 3, "the reference must not be degenerate"
    model = model_of(name)
    for batch_tokens in (1, 50, 16_384):
        assert [answer.ids for answer in write(model, given, batch=batch_tokens)] == expected


@pytest.mark.parametrize("name", ["Mistral", "Gemma3", "GPT2"])
def test_greedy_is_the_definition(name: str) -> None:
    model = tiny(name)
    expected = [slow_reference(model, prompt) for prompt in prompts()]
    assert [answer.ids for answer in write(model_of(name), prompts())] == expected


def test_with_and_without_the_adapter() -> None:
    model = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    with torch.no_grad():
        for parameter in Policy(model).trainable().values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    inner = causal_lm(model)
    tuned = [greedy_reference(inner, prompt) for prompt in prompts()]
    base = [greedy_reference(tiny("Llama"), prompt) for prompt in prompts()]
    assert tuned != base
    install_forest(inner)
    assert [answer.ids for answer in write(inner, prompts())] == tuned
    with without_adapter(model):
        assert [answer.ids for answer in write(inner, prompts())] == base
    assert [answer.ids for answer in write(inner, prompts())] == tuned


def test_a_stop_token_ends_an_answer_and_is_not_part_of_it() -> None:
    model = model_of("Llama")
    free = [answer.ids for answer in write(model, prompts())]
    stop = free[1][4]
    for answer, whole in zip(write(model, prompts(), frozenset({stop})), free, strict=True):
        expected = whole[: whole.index(stop)] if stop in whole else whole
        assert answer.ids == expected
        assert answer.finished == (stop in whole)
        assert len(answer.logprobs) == len(answer.ids)


def test_a_stop_token_at_once_gives_an_empty_answer() -> None:
    model = model_of("Llama")
    first = write(model, prompts()[:1])[0].ids[0]
    answer = write(model, prompts()[:1], frozenset({first}))[0]
    assert answer.ids == [] and answer.text == "" and answer.finished


@pytest.mark.parametrize("new", [1, 2, 14])
def test_no_more_tokens_than_asked_for(new: int) -> None:
    answers = write(model_of("Llama"), prompts(), max_new_tokens=new)
    assert [len(answer.ids) for answer in answers] == [new] * len(LENGTHS)
    assert not any(answer.finished for answer in answers)


def test_the_context_ends_an_answer() -> None:
    model = model_of("Llama")
    free = [answer.ids for answer in write(model, prompts())]
    answers = generate(model, TOKENIZER, prompts(), NO_STOP, Sampling(max_new_tokens=NEW), context=18)
    assert [answer.ids for answer in answers] == [ids[: 18 - n] for ids, n in zip(free, LENGTHS, strict=True)]


def test_gpt2_writes_up_to_its_last_position() -> None:
    model = model_of("GPT2")
    prompt = list(range(3, 60))
    answers = generate(model, TOKENIZER, [prompt, prompt[:4]], NO_STOP, Sampling(max_new_tokens=100), context=64)
    assert [len(answer.ids) for answer in answers] == [7, 60]
    assert answers[0].ids == slow_reference(tiny("GPT2"), prompt, 7)


@pytest.mark.parametrize(
    ("given", "context", "says"), [([[3], []], None, "prompt 1: the prompt is empty"), ([[3] * 9], 9, "no room")]
)
def test_prompts_that_cannot_be_answered_are_refused(given: list[list[int]], context: int | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        generate(model_of("Llama"), TOKENIZER, given, NO_STOP, Sampling(), context=context)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": 0},
        {"temperature": 1e-46},
        {"temperature": 1e-300},
        {"stop_strings": "code"},
        {"stop_strings": ("a", "")},
    ],  # fmt: skip
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


@pytest.mark.parametrize("wrong", [{"temperature": "0.7"}, {"top_k": 2.5}, {"max_new_tokens": 2.5}, {"seed": "x"}])
def test_settings_of_another_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="are whole ones") as caught:
        Sampling(**wrong)
    assert repr(next(iter(wrong.values()))) in str(caught.value)


@pytest.mark.parametrize("seed", [-5, 2**64, 10**40])
def test_every_whole_number_is_a_seed(seed: int) -> None:
    drawn = {"temperature": 1.0, "seed": seed}
    model = model_of("Llama")
    assert write(model, prompts()[:1], **drawn)[0].ids == write(model, prompts()[:1], **drawn)[0].ids


def test_the_coldest_draw_is_the_greedy_choice() -> None:
    model = model_of("Llama")
    greedy = [answer.ids for answer in write(model, prompts())]
    assert [answer.ids for answer in write(model, prompts(), temperature=1e-6)] == greedy


def test_no_prompts_give_no_answers() -> None:
    assert write(model_of("Llama"), []) == []


def test_sampling_repeats_with_its_seed_whatever_the_batch() -> None:
    model = model_of("Llama")
    settings = {"temperature": 0.8, "top_p": 0.9, "seed": 7}
    answers = [answer.ids for answer in write(model, prompts(), **settings)]
    torch.manual_seed(99)
    for batch_tokens in (1, 60):
        assert [answer.ids for answer in write(model, prompts(), batch=batch_tokens, **settings)] == answers
    assert [answer.ids for answer in write(model, prompts(), **settings | {"seed": 8})] != answers
    again = write(model, [prompts()[3]] * 4, **settings)
    assert len({tuple(answer.ids) for answer in again}) > 1, "the same prompt four times is four draws"


def test_sampling_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    write(model_of_without_seed(), prompts(), temperature=1.0)
    assert torch.equal(before, torch.get_rng_state())


def model_of_without_seed() -> Any:
    state = torch.get_rng_state()
    model = model_of("Llama")
    torch.set_rng_state(state)
    return model


@pytest.mark.parametrize("temperature", [0.0, 1.3])
@pytest.mark.parametrize("name", NAMES)
def test_logprobs_of_an_answer_are_the_policys(name: str, temperature: float) -> None:
    model = model_of(name)
    answers = write(model, prompts(), temperature=temperature, top_p=0.95)
    segments = []
    for row, (prompt, answer) in enumerate(zip(prompts(), answers, strict=True)):
        segments.append(Segment(prompt + answer.ids, [0.0] * len(prompt) + [1.0] * len(answer.ids), row))
    batch = build_batch(segments)
    for use_forest in (True, False):
        with torch.no_grad():
            found = Policy(model, use_forest).logprobs(batch)
        written = torch.tensor([value for answer in answers for value in answer.logprobs])
        torch.testing.assert_close(written, found, rtol=1e-4, atol=1e-4)


def test_tokens_come_as_often_as_their_probability_says() -> None:
    """6,000 draws of a first token against the model's own distribution at that temperature."""
    model = model_of("Llama")
    prompt = prompts()[2]
    draws = write(model, [prompt] * 6_000, batch=200_000, max_new_tokens=1, temperature=2.0)
    counts = torch.bincount(torch.tensor([answer.ids[0] for answer in draws]), minlength=61)
    with torch.no_grad():
        expected = (model(input_ids=torch.tensor([prompt])).logits[0, -1] / 2.0).softmax(-1) * 6_000
    large = expected > 20
    chi = float(((counts - expected)[large] ** 2 / expected[large]).sum())
    freedom = int(large.sum()) - 1
    assert chi < freedom + 5 * (2 * freedom) ** 0.5


def test_only_the_likeliest_are_drawn_as_transformers_draws_them() -> None:
    from transformers import TopKLogitsWarper

    logits_BV = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    expected_BV = TopKLogitsWarper(7)(None, logits_BV).softmax(-1)  # type: ignore[arg-type]
    assert torch.allclose(likeliest(logits_BV.softmax(-1), 7), expected_BV, atol=1e-7)
    assert torch.allclose(likeliest(logits_BV.softmax(-1), 99), logits_BV.softmax(-1)), "more than there are"
    chooser = Chooser(Sampling(temperature=2.0, top_k=3), range(5))
    for _ in range(50):
        chosen, _ = chooser.choose(logits_BV, range(5))
        assert all(token in logits_V.topk(3).indices for token, logits_V in zip(chosen, logits_BV, strict=True))


def test_the_nucleus_is_the_smallest_set_that_holds_top_p() -> None:
    kept = nucleus(torch.tensor([[0.1, 0.5, 0.05, 0.35], [0.25, 0.25, 0.25, 0.25]]), 0.8)
    assert (kept[0] > 0).tolist() == [False, True, False, True]
    assert int((kept[1] > 0).sum()) == 4
    assert (nucleus(torch.tensor([[0.9, 0.1]]), 0.01) > 0).tolist() == [[True, False]]


def test_the_greedy_choice_is_the_first_of_the_likeliest_with_its_log_probability() -> None:
    logits = 4 * torch.randn(7, 301, generator=torch.Generator().manual_seed(2))
    logits[1, [40, 200]] = 30.0
    logits[2, 5:] = float("-inf")
    chosen, logprobs = greedy(logits.clone())
    expected = logits.double().log_softmax(-1)
    assert chosen.tolist() == [row.tolist().index(max(row.tolist())) for row in logits] and chosen[1] == 40
    torch.testing.assert_close(logprobs.double(), expected.max(-1).values, rtol=1e-6, atol=1e-6)  # float32's rounding


def test_dropout_does_not_speak() -> None:
    """Rollouts are written in the middle of training."""
    model = tiny("GPT2", resid_pdrop=0.5, embd_pdrop=0.5)
    expected = [answer.ids for answer in write(model, prompts())]
    model.train()
    assert [answer.ids for answer in write(model, prompts())] == expected
    assert model.training


def test_a_stream_is_the_answer_in_pieces() -> None:
    model = model_of("Llama")
    for prompt in prompts()[:3]:
        whole = write(model, [prompt], max_new_tokens=9)[0]
        pieces = list(stream(model, TOKENIZER, prompt, NO_STOP, Sampling(max_new_tokens=9)))
        assert "".join(pieces) == whole.text and len(pieces) > 3


class Halves:
    """Each token is half of a character: odd numbers of tokens end in the middle of one."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return "é" * (len(ids) // 2) + "\ufffd" * (len(ids) % 2)


def test_a_piece_never_ends_inside_a_character_and_nothing_is_lost() -> None:
    model = model_of("Llama")
    pieces = list(stream(model, Halves(), [5, 6], NO_STOP, Sampling(max_new_tokens=5)))
    assert "".join(pieces) == "éé\ufffd"
    assert all("\ufffd" not in piece for piece in pieces[:-1])


def test_progress_counts_the_answers() -> None:
    seen: list[int] = []
    generate(model_of("Llama"), TOKENIZER, prompts(), NO_STOP, Sampling(max_new_tokens=2), 20, progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == len(LENGTHS) and len(seen) > 1
