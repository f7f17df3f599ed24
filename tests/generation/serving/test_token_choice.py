"""Each row's next token is chosen as transformers' processors and the API's formulas say, whoever is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from whet.errors import InputError
from whet.generation.serving.choosing import Chooser, _cut, _shifted, choose
from whet.generation.serving.token_choice import TokenChoice

VOCABULARY = 40


def logits(rows: int = 1, seed: int = 0) -> Tensor:
    return 3 * torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def chooser(written: Sequence[int] = (), **settings: Any) -> Chooser:
    made = Chooser(TokenChoice(**settings), None, frozenset())
    for token in written:
        made.wrote(token)
    return made


def by_transformers(scores_BV: Tensor, temperature: float, top_k: int | None, top_p: float, min_p: float) -> Tensor:
    warpers: list[Any] = [TemperatureLogitsWarper(temperature)]
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    if min_p:
        warpers.append(MinPLogitsWarper(min_p))
    for warper in warpers:
        scores_BV = warper(torch.zeros(len(scores_BV), 1, dtype=torch.long), scores_BV)
    return scores_BV.softmax(-1)


CUTS: list[dict[str, Any]] = [
    {"top_k": 7},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"top_k": 12, "top_p": 0.7},
    {"top_p": 0.9, "min_p": 0.05, "temperature": 1.7},
    {"top_k": 5, "top_p": 0.95, "min_p": 0.2, "temperature": 0.6},
]


@pytest.mark.parametrize("settings", CUTS)
def test_what_is_cut_off_is_what_transformers_cuts_off(settings: dict[str, Any]) -> None:
    choice = TokenChoice(**settings)
    scores = logits(50)
    ours = _cut((scores / choice.temperature).softmax(-1), choice)
    ours = ours / ours.sum(-1, keepdim=True)
    theirs = by_transformers(scores, choice.temperature, choice.top_k, choice.top_p, choice.min_p)
    assert ((ours > 0).sum(-1) < VOCABULARY).all()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_rows_are_drawn_as_often_as_their_own_settings_say() -> None:
    """Rows of all settings side by side, thousands of seeds of each."""
    many = 4000
    settings = [{}, *CUTS, {"temperature": 0.5}]
    rows = [chooser(seed=seed, **one) for seed in range(many) for one in settings]
    scores = logits().expand(len(rows), -1)
    tokens = torch.tensor([chosen.token for chosen in choose(scores, rows)]).view(many, -1)
    for place, one in enumerate(settings):
        choice = TokenChoice(**one)
        (wanted,) = by_transformers(logits(), choice.temperature, choice.top_k, choice.top_p, choice.min_p)
        found = tokens[:, place].bincount(minlength=VOCABULARY) / many
        assert not found[wanted == 0].any()
        assert (found - wanted).abs().max() < 4.5 * 0.5 / many**0.5


def test_penalties_are_the_api_s_formula_over_what_was_written() -> None:
    """mu_j - c_j frequency - [c_j > 0] presence."""
    written = [3, 3, 3, 8, 20]
    scores = logits()
    shifted = _shifted(scores, [chooser(written, presence_penalty=0.7, frequency_penalty=-0.4)])
    counts = torch.tensor(written).bincount(minlength=VOCABULARY)
    torch.testing.assert_close(shifted, scores - 0.7 * (counts > 0) + 0.4 * counts)


def test_bias_is_added_and_changes_no_other_row() -> None:
    scores = logits(3)
    before = scores.clone()
    best = int(scores[1].argmax())
    plain = chooser(temperature=0)
    banned = chooser(temperature=0, logit_bias={best: -100})
    forced = chooser(logit_bias={17: 100})
    tokens = [one.token for one in choose(scores, [plain, banned, forced])]
    assert tokens[0] == int(before[0].argmax()) and tokens[2] == 17
    assert tokens[1] == int(before[1].topk(2).indices[1])
    assert torch.equal(scores, before)


def test_log_probabilities_are_those_before_anything() -> None:
    scores = logits(3, seed=4)
    rows = [
        chooser(temperature=0, top_logprobs=3),
        chooser(temperature=2.0, top_k=2, logit_bias={1: 50}, top_logprobs=5),
        chooser([1, 1], frequency_penalty=2.0, seed=3),
    ]
    own = scores.log_softmax(-1)
    for place, chosen in enumerate(choose(scores, rows)):
        assert chosen.logprob == pytest.approx(float(own[place, chosen.token]), abs=1e-5)
        best = own[place].topk(rows[place].choice.top_logprobs)
        assert [token for token, _ in chosen.top] == best.indices.tolist()
        assert [value for _, value in chosen.top] == pytest.approx(best.values.tolist(), abs=1e-5)


def test_greedy_rows_are_the_same_alone_and_beside_others() -> None:
    scores = logits(4)
    alone = choose(scores, [chooser(temperature=0) for _ in range(4)])
    beside = choose(scores, [chooser(temperature=0), chooser(seed=1), chooser(temperature=0), chooser(top_k=2)])
    for place in (0, 2):
        assert alone[place].token == beside[place].token == int(scores[place].argmax())
        assert alone[place].logprob == pytest.approx(beside[place].logprob, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 1e-9}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"min_p": -1}, "min_p"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"seed": 0.5}, "seed"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"logit_bias": {5: 101}}, r"logit_bias\.5"),
        ({"logit_bias": {-5: 1}}, "logit_bias"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": True}, "top_logprobs"),
    ],
)
def test_what_means_nothing_is_refused_by_name(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError, match=f"^{where}: "):
        TokenChoice(**settings)
