"""The fast reader writes what transformers writes, whoever shares the batch, and is left out where it does not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from tests.generation.test_generate import LENGTHS, NEW, NO_STOP, TOKENIZER, greedy_reference, prompts
from tests.tiny_models import VOCABULARY, tiny
from whet.data.batches.forest import build_batch
from whet.errors import InputError
from whet.generation import decoding_proof as proof
from whet.generation import engine
from whet.generation.decoder_layers import CachedDecoder, RMSNormRows, over_cache, read_model
from whet.generation.engine import Sampling, generate, stream
from whet.generation.joined_linears import JoinedLinear, can_pack
from whet.generation.kv_cache import SlotCache
from whet.generation.prefill import Prompt, build_prefill
from whet.model.adapter import add_adapter, causal_lm, without_adapter
from whet.model.architecture_proof import install_forest
from whet.model.fused.layer import Norm
from whet.model.fused.linear import AdaptedLinear
from whet.model.policy import Policy
from whet.recipe.schema import Lora
from whet.types import Completion, Segment

KNOWN = {"Llama": {}, "Qwen2": {}, "Qwen3": {}, "Mistral": {"sliding_window": None}}


def model_of(name: str, adapted: bool = False) -> Any:
    """The model inside, with an adapter that changes what it says where one is asked for."""
    model = tiny(name, **KNOWN.get(name, {}))
    if adapted:
        model = add_adapter(model, Lora(rank=4, alpha=6.0), seed=0)
        with torch.no_grad():
            for parameter in Policy(model).trainable().values():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return causal_lm(model)


def write(model: Any, given: list[list[int]], **changes: Any) -> list[Completion]:
    settings = {name: changes.pop(name) for name in tuple(changes) if name in Sampling.__dataclass_fields__}
    stop = changes.pop("stop", NO_STOP)
    return generate(model, TOKENIZER, given, stop, Sampling(**{"max_new_tokens": NEW} | settings), **changes)


def ids_of(answers: list[Completion]) -> list[list[int]]:
    return [answer.ids for answer in answers]


def is_fast(model: Any) -> bool:
    return all(proof.fast_reader(model, copies) is not None for copies in (False, True))


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("name", KNOWN)
def test_greedy_is_transformers_token_for_token(name: str, adapted: bool) -> None:
    expected = [greedy_reference(model_of(name, adapted), prompt) for prompt in prompts()]
    model = model_of(name, adapted)
    assert is_fast(model)
    for new in (NEW, engine.COPY_STEPS + 4):  # with the weights where they lie, and laid out anew
        answers = write(model, prompts(), max_new_tokens=new)
        assert [answer.ids[:NEW] for answer in answers] == expected


@pytest.mark.parametrize("name", ["Mistral", "Gemma2", "GPT2", "Mixtral", "Granite", "Olmo2"])
def test_what_is_not_known_is_left_to_transformers(name: str) -> None:
    assert proof.fast_reader(tiny(name), copies=True) is None


def test_a_reader_that_differs_is_found_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unturned(layer: Any, pairs: torch.Tensor) -> torch.Tensor:
        return torch.arange((layer.heads + 2 * layer.key_heads) * layer.size)

    expected = [greedy_reference(model_of("Llama"), prompt) for prompt in prompts()]
    monkeypatch.setattr("whet.generation.decoder_layers.Layer._order", unturned)
    with pytest.warns(UserWarning, match="slower reader: its logits differ"):
        assert ids_of(write(model_of("Llama"), prompts())) == expected


def test_a_new_adapter_is_proved_anew() -> None:
    model = tiny("Llama")
    base = ids_of(write(model, prompts()))
    adapted = model_of("Llama", adapted=True)
    assert ids_of(write(adapted, prompts())) != base
    layer = adapted.base_model.layers[0].self_attn.q_proj
    layer.enable_adapters(False)
    assert is_fast(adapted) and ids_of(write(adapted, prompts())) != base


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
def test_answers_that_enter_later_are_those_written_alone(slots: int) -> None:
    model = model_of("Qwen3")
    alone = [write(model, [prompt], context=20)[0] for prompt in prompts() * 3]
    assert len({len(answer.ids) for answer in alone}) > 3, "answers end at different steps"
    together = write(model, prompts() * 3, context=20, batch_tokens=slots * (max(LENGTHS) + 3))
    assert ids_of(together) == ids_of(alone)
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_prompts_that_begin_alike_are_read_once_and_answered_as_if_alone() -> None:
    model = model_of("Llama")
    random = torch.Generator().manual_seed(5)
    common = torch.randint(3, 61, (24,), generator=random).tolist()
    given = [common + prompt for prompt in prompts()] + [common, common + prompts()[0]] + prompts()
    grove = build_prefill([Prompt(ids) for ids in given])
    assert len(grove.batch.ids_T) < sum(map(len, given)) - 6 * 23
    for number, ids in enumerate(given):
        assert grove.batch.ids_T[grove.token_N[grove.prompt_N == number]].tolist() == ids
    assert ids_of(write(model, given)) == [greedy_reference(model_of("Llama"), prompt) for prompt in given]


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_samples_are_so_many_answers_of_each_prompt(name: str) -> None:
    model = model_of(name)
    settings = {"temperature": 1.5, "seed": 3}
    answers = write(model, prompts()[:2], samples=3, **settings)
    repeated = [prompt for prompt in prompts()[:2] for _ in range(3)]
    assert ids_of(answers) == ids_of(write(model, repeated, **settings))
    assert len({tuple(answer.ids) for answer in answers}) == 6
    with pytest.raises(InputError, match="samples"):
        write(model, prompts(), samples=0)


@pytest.mark.parametrize("name", ["Llama", "Qwen2", "GPT2"])
def test_the_adapter_is_on_or_off_for_each_prompt(name: str) -> None:
    model = model_of(name, adapted=True)
    assert is_fast(model) == (name != "GPT2")
    given = prompts() + prompts()[:3]
    on = [True, False, True, False, False, True, False, True, False]
    tuned, base = write(model, given), None
    with proof.adapters_off(model):
        base = write(model, given)
    assert ids_of(tuned) != ids_of(base)
    expected = [t.ids if flag else b.ids for t, b, flag in zip(tuned, base, on, strict=True)]
    assert ids_of(write(model, given, adapters=on)) == expected
    assert ids_of(write(model, given, adapters=[False] * 9)) == ids_of(base)
    assert ids_of(write(model, given)) == ids_of(tuned), "the adapter is on again"
    assert any(parameter.requires_grad for parameter in model.parameters())


def test_adapters_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="no adapter"):
        write(model_of("Llama"), prompts(), adapters=[True] * 6)
    with pytest.raises(InputError, match="6 prompts"):
        write(model_of("Llama", adapted=True), prompts(), adapters=[True])
    peft = add_adapter(tiny("Llama"), Lora(rank=4, alpha=8.0), seed=0)
    with without_adapter(peft), pytest.raises(InputError, match="no adapter"):
        write(causal_lm(peft), prompts(), adapters=[True] * 6)


@pytest.mark.parametrize("name", ["Llama", "GPT2"])
def test_a_stop_string_ends_the_text(name: str) -> None:
    model = model_of(name)
    free = write(model, prompts(), max_new_tokens=20)
    words = free[1].text.split()
    stop = f"{words[5]} {words[6]}"
    for answer, whole in zip(write(model, prompts(), max_new_tokens=20, stop_strings=(stop,)), free, strict=True):
        assert answer.text == whole.text.split(stop)[0]
        assert answer.finished == (stop in whole.text)
        assert answer.ids == whole.ids[: len(answer.ids)] and len(answer.logprobs) == len(answer.ids)
        if answer.finished:
            assert TOKENIZER.decode(answer.ids).endswith(stop) and answer.stop_id is None
    sampling = Sampling(max_new_tokens=20, stop_strings=(stop,))
    pieces = list(stream(model, TOKENIZER, prompts()[1], NO_STOP, sampling))
    assert "".join(pieces) == free[1].text.split(stop)[0]


@pytest.mark.parametrize("name", ["Llama", "Qwen3", "GPT2"])
def test_the_stop_token_has_its_logprob_too(name: str) -> None:
    model = model_of(name)
    install_forest(model)
    answers = write(model, prompts() * 4, stop=frozenset(range(3, 9)), temperature=1.2, top_p=0.9, seed=2)
    stopped = [answer for answer in answers if answer.finished]
    assert len(stopped) > 3 and all(answer.stop_id in range(3, 9) for answer in stopped)
    segments, written = [], []
    for row, (prompt, answer) in enumerate(zip(prompts() * 4, answers, strict=True)):
        ids = answer.ids + ([] if answer.stop_id is None else [answer.stop_id])
        written += answer.logprobs + ([] if answer.stop_logprob is None else [answer.stop_logprob])
        segments.append(Segment(prompt + ids, [0.0] * len(prompt) + [1.0] * len(ids), row))
    with torch.no_grad():
        found = Policy(model, True).logprobs(build_batch(segments))
    torch.testing.assert_close(torch.tensor(written), found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_second_tokens_come_as_often_as_their_probability_says(top_p: float) -> None:
    """4,000 draws of two tokens: the pair's frequency, which only right keys and values in every slot give."""
    model, prompt = model_of("Llama"), prompts()[1]
    draws = write(model, [prompt], samples=4_000, batch_tokens=200_000, max_new_tokens=2, top_p=top_p)
    assert len({tuple(answer.ids) for answer in draws}) == 1, "greedy, whatever top_p is"
    draws = write(model, [prompt], samples=4_000, batch_tokens=200_000, max_new_tokens=2, temperature=1.5, top_p=top_p)
    first_V = _distribution(model, prompt, top_p)
    expected = torch.zeros(VOCABULARY, VOCABULARY)
    for token in first_V.nonzero().flatten().tolist():
        expected[token] = 4_000 * first_V[token] * _distribution(model, [*prompt, token], top_p)
    counts = torch.zeros_like(expected)
    for answer in draws:
        counts[answer.ids[0], answer.ids[1]] += 1
    assert top_p == 1 or counts[expected == 0].sum() == 0
    large = expected > 10
    chi = float(((counts - expected)[large] ** 2 / expected[large]).sum())
    freedom = int(large.sum()) - 1
    assert freedom > 5 and chi < freedom + 5 * (2 * freedom) ** 0.5


def _distribution(model: Any, ids: list[int], top_p: float) -> torch.Tensor:
    """By definition: sort, sum up, cut, renormalise."""
    with torch.no_grad():
        p_V = (model(input_ids=torch.tensor([ids])).logits[0, -1] / 1.5).softmax(-1)
    kept, total = torch.zeros_like(p_V), 0.0
    for token in p_V.argsort(descending=True).tolist():
        if total >= top_p:
            break
        kept[token], total = p_V[token], total + float(p_V[token])
    return kept / kept.sum()


def test_rows_that_round_up_a_batch_and_leftovers_of_old_answers_are_seen_by_nobody() -> None:
    model = model_of("Llama")
    layers = read_model(model)
    assert not isinstance(layers, str)
    reader = CachedDecoder(model, layers, copies=True)
    cache: SlotCache = reader.cache(7, 40)
    with torch.inference_mode():
        cache.kv_NSXCK.fill_(1e4)
    given = prompts()[:5]
    logits = reader.prefill([Prompt(ids) for ids in given], cache)
    tokens = logits.argmax(-1).tolist()
    cache.release(1)
    moved = [tokens[0], tokens[4], tokens[2], tokens[3]]
    texts = [given[0], given[4], given[2], given[3]]
    ours = reader.step(moved, [True] * 4, cache)
    cache.release(0)
    ours_next = reader.step([3, 3, 3], [True] * 3, cache)
    with torch.no_grad():
        for row, text in enumerate(texts):
            own = model(input_ids=torch.tensor([[*text, moved[row]]])).logits[0, -1]
            torch.testing.assert_close(ours[row], own, rtol=1e-4, atol=1e-4)
        own = model(input_ids=torch.tensor([[*texts[3], moved[3], 3]])).logits[0, -1]
    torch.testing.assert_close(ours_next[0], own, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-6), (torch.bfloat16, 2**-7)])
def test_the_norm_of_rows_is_rms_norm_however_small_they_are(dtype: torch.dtype, rounding: float) -> None:
    """By definition, in float64: rows far above and far below epsilon, and a row of zeros."""
    random = torch.Generator().manual_seed(1)
    x = (torch.randn(4, 48, generator=random) * torch.tensor([[3.0], [1e-2], [1e-4], [0.0]])).to(dtype)
    weight = torch.rand(48, generator=random).to(dtype)
    wide = x.double()
    expected = wide / (wide.square().mean(-1, keepdim=True) + 1e-4).sqrt() * weight.double()
    found = RMSNormRows(Norm(weight, 1e-4))(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=1e-12)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_packed_weights_give_the_product(dtype: torch.dtype, rounding: float) -> None:
    torch.manual_seed(0)
    linears = [torch.nn.Linear(64, outputs, bias=outputs > 32).to(dtype) for outputs in (96, 32)]
    if not can_pack(linears[0].weight):
        pytest.skip(f"this processor has no layout of its own for {dtype}")
    with torch.inference_mode():
        joined = JoinedLinear([AdaptedLinear(linear) for linear in linears], copies=True)
        assert joined.packed is not None
        for rows in (1, 5, 33):
            x, residual = torch.randn(rows, 64).to(dtype), torch.randn(rows, 128).to(dtype)
            plain = torch.cat([linear(x) for linear in linears], -1)
            torch.testing.assert_close(joined(x, None), plain, rtol=rounding, atol=rounding)
            torch.testing.assert_close(joined(x, None, residual), residual + plain, rtol=rounding, atol=2.5 * rounding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_queries_that_share_a_key_are_the_rows_of_one_product(dtype: torch.dtype) -> None:
    """By definition, in float64: every query head with its key head repeated, and what lies beyond an answer hidden."""
    random = torch.Generator().manual_seed(4)
    q_BHK = torch.randn(5, 6, 16, generator=random).to(dtype)
    kv_SXCK = torch.randn(7, 4, 20, 16, generator=random).to(dtype)
    visible_BC = torch.arange(12) <= torch.tensor([0, 3, 11, 7, 5])[:, None]
    bias_B11C = torch.zeros(5, 1, 1, 12, dtype=dtype).masked_fill(~visible_BC[:, None, None], float("-inf"))
    k_BHCK, v_BHCK = (part.double().repeat_interleave(3, 1) for part in kv_SXCK[:5, :, :12].chunk(2, 1))
    scores_BHC = 0.3 * torch.einsum("bhk,bhck->bhc", q_BHK.double(), k_BHCK) + bias_B11C[:, 0].double()
    expected = torch.einsum("bhc,bhck->bhk", scores_BHC.softmax(-1), v_BHCK).flatten(1)
    found = over_cache(q_BHK, kv_SXCK, bias_B11C, 0.3)
    assert found.dtype == dtype
    rounding = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=rounding)


def test_bfloat16_is_written_as_it_is_read() -> None:
    """Greedy choices are the model's best but for rounding, in any batch."""
    model = model_of("Llama").bfloat16()
    assert is_fast(model)
    for answer, prompt in zip(write(model, prompts(), max_new_tokens=20), prompts(), strict=True):
        wide = copy.deepcopy(model).float()
        with torch.no_grad():
            logits = wide(input_ids=torch.tensor([prompt + answer.ids])).logits[0, len(prompt) - 1 : -1]
        best = logits.max(-1).values
        chosen = logits.gather(1, torch.tensor(answer.ids)[:, None])[:, 0]
        assert float((best - chosen).max()) < 0.1 * float(logits.std())


def test_weights_may_change_between_calls() -> None:
    model = model_of("Llama")
    before = ids_of(write(model, prompts(), max_new_tokens=20))
    with torch.no_grad():
        model.base_model.layers[1].mlp.down_proj.weight.mul_(-2)
    expected = [greedy_reference(copy.deepcopy(model), prompt, 20) for prompt in prompts()]
    assert ids_of(write(model, prompts(), max_new_tokens=20)) == expected != before
