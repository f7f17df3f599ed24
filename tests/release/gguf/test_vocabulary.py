"""Tokenizers as a GGUF file tells them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.release.gguf.test_families import NANO
from whet.errors import ModelError
from whet.model.gguf.tokenizer import LLAMA3, QWEN2, RULES, SMOLLM
from whet.release.gguf.splitting import rule_name, space_before
from whet.release.gguf.stored_name import stored_name
from whet.release.gguf.vocabulary import read_vocabulary

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}


def split(*patterns: str, last: dict[str, Any] = BYTES, normalizer: Any = None) -> dict[str, Any]:
    steps = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*steps, last]}, "normalizer": normalizer}


@pytest.mark.parametrize("name", ["gpt-2", "smollm", "qwen2", "tekken", "llama-bpe"])
def test_each_rule_that_is_read_is_named_when_written(name: str) -> None:
    composed = {"type": "NFC"} if name == "qwen2" else None
    found, _ = rule_name(split(*RULES[name], normalizer=composed), name in ("tekken", "llama-bpe"))
    assert found is not None and RULES[found] == RULES[name]


def test_other_spellings_of_the_same_rule() -> None:
    digits = {"type": "Digits", "individual_digits": True}
    whole = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    told = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, whole]}, "normalizer": None}
    assert RULES[rule_name(told, False)[0]] == SMOLLM
    possessive = LLAMA3[0].replace(r"\p{N}]?", r"\p{N}]?+").replace(r"\s*[\r\n]+", r"\s*[\r\n]")
    assert RULES[rule_name(split(possessive), False)[0]] == LLAMA3


@pytest.mark.parametrize(
    "told",
    [
        split(r"\w+"),
        split(*QWEN2, last=BYTES | {"add_prefix_space": True}),
        split(*QWEN2, normalizer={"type": "NFKC"}),
        {"pre_tokenizer": None, "normalizer": None},
    ],
)
def test_a_rule_that_llama_cpp_has_not_has_no_name(told: dict[str, Any]) -> None:
    assert rule_name(told, False)[0] is None


def test_the_form_nfc_is_told() -> None:
    assert "NFC" in rule_name(split(*QWEN2, normalizer={"type": "NFC"}), False)[1]


def pieces(tmp_path: Path, prepends: bool, **special: str) -> Path:
    """A tokenizer of SentencePiece's kind."""
    words = ["<unk>", "<s>", "</s>", *[f"<0x{n:02X}>" for n in range(256)], "▁", "a", "b", "ab", "▁ab", "aba"]
    merges = [("a", "b"), ("▁", "ab"), ("ab", "a")]
    core = Tokenizer(models.BPE({w: n for n, w in enumerate(words)}, merges, unk_token="<unk>", byte_fallback=True))
    steps = [normalizers.Prepend("▁")] if prepends else []
    core.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens(["<unk>", "<s>", "</s>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>", **special
    )
    fast.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("prepends", [True, False])
def test_pieces_get_scores_by_the_order_of_merges(prepends: bool, tmp_path: Path) -> None:
    folder = pieces(tmp_path, prepends)
    found = read_vocabulary(folder, "x", 270, [2])
    assert found.kind == "llama" and found.merges is None and found.scores is not None
    scores = dict(zip(found.tokens, found.scores, strict=True))
    assert scores["ab"] > scores["▁ab"] > scores["aba"]
    assert found.keys["add_space_prefix"] is prepends
    assert found.types[0] == 2 and found.types[2] == 3 and found.types[3] == 6 and found.types[-1] == 5
    assert found.tokens[-1] == "[PAD269]"


def test_a_space_at_the_start_alone(tmp_path: Path) -> None:
    told = {"normalizer": None, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first", "split": False}}
    assert space_before(told) == "first"
    assert space_before(told | {"normalizer": {"type": "Lowercase"}}) is None


def test_stops_and_what_llama_cpp_knows_by_itself(tmp_path: Path) -> None:
    found = read_vocabulary(NANO, "nano", 4096, [1])
    assert found.keys["eos_token_id"] == 1 and "eot_token_id" not in found.keys
    more = read_vocabulary(NANO, "nano", 4096, [1, 7, 8])
    assert (more.keys["eot_token_id"], more.keys["eom_token_id"]) == (7, 8)
    with pytest.raises(ModelError, match="4 tokens end its answers"):
        read_vocabulary(NANO, "nano", 4096, [1, 7, 8, 9])
    with pytest.raises(ModelError, match="no token ends"):
        read_vocabulary(NANO, "nano", 4096, [])


def test_an_embedding_with_fewer_rows_than_tokens_is_refused() -> None:
    with pytest.raises(ModelError, match="4,095"):
        read_vocabulary(NANO, "nano", 4095, [1])


@pytest.mark.parametrize("writes", [True, False])
def test_the_first_token_is_put_where_the_template_has_it(writes: bool, tmp_path: Path) -> None:
    from tokenizers import processors

    tokenizer = AutoTokenizer.from_pretrained(NANO)
    tokenizer.add_special_tokens({"bos_token": "<|begin|>"})
    around = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 4096)])
    tokenizer.backend_tokenizer.post_processor = around
    if writes:
        tokenizer.chat_template = "{{- bos_token -}}" + tokenizer.chat_template
    tokenizer.save_pretrained(tmp_path)
    found = read_vocabulary(tmp_path, "x", 4097, [1])
    assert found.keys["add_bos_token"] is writes
    assert any("puts none" in note for note in found.notes) is not writes


def test_a_name_that_llama_cpp_would_take_for_phi() -> None:
    plain = [{"content": "<|end|>", "lstrip": False, "rstrip": False}]
    assert stored_name("my-Phi3-run", plain, []) == "my-phi_3-run"
    swallowing = [plain[0] | {"rstrip": True}]
    assert stored_name("run", swallowing, ["<|end|>"]) is None
    assert stored_name("run", swallowing, ["<unk>", "<s>", "</s>", "<|endoftext|>"]) == "phi-3 run"
    assert stored_name("run", [plain[0] | {"lstrip": True}], []) is None


def test_merges_that_no_score_tells_are_refused(tmp_path: Path) -> None:
    folder = pieces(tmp_path, True)
    told = json.loads((folder / "tokenizer.json").read_text())
    told["model"]["merges"] = [["a", "b"], ["▁", "ab"], ["ab", "a"], ["▁a", "b"]]
    told["model"]["vocab"]["▁a"] = 265
    (folder / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(ModelError, match="two places"):
        read_vocabulary(folder, "x", 270, [2])
