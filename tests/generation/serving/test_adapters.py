"""Adapters share a batch, and each row is answered by its own: PEFT's numbers, whatever leaves or comes."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.generation.serving.adapter_folders import ALL, FILE, change, save_adapter, save_signatures
from tests.generation.serving.writing import answer, asked, finish, prompts
from whet.errors import InputError, ModelError, RunFolderError
from whet.generation.engine import Sampling, generate
from whet.generation.serving import adapter_columns
from whet.generation.serving.adapter_bank import AdapterBank
from whet.generation.serving.open_batch import OpenBatch
from whet.model.adapter import load_adapter
from whet.model.base import Base
from whet.store.atomic import sha256_file

FORMS: dict[str, dict[str, Any]] = {
    "all": {},
    "rank 16": {"r": 16, "lora_alpha": 8},
    "attention": {"target_modules": ["q_proj", "v_proj"], "use_rslora": True},
    "one layer": {"target_modules": ["down_proj", "k_proj"], "layers_to_transform": [2]},
    "patterns": {"rank_pattern": {"v_proj": 7, r"layers\.1\.mlp\.up_proj": 2}, "alpha_pattern": {"o_proj": 3.0}},
    "dropout": {"lora_dropout": 0.3},
}
"""Ranks, scales, targets and layers differ between adapters of one batch."""


def test_mixed_rows_are_answered_as_by_peft_alone(base: Base, tmp_path: Path) -> None:
    batch = OpenBatch(base, slots=7, capacity=64)
    batch.read_at_once = 24
    given = prompts([5, 30, 9])
    expected: dict[str | None, list[list[int]]] = {}
    for seed, (name, config) in enumerate(FORMS.items()):
        folder = save_adapter(base.model, tmp_path / name, seed, 0.1, **config)
        batch.load_adapter(name, folder)
        adapted = load_adapter(base.model, folder)
        expected[name] = [one.ids for one in generate(adapted, base.tokenizer, given, frozenset(), Sampling(8))]
        adapted.unload()
    plain = generate(base.model, base.tokenizer, given, frozenset(), Sampling(8))
    expected[None] = [one.ids for one in plain]
    assert len({tuple(answers[0]) for answers in expected.values()}) == len(FORMS) + 1

    order = [(name, number) for name in expected for number in range(len(given))] * 2
    random.Random(3).shuffle(order)
    handles = {batch.enter(asked(given[number], new=8, adapter=name)): (name, number) for name, number in order}
    for handle, tokens in finish(batch).items():
        name, number = handles[handle]
        assert [token.token for token in tokens] == expected[name][number], (name, number)
    assert not batch.bank.places


def test_wide_layers_in_parts_are_the_same(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, other = save_adapter(base.model, tmp_path / "a", 1, 0.1), save_adapter(base.model, tmp_path / "b", 2, 0.1)
    (prompt,) = prompts([12])
    found = []
    for wide in (0, 100_000):
        monkeypatch.setattr(adapter_columns, "WIDE", wide)
        batch = OpenBatch(base, slots=4, capacity=64)
        batch.load_adapter("a", folder)
        batch.load_adapter("b", other)
        handles = [batch.enter(asked(prompt, adapter=name)) for name in ("a", None, "b", "a")]
        written = finish(batch)
        found.append([[token.token for token in written[handle]] for handle in handles])
        parts = [columns.number for columns in batch.bank.columns[:4]]
        assert parts == ([4, 1, 2, 1] if wide == 0 else [1, 1, 1, 1])
    assert found[0] == found[1] and found[0][0] != found[0][1] != found[0][2]


def test_many_rows_of_one_adapter_get_further_places(base: Base, tmp_path: Path) -> None:
    batch = OpenBatch(base, slots=12, capacity=64)
    for seed, name in enumerate("abcd"):
        batch.load_adapter(name, save_adapter(base.model, tmp_path / name, seed, 0.1))
    given = prompts([6] * 12)
    names = ["a"] * 9 + ["b", "c", "d"]
    expected = [answer(batch, asked(prompt, adapter=name)) for prompt, name in zip(given, names, strict=True)]
    handles = [batch.enter(asked(prompt, adapter=name)) for prompt, name in zip(given, reversed(names), strict=True)]
    while batch.waiting:
        batch.advance()
    rows = sorted((place.rows for place in batch.bank.places), reverse=True)
    assert sum(rows) == 12 and len(rows) > 4 and rows[0] < 9
    for handle in handles:
        batch.leave(handle)
    handles = [batch.enter(asked(prompt, adapter=name)) for prompt, name in zip(given, names, strict=True)]
    written = finish(batch)
    assert [[token.token for token in written[handle]] for handle in handles] == expected


def test_an_adapter_that_left_memory_is_read_again(base: Base, tmp_path: Path) -> None:
    folders = {name: save_adapter(base.model, tmp_path / name, seed, 0.1) for seed, name in enumerate("abc")}
    batch = OpenBatch(base, slots=2, capacity=64)
    for name, folder in folders.items():
        batch.load_adapter(name, folder)
    (prompt,) = prompts([6])
    expected = {name: answer(batch, asked(prompt, adapter=name)) for name in folders}
    assert len(set(map(tuple, expected.values()))) == 3 and batch.shelf.reads == 3

    one = next(iter(batch.shelf.in_memory.values())).weights
    assert one is not None
    batch.shelf.budget = 2 * one.size
    batch.load_adapter("a", folders["a"], pinned=True)
    for turn in range(6):
        name = "abc"[turn % 3]
        assert answer(batch, asked(prompt, adapter=name)) == expected[name]
        held = {entry.name for entry in batch.shelf.in_memory.values()}
        assert held == {"a", name} if name != "a" else "a" in held, "a is pinned, of the others the last one stays"
    assert batch.shelf.reads > 5


def test_requests_that_wait_keep_their_adapter(base: Base, tmp_path: Path) -> None:
    batch = OpenBatch(base, slots=1, capacity=64, adapter_bytes=0)
    for seed, name in enumerate("abc"):
        batch.load_adapter(name, save_adapter(base.model, tmp_path / name, seed, 0.1))
    (prompt,) = prompts([6])
    expected = {name: answer(batch, asked(prompt, adapter=name)) for name in "abc"}
    assert not batch.shelf.in_memory
    handles = {batch.enter(asked(prompt, adapter=name)): name for name in "abcabc"}
    shutil.rmtree(tmp_path)
    for handle, tokens in finish(batch).items():
        assert [token.token for token in tokens] == expected[handles[handle]]
    with pytest.raises(ModelError, match="cannot be read"):
        batch.enter(asked(prompt, adapter="a"))


def test_weights_that_changed_on_disk_are_not_served_unproved(base: Base, tmp_path: Path) -> None:
    folder = save_adapter(base.model, tmp_path / "a", 0, 0.1)
    batch = OpenBatch(base, slots=1, capacity=64, adapter_bytes=0)
    batch.load_adapter("a", folder)
    (prompt,) = prompts([6])
    before = answer(batch, asked(prompt, adapter="a"))
    save_adapter(base.model, folder, 1, 0.1)
    with pytest.raises(ModelError, match="have changed since"):
        batch.enter(asked(prompt, adapter="a"))
    batch.load_adapter("a", folder)
    assert answer(batch, asked(prompt, adapter="a")) != before


def test_a_name_that_is_given_anew_or_dropped_does_not_touch_answers_under_way(base: Base, tmp_path: Path) -> None:
    batch = OpenBatch(base, slots=2, capacity=64)
    old, new = save_adapter(base.model, tmp_path / "old", 1, 0.1), save_adapter(base.model, tmp_path / "new", 2, 0.1)
    (prompt,) = prompts([6])
    batch.load_adapter("x", old)
    first = answer(batch, asked(prompt, adapter="x"))
    handles = [batch.enter(asked(prompt, adapter="x")) for _ in range(3)]
    batch.advance()
    batch.load_adapter("x", new)
    later = batch.enter(asked(prompt, adapter="x"))
    batch.drop_adapter("x")
    written = {handle: [token.token for token in tokens] for handle, tokens in finish(batch).items()}
    assert [first[:1] + written[handle] if len(written[handle]) < 12 else written[handle] for handle in handles] == [
        first
    ] * 3
    assert len(written[later]) == 12 and written[later] != first
    assert not batch.shelf.in_memory, "nobody needs them any more"
    with pytest.raises(InputError, match="no adapter of this name"):
        batch.drop_adapter("x")


def test_nothing_of_a_load_is_left_in_the_base(base: Base, batch: OpenBatch, tmp_path: Path) -> None:
    (prompt,) = prompts([9])
    before = answer(batch, asked(prompt))
    names = [name for name, _ in base.model.named_parameters()]
    handle = batch.enter(asked(prompt))
    batch.advance()
    batch.load_adapter("a", save_adapter(base.model, tmp_path / "a", 0, 0.1))
    assert [token.token for token in finish(batch)[handle]] == before[1:]
    assert [name for name, _ in base.model.named_parameters()] == names
    assert generate(base.model, base.tokenizer, [prompt], frozenset(), Sampling(12))[0].ids == before


@pytest.mark.parametrize("size", [0.1, 0.01])
def test_an_adapter_that_is_read_otherwise_than_by_peft_is_not_served(
    base: Base, batch: OpenBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: float
) -> None:
    """A scale that is off by a tenth, of a strong adapter and of one that changes little."""
    own = AdapterBank.pack

    def off(bank: AdapterBank, factors: Any) -> Any:
        changed = {
            number: [one and (one[0], one[1], one[2] * 1.1) for one in group] for number, group in factors.items()
        }
        return own(bank, changed)

    folder = save_adapter(base.model, tmp_path / "a", 0, size)
    monkeypatch.setattr(AdapterBank, "pack", off)
    with pytest.raises(ModelError, match=r"differ by .* from PEFT's"):
        batch.load_adapter("a", folder)
    with pytest.raises(InputError, match="no adapter of this name"):
        batch.enter(asked([5, 6], adapter="a"))
    assert not batch.bank.places and not batch.shelf.in_memory


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules that were trained whole"),
        ({"bias": "all"}, "trained biases"),
        ({"lora_bias": True}, "a bias of its own"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"target_modules": [*ALL, "embed_tokens"]}, "embed_tokens"),
    ],
)
def test_what_cannot_share_a_batch_is_refused_with_a_way_out(
    base: Base, batch: OpenBatch, tmp_path: Path, config: dict[str, Any], words: str
) -> None:
    folder = save_adapter(base.model, tmp_path / "a", 0, 0.1, **config)
    with pytest.raises(ModelError, match=rf"(?s){words}.*--engine-url"):
        batch.load_adapter("a", folder)


def test_what_is_no_adapter_of_this_base_is_refused(base: Base, batch: OpenBatch, tmp_path: Path) -> None:
    folder = save_adapter(base.model, tmp_path / "a", 0, 0.1)
    tensors = load_file(folder / FILE)
    name = sorted(tensors)[0]
    save_file({**tensors, name: torch.zeros(4, 7)}, folder / FILE)
    with pytest.raises(ModelError, match="does not fit this base"):
        batch.load_adapter("a", folder)
    (folder / FILE).write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read"):
        batch.load_adapter("a", folder)
    (folder / "adapter_config.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="no JSON"):
        batch.load_adapter("a", folder)
    with pytest.raises(ModelError, match=r"adapter_config.json is missing"):
        batch.load_adapter("a", tmp_path)


def test_a_run_s_adapter_of_another_base_or_with_other_weights_is_refused(
    base: Base, batch: OpenBatch, tmp_path: Path
) -> None:
    folder = save_adapter(base.model, tmp_path / "a", 0, 0.1)
    facts = dict.fromkeys(("adapter", "dtype", "seed", "from_scratch", "clock", "golden_prompt", "golden_ids"), "")
    facts |= {"base": "nano", "base_fingerprint": base.fingerprint}
    sums = {FILE: sha256_file(folder / FILE)}
    (folder / "whet.json").write_text(json.dumps({**facts, "weights_sha256": sums}), "utf-8")
    batch.load_adapter("a", folder)

    (folder / "whet.json").write_text(json.dumps({**facts, "weights_sha256": {FILE: "0" * 64}}), "utf-8")
    with pytest.raises(RunFolderError):
        batch.load_adapter("b", folder)
    other = {**facts, "base_fingerprint": "another", "weights_sha256": sums}
    (folder / "whet.json").write_text(json.dumps(other), "utf-8")
    with pytest.raises(ModelError, match="has other weights than when this model was trained on it"):
        batch.load_adapter("b", folder)


def test_names_in_a_config_do_not_make_another_form(base: Base, batch: OpenBatch, tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        folder = save_adapter(base.model, tmp_path / name, seed, 0.1)
        batch.load_adapter(name, change(folder, base_model_name_or_path=name, target_modules=ALL[:: 1 - 2 * seed]))
    assert len(batch.shelf.forms) == 1


def sign(base: Base, folder: Path, adapters: int, requests: int) -> None:
    """Every adapter writes its own token; half of them fit into memory."""
    batch = OpenBatch(base, slots=16, capacity=32)
    folders = save_signatures(base, folder, adapters)
    for token, path in folders.items():
        batch.load_adapter(str(token), path)
    one = next(iter(batch.shelf.in_memory.values())).weights
    assert one is not None
    batch.shelf.budget = one.size * adapters // 2

    chosen = random.Random(5)
    signed: dict[int, int] = {}
    answered = wrong = 0
    tokens = list(folders)
    while answered < requests:
        while batch.waiting < 8 and answered + batch.waiting + batch.running < requests:
            token = chosen.choice(tokens)
            prompt = [chosen.randrange(5, 4096) for _ in range(chosen.randrange(1, 7))]
            signed[batch.enter(asked(prompt, new=chosen.randrange(1, 4), adapter=str(token)))] = token
        for written in batch.advance():
            wrong += written.token != signed[written.request]
            answered += written.end is not None
    assert not wrong
    assert batch.shelf.reads > adapters + requests // 10, "adapters left and came back"


def test_no_request_is_answered_by_a_wrong_adapter(base: Base, tmp_path: Path) -> None:
    sign(base, tmp_path, adapters=12, requests=300)


@pytest.mark.slow
def test_thousands_of_requests_are_all_answered_by_the_right_adapter(base: Base, tmp_path: Path) -> None:
    sign(base, tmp_path, adapters=40, requests=5_000)
