"""A damaged or hostile GGUF file gives one clear error, soon, and leaves nothing behind."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import gguf_files
from whet.errors import ModelError
from whet.model.base import locate
from whet.model.gguf.header import read_header
from whet.recipe.bases import refuse_missing_base
from whet.store.home import cache_home

HEAD = struct.Struct("<4sIQQ")
HUGE = 1 << 60


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHET_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "tiny.gguf"
    gguf_files.write(path)
    return path.read_bytes()


def told(path: Path, content: bytes) -> str:
    """The refusal of a file with this content, which must come at once and leave nothing in the cache."""
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(ModelError) as caught:
        locate(str(path))
    assert time.monotonic() - began < 5
    assert not [one for one in cache_home().rglob("*") if one.is_file() and one.suffix != ".lock"]
    assert not list(cache_home().rglob("*.tmp"))
    text = str(caught.value)
    assert "fix: " in text and "should not have happened" not in text
    return text


def counts(tensors: int, keys: int) -> bytes:
    return HEAD.pack(b"GGUF", 3, tensors, keys)


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a huge count of keys": (counts(0, HUGE), "keys, for which it is too short"),
    "a huge count of tensors": (counts(HUGE, 0), "tensors, for which it is too short"),
    "a huge name": (counts(0, 1) + struct.pack("<Q", HUGE) + bytes(40), "cannot be .* bytes long"),
    "a huge text": (counts(0, 1) + key(b"a", 8, struct.pack("<Q", HUGE)) + bytes(40), "cannot be .* bytes long"),
    "a huge list": (counts(0, 1) + key(b"a", 9, struct.pack("<IQ", 0, HUGE)) + bytes(40), "values in a, for which"),
    "a list of lists": (counts(0, 1) + key(b"a", 9, struct.pack("<IQ", 9, 2)) + bytes(40), "unknown type 9"),
    "an unknown value": (counts(0, 1) + key(b"a", 77, bytes(40)), "unknown type 77"),
    "no text": (counts(0, 1) + key(b"a", 8, struct.pack("<Q", 2) + b"\xff\xfe") + bytes(40), "no UTF-8"),
    "one key twice": (counts(0, 2) + key(b"a", 0, b"1") * 2 + bytes(40), "'a' stands in it twice"),
    "no architecture": (counts(0, 0) + bytes(40), "does not name its architecture"),
    "an old version": (HEAD.pack(b"GGUF", 1, 0, 0), "version 1"),
    "another byte order": (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "another byte order"),
    "a head alone": (b"GGUF", "ends within the version"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_head_is_refused_at_once(tmp_path: Path, name: str) -> None:
    content, wanted = HOSTILE[name]
    with pytest.raises(ModelError, match=wanted):
        (tmp_path / "bad.gguf").write_bytes(content)
        read_header(tmp_path / "bad.gguf")
    told(tmp_path / "bad.gguf", content)


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.02, 0.2, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut_off(tmp_path: Path, whole: bytes, share: float) -> None:
    assert "cut off" in told(tmp_path / "cut.gguf", whole[: max(5, int(share * len(whole)))]).replace(
        "for which it is too short", "cut off"
    )


def test_every_flipped_byte_of_the_head_is_refused_or_harmless(tmp_path: Path, whole: bytes) -> None:
    """No byte brings anything but a refusal, or a header."""
    path = tmp_path / "flipped.gguf"
    for at in range(4, 1500, 7):
        content = bytearray(whole)
        content[at] ^= 0xFF
        path.write_bytes(content)
        try:
            read_header(path)
        except ModelError as error:
            assert "fix: " in str(error)


def test_what_is_no_gguf_is_known_before_anything_heavy(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for content in (b"", b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="no GGUF file"):
            refuse_missing_base(str(path))
    with pytest.raises(ModelError, match="no such GGUF file.*\n.*hf download"):
        refuse_missing_base(str(tmp_path / "gone.gguf"))


def test_weights_without_the_suffix_are_known_by_their_first_bytes(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "0123abcd").write_bytes(whole)
    assert locate(str(tmp_path / "0123abcd")).startswith(str(cache_home()))


def patched(whole: bytes, old: bytes, new: bytes) -> bytes:
    assert old in whole and len(old) == len(new)
    return whole.replace(old, new)


def of_tensor(name: bytes, *, kind: int | None = None, rows: int | None = None) -> Callable[[bytes], bytes]:
    """Another type or shape in the table of tensors."""

    def edit(whole: bytes) -> bytes:
        at = whole.index(struct.pack("<Q", len(name)) + name) + 8 + len(name)
        (count,) = struct.unpack_from("<I", whole, at)
        content = bytearray(whole)
        if rows is not None:
            struct.pack_into("<Q", content, at + 4, rows)
        if kind is not None:
            struct.pack_into("<I", content, at + 4 + 8 * count, kind)
        return bytes(content)

    return edit


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "an unknown quantisation": (of_tensor(b"blk.0.attn_q.weight", kind=99), "type 99, which the package gguf"),
    "a tensor beyond the end": (of_tensor(b"token_embd.weight", rows=1 << 20), "cut off"),
    "a tensor of no size": (of_tensor(b"token_embd.weight", rows=0), "cannot have the shape"),
    "another shape": (of_tensor(b"blk.0.attn_q.weight", rows=32), "has the shape"),
    "no whole blocks": (of_tensor(b"output_norm.weight", kind=8, rows=60), "whole blocks"),
    "a tensor out of its folder": (
        lambda whole: patched(whole, b"blk.0.attn_q.weight", b"../../../etc/passwd"),
        "'../../../etc/passwd', which no llama model has",
    ),
    "an unknown architecture": (
        lambda whole: patched(whole, struct.pack("<Q", 5) + b"llama", struct.pack("<Q", 5) + b"../.."),
        r"GGUF files are read of llama \(Llama, SmolLM, Mistral and others\), qwen2, qwen3",
    ),
    "a number that is none": (lambda whole: whole[:-64] + b"\x00\x00\xc0\x7f" * 16, "holds what is no number"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_file_says_of_its_tensors_is_checked(tmp_path: Path, whole: bytes, name: str) -> None:
    edit, wanted = WRONG[name]
    assert re.search(wanted, told(tmp_path / "wrong.gguf", edit(whole)))


EDITS: dict[str, tuple[Callable[[Any], object], str]] = {
    "experts": (lambda writer: writer.add_expert_count(8), "mixture of experts"),
    "a key that is not understood": (lambda writer: writer.add_uint32("llama.new_trick", 1), "llama.new_trick"),
    "positions by yarn": (lambda writer: writer.add_string("llama.rope.scaling.type", "yarn"), "the rule 'yarn'"),
    "heads of two sizes": (lambda writer: writer.add_value_length(8), "attention.value_length is 8"),
    "half of the heads turned": (lambda writer: writer.add_rope_dimension_count(8), "rope.dimension_count is 8"),
    "one of several parts": (lambda writer: writer.add_uint16("split.count", 3), "one of 3 parts"),
    "a mark beyond the tokens": (lambda writer: writer.add_bos_token_id(10**6), "bos_token_id is 1,000,000"),
    "another number of types": (lambda writer: writer.add_token_types([1, 2, 3]), "types of 3"),
    "a rule of splitting unknown": (lambda writer: writer.add_tokenizer_pre("gpt-3"), "did you mean 'gpt-2'"),
    "a tokenizer of another kind": (lambda writer: writer.add_tokenizer_model("bert"), "of the kind 'bert'"),
    "merges of other tokens": (lambda writer: writer.add_token_merges(["zzzz yyyy"]), "joins what is no token"),
    "more layers than tensors": (lambda writer: writer.add_block_count(10**9), "1,000,000,000 layers"),
    "a template that leaves its folder": (
        lambda writer: writer.add_string("tokenizer.chat_template.../../../evil", "x"),
        "has no proper name",
    ),
    "a template that is no text": (lambda writer: writer.add_uint32("tokenizer.chat_template", 7), "or is no text"),
    "a size of the wrong type": (lambda writer: writer.add_string("llama.context_length", "long"), "'long'"),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_not_understood_is_refused(tmp_path: Path, name: str) -> None:
    edit, wanted = EDITS[name]

    def change(writer: Any) -> None:
        known = writer.kv_data[0]
        before = dict(known)
        known.clear()
        edit(writer)  # a key may be set once only
        writer.kv_data[0] = before | known

    gguf_files.write(tmp_path / "made.gguf", edit=change)
    content = (tmp_path / "made.gguf").read_bytes()
    assert wanted in told(tmp_path / "made.gguf", content)


@pytest.mark.parametrize("key", ["model", "tokens", "merges"])
def test_a_missing_tokenizer(tmp_path: Path, key: str) -> None:
    gguf_files.write(tmp_path / "made.gguf", edit=lambda writer: writer.kv_data[0].pop(f"tokenizer.ggml.{key}"))
    assert "tokenizer is missing" in told(tmp_path / "made.gguf", (tmp_path / "made.gguf").read_bytes())


@pytest.mark.parametrize("name", ["blk.1.ffn_up.weight", "token_embd.weight", "output_norm.weight"])
def test_a_missing_tensor(tmp_path: Path, name: str) -> None:
    gguf_files.write(tmp_path / "made.gguf", drop=name)
    assert f"{name!r} is missing" in told(tmp_path / "made.gguf", (tmp_path / "made.gguf").read_bytes())
