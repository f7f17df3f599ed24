"""Before the first update a preference run stands exactly at the base: ln 2, no margin, and a gradient."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import segments_of, tiny
from whet.data.batches.forest import build_batch, path_to
from whet.data.batches.loader import Loader, in_order
from whet.losses.answers import paired_answers, sum_over
from whet.methods import method_of
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.attention.forest import FOREST
from whet.model.policy import Policy, reference_logprobs
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Dpo, Full, Lora
from whet.store.run import Run
from whet.training.hooks import mean_loss
from whet.training.learners.preference import DpoLearner, first_epoch_batches, read_references, references
from whet.training.self_check import sample_of
from whet.training.session import open_session, train
from whet.types import Segment

PAIRS = 12


def pairs(count: int = PAIRS, seed: int = 0) -> list[Segment]:
    """Prompts with two answers of random tokens; every token of an answer is learned."""
    random = torch.Generator().manual_seed(seed)
    shapes: list[tuple[int, int | None]] = []
    for _ in range(count):
        lengths = torch.randint(2, 9, (3,), generator=random).tolist()
        root = len(shapes)
        shapes += [(lengths[0], None), (lengths[1], root), (lengths[2], root)]
    segments = segments_of(*shapes, seed=seed)
    for number, segment in enumerate(segments):
        segment.weights = [0.0 if segment.parent is None else 1.0] * len(segment.ids)
        segment.row = number // 3
    return segments


def method(adapter: Lora | Full, settings: Dpo, **sizes: int) -> DpoLearner:
    model = add_adapter(tiny("Llama"), adapter, seed=0)
    install_forest(model)
    policy = Policy(model)
    source = Loader(pairs(), sizes.get("batch", 90), sizes.get("micro", 40), 0, per_tree=True)
    return DpoLearner(policy, source, settings, read_references(policy, first_epoch_batches(source, [], 1000)))


AT_THE_BASE = {
    "sigmoid": math.log(2),
    "sigmoid-norm": math.log(2),
    "hinge": 1.0,
    "ipo": (1 / (2 * 0.1)) ** 2,
    "apo-zero": 1.0,
    "apo-down": 1.0,
}
"""The cost of a pair before the first step, with a beta of 0.1."""


@pytest.mark.parametrize("loss", AT_THE_BASE)
@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
def test_the_first_step_begins_at_the_base(adapter: Lora | Full, loss: str) -> None:
    settings = Dpo(loss=loss, beta=0.1)  # type: ignore[arg-type]
    preference = method(adapter, settings)
    seen = 0
    for step in range(preference.source.steps_per_epoch):
        for batch in preference.batches(step):
            out = preference.loss(batch)
            total, count = out.metrics["loss"]
            assert count == batch.weight == len(paired_answers(batch)[0])
            assert total / count == pytest.approx(AT_THE_BASE[loss], rel=1e-6)
            for name in ("margin", "reward_chosen", "reward_rejected", "accuracy"):
                assert out.metrics[name][0] == 0.0, f"{name} must be exactly 0"
            out.total.backward()
            seen += int(count)
    assert seen == PAIRS
    norm = sum(float(p.grad.norm()) for p in preference.policy.trainable().values() if p.grad is not None)
    assert norm > 1e-3, "the first gradient is not zero"


def test_a_pair_in_the_forest_is_two_separate_padded_rows() -> None:
    segments = pairs(5)
    model = tiny("Llama")
    with torch.no_grad():
        separate = []
        for number, segment in enumerate(segments):
            if segment.parent is None:
                continue
            path = [segments[place] for place in path_to(segments, number)]
            row = Segment([t for s in path for t in s.ids], [w for s in path for w in s.weights], segment.row)
            alone = build_batch([row])
            model.set_attn_implementation("eager")
            separate.append(float(reference_logprobs(model, alone).sum()))
        install_forest(model)
        assert model.config._attn_implementation == FOREST
        batch = build_batch(segments)
        together = sum_over(paired_answers(batch), Policy(model).logprobs(batch), batch)
    torch.testing.assert_close(together, torch.tensor(separate).view(-1, 2).T, rtol=1e-5, atol=1e-4)


def test_the_loss_does_not_depend_on_how_the_pairs_are_batched() -> None:
    preference = method(Lora(rank=4, alpha=8.0), Dpo(beta=0.1))
    with torch.no_grad():
        for name, parameter in preference.policy.trainable().items():
            if "lora_B" in name:
                parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
    found = [
        mean_loss(preference.policy, preference.loss, in_order(pairs(), size, per_tree=True)) for size in (20, 60, 500)
    ]
    assert found[0] != pytest.approx(math.log(2), abs=1e-3)
    assert found[1] == pytest.approx(found[0], rel=1e-4) and found[2] == pytest.approx(found[0], rel=1e-4)


def test_the_base_is_read_through_a_moved_adapter_too() -> None:
    """An adapter that has learned something is switched off for the reading."""
    preference = method(Lora(rank=4, alpha=8.0), Dpo(beta=0.1))
    assert preference.references is not None
    before = preference.references.logprobs_2R
    with torch.no_grad():
        for parameter in preference.policy.trainable().values():
            parameter.add_(0.1)
    after = read_references(preference.policy, first_epoch_batches(preference.source, [], 1000))
    assert torch.equal(before, after.logprobs_2R)


def test_references_are_read_once_and_again_where_the_key_or_the_file_changed(tmp_path: Path) -> None:
    preference = method(Full(), Dpo(beta=0.1))

    def read(key: str) -> torch.Tensor:
        batches = first_epoch_batches(preference.source, [], 1000)
        return references(tmp_path / "reference", key, preference.policy, batches).logprobs_2R

    first = read("a")
    with torch.no_grad():
        for parameter in preference.policy.trainable().values():
            parameter.add_(0.1)
    assert torch.equal(read("a"), first)
    assert not torch.equal(read("b"), first)
    assert not torch.equal(read("a"), first)
    stored = read("a")
    (tmp_path / "reference" / "logprobs.safetensors").write_bytes(b"damaged")
    assert torch.equal(read("a"), stored)


def test_the_sample_of_a_batch_keeps_whole_trees_the_shortest_first() -> None:
    batch = build_batch(pairs(6))
    sample = sample_of(batch, vocabulary=10**9)  # so large that two trees are the most
    sizes = sorted(sum(batch.lengths[n : n + 3]) for n in range(0, 18, 3))
    assert sample.parents == [None, 0, 0, None, 3, 3]
    assert [sum(sample.lengths[:3]), sum(sample.lengths[3:])] == sizes[:2]
    for tree in (0, 3):
        row = sample.rows[tree]
        first = batch.rows.index(row)
        assert sample.lengths[tree : tree + 3] == batch.lengths[first : first + 3]
        mine, theirs = sample.segment_N // 3 == tree // 3, batch.segment_N // 3 == first // 3
        assert torch.equal(sample.target_N[mine], batch.target_N[theirs])
        assert torch.equal(sample.weight_N[mine], batch.weight_N[theirs])


def test_a_run_on_pairs_picks_dpo_says_why_and_starts_at_ln_2(tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"Where is parcel {n}?", "chosen": f"Parcel {n} is on its way.", "rejected": f"No idea, {n}."}
        for n in range(40)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = load_recipe(data, ["steps=3", "split.near_duplicates=false", "evaluate.every=3"])
    run = Run.create(tmp_path / "runs", asked, "r")
    session = open_session(asked, run, method_of, Silent())
    train(session, Silent())
    assert isinstance(run.recipe.method, Dpo)
    [reason] = [choice["reason"] for choice in run.read_json("choices.json") if choice["key"] == "method"]
    assert "chosen and a rejected" in reason
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["validation_loss"] == pytest.approx(math.log(2), abs=1e-6)
    steps = [line for line in lines if "margin" in line]
    assert steps[0]["margin"] == 0.0 and steps[0]["grad_norm"] > 0
    assert steps[-1]["margin"] > 0


class Killed(Silent):
    """Ends the run after its third step, as a kill would."""

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        if "loss" in facts and step == 3:
            raise KeyboardInterrupt


def anchored(folder: Path, loss: str, name: str, observer: Silent) -> Run:
    """A run of five steps, begun or gone on with."""
    data = folder / "pairs.jsonl"
    rows = [
        {"prompt": f"Where is parcel {n}?", "chosen": f"Parcel {n} is on its way.", "rejected": f"Who knows, {n}?"}
        for n in range(60)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = [f"method={{kind: dpo, loss: {loss}}}", "steps=5", "learning_rate=2e-3", "batch_tokens=1000"]
    settings += ["checkpoint_every=2", "evaluate.every=5", "evaluate.early_stop=false", "split.near_duplicates=false"]
    run = Run.create(folder / "runs", load_recipe(data, settings), name)
    train(open_session(run.recipe, run, method_of, observer), observer)
    return run


@pytest.mark.parametrize(("loss", "side"), [("apo-zero", 1), ("apo-down", -1)])
def test_an_anchored_run_moves_the_chosen_answers_its_own_way(tmp_path: Path, loss: str, side: int) -> None:
    run = anchored(tmp_path, loss, "whole", Silent())
    assert isinstance(run.recipe.method, Dpo) and run.recipe.method.beta == 0.1
    lines = run.metrics()
    begun, ended = (line["validation_loss"] for line in lines if "validation_loss" in line)
    assert begun == pytest.approx(AT_THE_BASE[loss], abs=1e-6) and ended < 0.1
    first, *_, last = (line for line in lines if "margin" in line)
    assert first["accuracy"] == 0.0 and last["accuracy"] == 1.0
    assert last["reward_rejected"] < last["reward_chosen"] and side * last["reward_chosen"] > 1.0


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["apo-zero", "apo-down"])
def test_an_anchored_run_that_was_killed_resumes_to_the_bit(tmp_path: Path, loss: str) -> None:
    whole = anchored(tmp_path, loss, "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        anchored(tmp_path, loss, "cut", Killed())
    cut = anchored(tmp_path, loss, "cut", Silent())
    one, other = (load_file(str(run.model / "adapter_model.safetensors")) for run in (whole, cut))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert [line.get("loss") for line in whole.metrics()] == [line.get("loss") for line in cut.metrics()]
