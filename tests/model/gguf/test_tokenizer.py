"""Tokenizers rebuilt from GGUF files give the tokens of the originals, and are refused where they could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests import gguf_files, stories260k
from whet.errors import ModelError
from whet.model.base import base_notes, locate
from whet.model.gguf import proof, tokenizer
from whet.model.gguf.header import read_header

TEXTS = (
    *proof.TEXTS, "line\n\n 12 and  34", "a.b\n\n\nc  ", "it's I'LL we'RE", "1234567", "Ünïcödé—“quotes”…",
    "x" * 40,
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


def opened(path: Path) -> Any:
    return AutoTokenizer.from_pretrained(locate(str(path)))


def original(split: list[Any], **more: Any) -> Tokenizer:
    """BPE over bytes with the words of nano, split as a family does it."""
    words, merges = gguf_files.nano_words()
    pairs = [tuple(merge.split(" ")) for merge in merges]
    core = Tokenizer(models.BPE(vocab={w: n for n, w in enumerate(words)}, merges=pairs, **more))  # type: ignore[arg-type]
    core.pre_tokenizer = pre_tokenizers.Sequence(split)
    core.decoder = decoders.ByteLevel()
    return core


def splits(pre: str) -> list[Any]:
    """As the tokenizer.json of the family's repositories has it, or, for rules without one class, as transformers."""
    if pre == "gpt-2":
        return [pre_tokenizers.ByteLevel(add_prefix_space=False)]
    if pre == "smollm":  # HuggingFaceTB/SmolLM2-135M: tokenizer.json
        return [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    return [
        pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[pre]), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]


@pytest.mark.parametrize("pre", ["gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-r1-qwen", "tekken"])
def test_text_is_split_by_the_rule_that_the_file_names(tmp_path: Path, pre: str) -> None:
    gguf_files.write(tmp_path / "tiny.gguf", pre=pre)
    found, wanted = opened(tmp_path / "tiny.gguf"), original(splits(pre), ignore_merges=pre in tokenizer.WHOLE_WORDS)
    for text in TEXTS:
        assert found(text, add_special_tokens=False)["input_ids"] == wanted.encode(text).ids, text


def test_the_rule_that_llama_cpp_falls_back_on_is_its_own_and_is_told(tmp_path: Path) -> None:
    gguf_files.write(tmp_path / "tiny.gguf", pre="default")
    split = opened(tmp_path / "tiny.gguf").backend_tokenizer.pre_tokenizer.pre_tokenize_str("it's 1234567 (a)=b")
    assert "_".join(piece.replace("Ġ", " ") for piece, _ in split) == "it_'_s_ _123_456_7_ _(_a_)=_b"
    assert "llama.cpp's own rule" in base_notes(str(tmp_path / "tiny.gguf"))[0]
    gguf_files.write(tmp_path / "tiny.gguf", edit=lambda writer: writer.kv_data[0].pop("tokenizer.ggml.pre"))
    with pytest.raises(ModelError, match="not named in it"):
        locate(str(tmp_path / "tiny.gguf"))


def test_a_begin_token_is_added_where_the_file_says_so(tmp_path: Path) -> None:
    def edit(writer: Any) -> None:
        writer.kv_data[0].pop("tokenizer.ggml.add_bos_token")
        writer.add_add_bos_token(True)
        writer.add_bos_token_id(2)

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    found = opened(tmp_path / "tiny.gguf")
    assert found.bos_token_id == 2 and found("Hello")["input_ids"][0] == 2


def test_marks_stay_whole_and_unused_tokens_are_left_out(tmp_path: Path) -> None:
    def edit(writer: Any) -> None:
        words = writer.kv_data[0].pop("tokenizer.ggml.tokens").value
        types = writer.kv_data[0].pop("tokenizer.ggml.token_type").value
        words[-3:], types[-3:] = ["<think>", "<｜mark｜>", "[PAD4095]"], [4, 3, 5]
        writer.add_token_list(words)
        writer.add_token_types(types)
        merges = writer.kv_data[0].pop("tokenizer.ggml.merges").value
        known = set(words)
        writer.add_token_merges([merge for merge in merges if merge.replace(" ", "") in known])

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    found = opened(tmp_path / "tiny.gguf")
    rows = len(gguf_files.nano_words()[0])
    assert found("a<think>b<｜mark｜>", add_special_tokens=False)["input_ids"][1::2] == [rows - 3, rows - 2]
    assert found.decode([rows - 3, rows - 2]) == "<think><｜mark｜>"
    assert "[PAD4095]" not in found.get_vocab() and len(found) == rows - 1


@pytest.mark.parametrize("types", ["missing", "all ordinary"])
def test_a_template_whose_marks_would_be_cut_is_refused(tmp_path: Path, types: str) -> None:
    def edit(writer: Any) -> None:
        given = writer.kv_data[0].pop("tokenizer.ggml.token_type").value
        if types == "all ordinary":
            writer.add_token_types([1] * len(given))

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    words = "which tokens are marks" if types == "missing" else r"cuts the mark '<\|\w+\|>' into pieces"
    with pytest.raises(ModelError, match=words):
        locate(str(tmp_path / "tiny.gguf"))


def test_without_a_template_types_may_be_missing(tmp_path: Path) -> None:
    def edit(writer: Any) -> None:
        for key in ("tokenizer.ggml.token_type", "tokenizer.chat_template"):
            writer.kv_data[0].pop(key)

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    assert opened(tmp_path / "tiny.gguf").chat_template is None


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("normalizer.lowercase", True, False),
        ("remove_extra_whitespaces", True, False),
        ("remove_extra_whitespaces", False, True),
        ("fim_pre_token_id", 5, True),
        ("eot_token_ids", 5, False),
    ],
)
def test_a_key_that_changes_text_and_is_not_understood_is_refused(
    tmp_path: Path, key: str, value: Any, read: bool
) -> None:
    def edit(writer: Any) -> None:
        add = writer.add_bool if isinstance(value, bool) else writer.add_uint32
        add(f"tokenizer.ggml.{key}", value)

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    if read:
        locate(str(tmp_path / "tiny.gguf"))
        return
    with pytest.raises(ModelError, match=f"it sets tokenizer.ggml.{key}, which is not understood"):
        locate(str(tmp_path / "tiny.gguf"))


@pytest.mark.parametrize("pre", ["tekken", "llama-bpe", "gpt-2"])
def test_a_file_that_does_not_say_gets_the_begin_token_that_llama_cpp_adds(tmp_path: Path, pre: str) -> None:
    """llama-vocab.cpp sets add_bos for Llama 3's rule and for tekken, and not for the plain BPE."""

    def edit(writer: Any) -> None:
        writer.kv_data[0].pop("tokenizer.ggml.add_bos_token")
        writer.add_bos_token_id(2)

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit, pre=pre)
    assert (opened(tmp_path / "tiny.gguf")("Hello")["input_ids"][0] == 2) == (pre != "gpt-2")


def test_templates_by_name_are_kept(tmp_path: Path) -> None:
    tools = gguf_files.TEMPLATE + "{{ tools }}"
    gguf_files.write(
        tmp_path / "tiny.gguf", edit=lambda writer: writer.add_string("tokenizer.chat_template.tool_use", tools)
    )
    assert opened(tmp_path / "tiny.gguf").chat_template == {"default": gguf_files.TEMPLATE, "tool_use": tools}


def stories(path: Path, data_dir: Path, edit: Any = None) -> PreTrainedTokenizerFast:
    """llama2.c's stories260K as GGUF, and its own tokenizer: SentencePiece with scores."""
    config, weights = stories260k.read_checkpoint(data_dir / "stories260K" / "stories260K.bin")
    own = stories260k.read_tokenizer(data_dir / "stories260K" / "tok512.bin")
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM(config)
    model.load_state_dict(weights)
    model.tie_weights()
    own.backend_tokenizer.pre_tokenizer = None  # type: ignore[assignment]
    own.backend_tokenizer.normalizer = normalizers.Sequence(  # meta-llama/Llama-2-7b-hf: tokenizer.json
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    words = sorted(own.get_vocab(), key=own.get_vocab().__getitem__)
    merged = {left + right: rank for rank, (left, right) in reversed([*enumerate(merges_of(own))])}

    def described(writer: Any) -> None:
        for key in [key for key in writer.kv_data[0] if key.startswith("tokenizer.")]:
            writer.kv_data[0].pop(key)
        writer.add_tokenizer_model("llama")
        writer.add_token_list(words)
        writer.add_token_scores([-float(merged.get(word, 10**6)) for word in words])
        writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * (len(words) - 259)])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        if edit:
            edit(writer)

    gguf_files.write(path, kind="F32", model=model, edit=described)
    return own


def merges_of(own: PreTrainedTokenizerFast) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(own.backend_tokenizer.to_str())["model"]["merges"]]


def test_sentencepiece_by_scores(tmp_path: Path, data_dir: Path) -> None:
    own = stories(tmp_path / "stories.gguf", data_dir)
    found = opened(tmp_path / "stories.gguf")
    for text in (*TEXTS, "Once upon a time, there was a little girl named Lily."):
        assert found(text)["input_ids"] == own(text)["input_ids"], text
        assert found.decode(found(text)["input_ids"], skip_special_tokens=True) == text
    assert found("a")["input_ids"][0] == found.bos_token_id == 1
    assert "a space before the text behind each mark" in base_notes(str(tmp_path / "stories.gguf"))[0]


def test_sentencepiece_puts_a_space_before_each_stretch_of_text(tmp_path: Path, data_dir: Path) -> None:
    """As llama.cpp does (add_space_prefix && is_prev_special), and the tokenizer.json of Llama 2 and TinyLlama."""
    own = stories(tmp_path / "stories.gguf", data_dir)
    found = opened(tmp_path / "stories.gguf")
    once, lily = (found(text, add_special_tokens=False)["input_ids"] for text in ("Once", "Lily"))
    assert found.convert_ids_to_tokens([once[0], lily[0]]) == ["▁Once", "▁Lily"]
    assert found("<s>Once</s>Lily", add_special_tokens=False)["input_ids"] == [1, *once, 2, *lily]
    for text in ("<s>Once</s>Lily", "<s> Once</s>\nLily</s></s>", " Once", "Once<s>"):
        assert found(text)["input_ids"] == own(text)["input_ids"], text


def test_sentencepiece_with_a_template_whose_marks_stand_within_a_text(tmp_path: Path, data_dir: Path) -> None:
    template = "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}"
    stories(tmp_path / "stories.gguf", data_dir, lambda writer: writer.add_chat_template(template))
    assert opened(tmp_path / "stories.gguf").chat_template == template


def test_sentencepiece_without_a_first_space(tmp_path: Path, data_dir: Path) -> None:
    stories(tmp_path / "stories.gguf", data_dir, lambda writer: writer.add_add_space_prefix(False))
    found = opened(tmp_path / "stories.gguf")
    assert found.decode(found("  a b", add_special_tokens=False)["input_ids"]) == "  a b"
    assert found("time", add_special_tokens=False)["input_ids"] != found(" time", add_special_tokens=False)["input_ids"]


def test_a_tokenizer_that_does_not_give_back_what_it_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf_files.write(tmp_path / "tiny.gguf")
    monkeypatch.setattr(tokenizer.decoders, "ByteLevel", decoders.Fuse)
    with pytest.raises(ModelError, match="does not give back what it read"):
        locate(str(tmp_path / "tiny.gguf"))


def test_a_template_whose_words_do_not_come_back_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the fixed texts do: what a template writes may begin and end otherwise."""
    right = proof.Proof.written
    monkeypatch.setattr(proof.Proof, "written", lambda self, ids: right(self, ids).replace("kind", " kind"))
    gguf_files.write(tmp_path / "tiny.gguf")
    with pytest.raises(ModelError, match="what its chat template writes does not come back from its tokens"):
        locate(str(tmp_path / "tiny.gguf"))


def test_a_vocabulary_without_the_texts_is_refused(tmp_path: Path) -> None:
    def edit(writer: Any) -> None:
        words = writer.kv_data[0].pop("tokenizer.ggml.tokens").value
        writer.add_token_list([f"Ω{n}" for n in range(len(words))])
        writer.kv_data[0].pop("tokenizer.ggml.merges")
        writer.add_token_merges(["Ω1 Ω2"])

    gguf_files.write(tmp_path / "tiny.gguf", edit=edit)
    assert read_header(tmp_path / "tiny.gguf").architecture == "llama"
    with pytest.raises(ModelError, match="joins what is no token"):
        locate(str(tmp_path / "tiny.gguf"))
