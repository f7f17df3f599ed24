"""Before the first update a run on marked answers stands exactly at the base; its reference point is a whole step's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import segments_of, tiny
from whet.data.batches.loader import Loader, in_order
from whet.data.batches.segment_files import marks_by_row
from whet.errors import DataError
from whet.methods import method_of
from whet.model.adapter import add_adapter
from whet.model.architecture_proof import install_forest
from whet.model.policy import Policy
from whet.observer import Silent
from whet.recipe.load import load_recipe
from whet.recipe.schema import Full, Kto, Lora
from whet.store.run import Run
from whet.training.hooks import mean_loss
from whet.training.learners.kto import (
    KtoLearner,
    mismatched_pairs_of_step,
    places_of,
    read_references,
    reference_batches,
    references,
)
from whet.training.session import open_session, train
from whet.types import Segment

ANSWERS = 12
SETTINGS = Kto(desirable_weight=1.0, undesirable_weight=2.0)


def answers(count: int = ANSWERS, seed: int = 0) -> list[Segment]:
    """Prompts with an answer of random tokens; every third one is bad."""
    random = torch.Generator().manual_seed(seed)
    shapes: list[tuple[int, int | None]] = []
    for _ in range(count):
        lengths = torch.randint(2, 9, (2,), generator=random).tolist()
        shapes += [(lengths[0], None), (lengths[1], len(shapes))]
    segments = segments_of(*shapes, seed=seed)
    for number, segment in enumerate(segments):
        segment.row = number // 2
        answer = segment.parent is not None
        segment.weights = [float(answer)] * len(segment.ids)
        segment.mark = 0 if not answer else -1 if segment.row % 3 == 0 else 1
    return segments


def method(adapter: Lora | Full, batch: int = 60, micro: int = 30, steps: int = 9) -> KtoLearner:
    model = add_adapter(tiny("Llama"), adapter, seed=0)
    install_forest(model)
    policy, segments = Policy(model), answers()
    source = Loader(segments, batch, micro, 0, per_tree=True)
    read = read_references(policy, reference_batches(source, list(in_order(answers(), micro, True)), steps))
    return KtoLearner(policy, source, SETTINGS, marks_by_row(segments), read)


def moved(kto: KtoLearner) -> KtoLearner:
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in kto.policy.trainable().values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=random))
    return kto


@pytest.mark.parametrize("adapter", [Lora(rank=4, alpha=8.0), Full()], ids=["lora", "full"])
def test_the_first_step_begins_at_the_base(adapter: Lora | Full) -> None:
    kto, seen = method(adapter), 0
    for step in range(kto.source.steps_per_epoch):
        for batch in kto.batches(step):
            out = kto.loss(batch)
            good = sum(kto.desirable[row] for row, _ in places_of(batch))
            total, count = out.metrics["loss"]
            assert total == pytest.approx(0.5 * good + 1.0 * (count - good), rel=1e-6)
            for name in ("kl", "accuracy", "reward_good", "reward_bad"):
                assert out.metrics[name][0] == 0.0, f"{name} must be exactly 0"
            out.total.backward()
            seen += int(count)
    assert seen == ANSWERS
    norm = sum(float(p.grad.norm()) for p in kto.policy.trainable().values() if p.grad is not None)
    assert norm > 1e-4, "the first gradient is not zero"


def test_every_prompt_of_a_step_meets_the_answer_of_another_row_of_the_step() -> None:
    source = method(Full()).source
    for step in range(source.steps_per_epoch):
        own = [place for batch in source.step(step) for place in places_of(batch)]
        mixed = [place for batch in mismatched_pairs_of_step(source, step) for place in places_of(batch)]
        assert all(prompt == answer for prompt, answer in own) and all(prompt != answer for prompt, answer in mixed)
        assert [prompt for prompt, _ in mixed] == [prompt for prompt, _ in own]
        assert [answer for _, answer in mixed] == [own[-1][1], *(answer for _, answer in own[:-1])]


def test_a_mismatched_pair_is_the_prompts_tokens_and_the_other_answers() -> None:
    segments = answers()
    source = Loader(segments, 60, 30, 0, per_tree=True)
    batches = list(mismatched_pairs_of_step(source, 0))
    assert batches and all(places_of(batch) for batch in batches)
    for batch in batches:
        ids, places = batch.ids_T.tolist(), places_of(batch)
        flat = [token for prompt, answer in places for token in segments[2 * prompt].ids + segments[2 * answer + 1].ids]
        assert ids == flat
        assert batch.target_N.tolist() == [token for _, answer in places for token in segments[2 * answer + 1].ids]


def test_a_row_that_has_a_step_for_itself_meets_an_answer_of_another_step() -> None:
    source = Loader(answers(), 1, 30, 0, per_tree=True)
    assert source.steps_per_epoch == ANSWERS
    for step in range(2 * ANSWERS):
        mixed = [place for batch in mismatched_pairs_of_step(source, step) for place in places_of(batch)]
        [[own]] = [places_of(batch) for batch in source.step(step)]
        assert own[0] in [prompt for prompt, _ in mixed] and all(prompt != answer for prompt, answer in mixed)


def test_the_loss_of_a_step_does_not_depend_on_how_it_is_cut() -> None:
    found = []
    for micro in (20, 45, 500):
        kto = moved(method(Lora(rank=4, alpha=8.0), batch=80, micro=micro))
        losses = [sum(kto.loss(batch).total.item() for batch in kto.batches(step)) for step in range(2)]
        found.append((*losses, kto.point))
    assert found[0][2] > 0, "the policy is no longer its base"
    assert found[1] == pytest.approx(found[0], rel=1e-4) and found[2] == pytest.approx(found[0], rel=1e-4)


def test_the_validation_has_a_reference_point_of_its_own() -> None:
    kto = moved(method(Lora(rank=4, alpha=8.0)))
    kto.batches(0)
    of_step = kto.point
    losses = [
        mean_loss(kto.policy, kto.loss, kto.validation(list(in_order(answers(), 30, per_tree=True)))) for _ in range(2)
    ]
    of_validation = kto.point
    assert losses[0] == losses[1] and of_validation != of_step
    kto.batches(0)
    assert kto.point == of_step


def test_references_come_back_from_the_folder_as_they_were_read(tmp_path: Path) -> None:
    kto = method(Full())

    def read(key: str) -> dict[tuple[int, int], float]:
        return references(tmp_path / "reference", key, kto.policy, reference_batches(kto.source, [], 9))

    first = read("a")
    moved(kto)
    assert read("a") == first and read("b") != first


def data_of(marks: list[bool], folder: Path) -> Path:
    path = folder / "marked.jsonl"
    words = {True: "Parcel {} is on its way.", False: "No idea, {}."}
    rows = [
        {"prompt": f"Where is parcel {n}?", "completion": words[mark].format(n), "label": mark}
        for n, mark in enumerate(marks)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def trained(marks: list[bool], folder: Path, **keys: Any) -> Run:
    split = {"near_duplicates": False, "test": 0.0, "validation": 0.2}
    asked = load_recipe({"data": str(data_of(marks, folder)), "steps": 4, "split": split, **keys})
    run = Run.create(folder / "runs", asked)
    train(open_session(asked, run, method_of, Silent()), Silent())
    return run


def test_a_run_on_marked_answers_picks_kto_says_why_and_starts_at_the_base(tmp_path: Path) -> None:
    run = trained([n % 5 > 0 for n in range(60)], tmp_path, dtype="float32")
    recipe = load_recipe(run.folder / "recipe.resolved.yaml")
    assert isinstance(recipe.method, Kto)
    reasons = {choice["key"]: choice["reason"] for choice in run.read_json("choices.json")}
    assert "marked good or bad" in reasons["method"] and "good and" in reasons["method.undesirable_weight"]
    assert recipe.method.desirable_weight == 1.0
    assert recipe.method.undesirable_weight == pytest.approx(3.0, rel=0.1), "four good ones to a bad one"
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "kl" in line]
    assert steps[0]["kl"] == steps[0].get("reward_good", 0.0) == steps[0].get("reward_bad", 0.0) == 0.0
    assert steps[0]["grad_norm"] > 0 and (run.folder / "reference").is_dir()


def test_marks_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every answer to learn from is marked good"):
        trained([True] * 40, tmp_path)


@pytest.mark.parametrize("loss", ["simpo", "orpo"])
def test_a_loss_without_a_reference_never_reads_the_base(tmp_path: Path, loss: str) -> None:
    data = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"Where is {n}?", "chosen": f"{n} is here.", "rejected": f"No idea, {n}."} for n in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = {"near_duplicates": False, "test": 0.0, "validation": 0.2}
    asked = load_recipe({"data": str(data), "steps": 3, "split": split, "method": {"kind": "dpo", "loss": loss}})
    run = Run.create(tmp_path / "runs", asked)
    train(open_session(asked, run, method_of, Silent()), Silent())
    assert not (run.folder / "reference").exists()
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line for line in lines if "margin" in line][0]["grad_norm"] > 0
