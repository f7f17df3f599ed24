"""Requests enter and leave at any time, and each is answered as if it were alone."""

from __future__ import annotations

import random

import pytest
import torch

from tests.generation.serving.writing import answer, asked, finish, prompts
from tests.tiny_models import tiny
from whet.errors import InputError, ModelError
from whet.generation.engine import Sampling, generate
from whet.generation.serving.open_batch import OpenBatch, read_at_once
from whet.generation.serving.token_choice import TokenChoice
from whet.model.base import Base

LENGTHS = (3, 20, 1, 40, 7, 8, 33, 5, 12, 2)


def alone(base: Base, given: list[list[int]], new: int = 12, **settings: float) -> list[list[int]]:
    return [
        generate(base.model, base.tokenizer, [prompt], frozenset(), Sampling(new, **settings))[0].ids
        for prompt in given
    ]


def test_greedy_answers_are_the_engine_s_whenever_they_enter(base: Base, batch: OpenBatch) -> None:
    given, chosen = prompts(LENGTHS), random.Random(1)
    expected = alone(base, given)
    waiting = list(enumerate(given))
    handles: dict[int, int] = {}
    written: dict[int, list[int]] = {}
    ended = set()
    while len(ended) < len(given):
        if waiting and chosen.random() < 0.3:
            number, prompt = waiting.pop()
            handles[batch.enter(asked(prompt))] = number
        for token in batch.advance():
            written.setdefault(handles[token.request], []).append(token.token)
            if token.end:
                ended.add(handles[token.request])
    assert [written[number] for number in range(len(given))] == expected
    assert (batch.running, batch.waiting, batch.kv_use) == (0, 0, 0.0)


def test_a_base_that_is_built_beside_it_changes_no_number(base: Base) -> None:
    """transformers sets the default dtype of all threads while it builds a model."""
    drawn = TokenChoice(temperature=0.9, top_p=0.9, seed=3, presence_penalty=0.4, top_logprobs=3)

    def written() -> list[object]:
        batch = OpenBatch(base, slots=4, capacity=128)
        for prompt in prompts([30, 4, 12]):
            batch.enter(asked(prompt, choice=drawn))
        return [(token.token, token.logprob, token.top) for one in finish(batch).values() for token in one]

    expected = written()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert written() == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_first_come_first_served(batch: OpenBatch) -> None:
    handles = [batch.enter(asked(prompt, new=6)) for prompt in prompts([4] * 12)]
    assert batch.waiting == 12
    first = []
    while batch.waiting or batch.running:
        first += [token.request for token in batch.advance() if token.request not in first]
        assert batch.running <= 5
    assert first == handles


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_a_long_prompt_is_read_in_pieces_and_others_write_on(base: Base, piece: int) -> None:
    batch = OpenBatch(base, slots=3, capacity=128)
    batch.read_at_once = piece
    long, short = prompts([90, 5])
    expected = alone(base, [long, short], new=20)
    one = batch.enter(asked(short, new=20))
    while not batch.advance():
        pass
    two = batch.enter(asked(long, new=20))
    silent = 0
    tokens: dict[int, list[int]] = {one: [], two: []}
    while len(tokens[one]) < 15 and not tokens[two]:
        written = batch.advance()
        silent = 0 if any(token.request == one for token in written) else silent + 1
        assert silent <= 1, "between two readings there is a step"
        for token in written:
            tokens[token.request].append(token.token)
    for handle, rest in finish(batch).items():
        tokens[handle] += [token.token for token in rest]
    assert tokens[two] == expected[0]
    assert tokens[one] == expected[1][1:]


def test_short_prompts_enter_between_the_pieces_of_a_long_one(base: Base) -> None:
    batch = OpenBatch(base, slots=8, capacity=128)
    batch.read_at_once = 10
    long, *short = prompts([100, 4, 5, 6])
    expected = alone(base, [long, *short], new=5)
    handles = [batch.enter(asked(prompt, new=5)) for prompt in (long, *short)]
    order: list[int] = []
    written: dict[int, list[int]] = {}
    while batch.waiting or batch.running:
        for token in batch.advance():
            written.setdefault(token.request, []).append(token.token)
            order += [token.request] if token.end else []
    assert [written[handle] for handle in handles] == expected
    assert order[-1] == handles[0]


def test_a_seed_names_the_answer_whatever_else_runs(base: Base, batch: OpenBatch) -> None:
    given = prompts([6, 9])
    choice = TokenChoice(seed=7, temperature=0.9, top_p=0.95)
    expected = alone(base, given[:1], temperature=0.9, top_p=0.95, seed=7)[0]
    assert answer(batch, asked(given[0], choice=choice)) == expected
    others = [batch.enter(asked(given[1], choice=TokenChoice(seed=one))) for one in range(8)]
    same = [batch.enter(asked(given[0], choice=choice)) for _ in range(3)]
    written = {handle: [token.token for token in tokens] for handle, tokens in finish(batch).items()}
    assert [written[handle] for handle in same] == [expected] * 3
    assert len({tuple(written[handle]) for handle in others}) == 8


def test_who_leaves_is_written_no_more_and_nobody_else_notices(base: Base, batch: OpenBatch) -> None:
    given = prompts(LENGTHS)
    expected = alone(base, given)
    batch.read_at_once = 32
    handles = [batch.enter(asked(prompt)) for prompt in given]
    batch.leave(handles[9])  # still waits
    for _ in range(4):
        batch.advance()
    batch.leave(handles[0])  # is being written
    gone = {handles[0], handles[9]}
    written: dict[int, list[int]] = {}
    while batch.waiting or batch.running:
        if batch.reading is not None and batch.reading.handle == handles[3]:
            batch.leave(handles[3])  # is being read
            gone.add(handles[3])
        for token in batch.advance():
            assert token.request not in gone
            written.setdefault(token.request, []).append(token.token)
    assert handles[3] in gone
    for handle, tokens in written.items():
        own = expected[handles.index(handle)]
        assert tokens == own[len(own) - len(tokens) :] and tokens
    batch.leave(handles[5])  # has ended long ago
    assert set(written) | gone == set(handles)


def test_how_an_answer_ends(base: Base, batch: OpenBatch) -> None:
    (prompt,) = prompts([100])
    free = alone(base, [prompt], new=10)[0]
    stop = free[4]
    handle = batch.enter(asked(prompt, new=10, stop=[stop]))
    ends = [(token.token, token.end) for token in finish(batch)[handle]]
    assert ends == [(token, None) for token in free[: free.index(stop)]] + [(stop, "stop")]
    handle = batch.enter(asked(prompt, new=10_000))
    ends = [token.end for token in finish(batch)[handle]]
    assert len(ends) == 28 and ends[-1] == "length", "up to the capacity of 128"


def test_the_log_probabilities_are_the_model_s_own(base: Base, batch: OpenBatch) -> None:
    (prompt,) = prompts([9])
    choice = TokenChoice(temperature=1.3, top_k=5, logit_bias={77: 3.0}, seed=2, top_logprobs=4)
    handle = batch.enter(asked(prompt, choice=choice))
    written = finish(batch)[handle]
    ids = prompt + [token.token for token in written]
    with torch.no_grad():
        own = base.model(input_ids=torch.tensor([ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    for token, row in zip(written, own, strict=True):
        assert token.logprob == pytest.approx(float(row[token.token]), abs=1e-4)
        best = row.topk(4)
        assert [one for one, _ in token.top] == best.indices.tolist()
        assert [one for _, one in token.top] == pytest.approx(best.values.tolist(), abs=1e-4)


def test_what_cannot_be_answered_is_refused_and_the_rest_goes_on(batch: OpenBatch) -> None:
    handle = batch.enter(asked([5, 6, 7], new=4))
    for request, words in (
        (asked([9] * 128), "the prompt has 128 tokens, and with an answer there is room for 128"),
        (asked([5, 4096]), "the model has 4,096 tokens"),
        (asked([5, -1]), "the model has 4,096 tokens"),
        (asked([5], choice=TokenChoice(logit_bias={5000: 1.0})), "logit_bias"),
        (asked([5], adapter="nobody"), "no adapter of this name"),
    ):
        with pytest.raises(InputError, match=words):
            batch.enter(request)
    for prompt, new in (([], 5), ([5], 0)):
        with pytest.raises(InputError):
            asked(prompt, new=new)
    assert len(finish(batch)[handle]) == 4


@pytest.mark.parametrize("name", ["GPT2", "Mixtral"])
def test_a_model_that_the_reader_does_not_take_is_refused_with_a_way_out(base: Base, name: str) -> None:
    other = Base(name, "", tiny(name), base.tokenizer, "")
    with pytest.raises(ModelError, match=r"(?s)cannot serve this model.*whet serve --engine-url"):
        OpenBatch(other)


def test_a_larger_model_reads_fewer_tokens_at_once(base: Base) -> None:
    class Large:
        def parameters(self) -> list[torch.Tensor]:
            return [torch.empty(135_000_000, device="meta")]

    assert read_at_once(base.model) == 2048
    assert read_at_once(Large()) == 148
