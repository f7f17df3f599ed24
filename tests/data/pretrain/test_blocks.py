"""Pre-training data: the file of tokens says what the documents say, and blocks cover it exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from whet.data.batches.forest import build_batch
from whet.data.pretrain import blocks
from whet.data.pretrain.blocks import BlockLoader, cache_key, open_tokens, read_through, write_tokens
from whet.data.pretrain.corpus import prepare_corpus
from whet.data.render.encoding import Document
from whet.errors import DataError, DiskFullError
from whet.recipe.load import load_recipe
from whet.types import Segment


def test_documents_come_back_from_the_tokens(make_tokenizer, tmp_path: Path) -> None:
    tokenizer = make_tokenizer(None, [], eos="</s>", bos="<s>", adds_bos=True)
    documents = [Document("Hello, Ulm.\n"), Document("<s>chat</s>", framed=True), Document("Zwei: äöü 🙂")]
    count = write_tokens(documents, tokenizer, tmp_path / "a" / "t.bin")
    tokens = open_tokens(tmp_path / "a" / "t.bin", len(tokenizer))
    assert len(tokens) == count and tokens.dtype == np.uint16
    assert tokenizer.decode(tokens.tolist()) == "<s>Hello, Ulm.\n</s><s>chat</s><s>Zwei: äöü 🙂</s>"
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["t.bin"]


def test_a_long_document_is_one_document(make_tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PIECE_CHARACTERS", 50)
    tokenizer = make_tokenizer(None, [], eos="</s>", bos="<s>", adds_bos=True)
    text = "A line of text that is here.\nAnother one, \n\n and no break" + "x" * 300 + "\nend"
    write_tokens([Document(text), Document("b")], tokenizer, tmp_path / "t.bin")
    assert tokenizer.decode(open_tokens(tmp_path / "t.bin", len(tokenizer)).tolist()) == f"<s>{text}</s><s>b</s>"


def test_many_documents_stream_through_in_chunks(make_tokenizer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "CHUNK_DOCUMENTS", 100)
    tokenizer = make_tokenizer(None, [], eos="</s>")
    drawn = 0

    def documents():
        nonlocal drawn
        for number in range(1234):
            drawn = number
            yield Document(f"Document {number}.")

    sizes: list[int] = []
    real = blocks._tokenise
    monkeypatch.setattr(blocks, "_tokenise", lambda chunk, encoder: (sizes.append(drawn), real(chunk, encoder))[1])
    write_tokens(documents(), tokenizer, tmp_path / "t.bin")
    text = tokenizer.decode(open_tokens(tmp_path / "t.bin", len(tokenizer)).tolist())
    assert text == "".join(f"Document {number}.</s>" for number in range(1234))
    assert len(sizes) > 5 and sizes[0] < 200, "tokenised while it is read"


def test_a_flipped_bit_in_cached_tokens_is_not_read(make_tokenizer, tmp_path: Path) -> None:
    data = tmp_path / "text.txt"
    data.write_text("One line of text that is long enough to be cut into blocks.\n" * 40)
    asked = load_recipe({"data": str(data), "method": "pretrain"})
    tokenizer = make_tokenizer(None, [], eos="</s>")
    first = prepare_corpus(asked, tokenizer, cache=tmp_path / "cache").train.tolist()
    [path] = (tmp_path / "cache").glob("*/trained.bin")
    stored = path.read_bytes()
    path.write_bytes(bytes([stored[0] ^ 1]) + stored[1:])
    assert prepare_corpus(asked, tokenizer, cache=tmp_path / "cache").train.tolist() == first
    assert path.read_bytes() == stored, "made anew"


def test_a_vocabulary_beyond_sixteen_bits_is_kept_whole() -> None:
    assert blocks.token_type(65_536) is np.uint16 and blocks.token_type(65_537) is np.uint32


def test_bad_data_and_a_full_disk_leave_nothing_behind(make_tokenizer, tmp_path: Path, monkeypatch) -> None:
    tokenizer = make_tokenizer(None, [], eos="</s>")

    def broken():
        yield Document("good")
        raise DataError("bad row")

    with pytest.raises(DataError, match="bad row"):
        write_tokens(broken(), tokenizer, tmp_path / "t.bin")
    assert not list(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blocks, "sync_file", full)
    with pytest.raises(DiskFullError):
        write_tokens([Document("good")], tokenizer, tmp_path / "t.bin")
    assert not list(tmp_path.iterdir())


def test_a_cache_key_changes_with_every_part() -> None:
    keys = {cache_key(), cache_key("a"), cache_key("a", "b"), cache_key("ab"), cache_key("b", "a")}
    assert len(keys) == 5 and cache_key("a") == cache_key("a")


def test_blocks_are_what_a_forest_of_roots_would_be() -> None:
    loader = BlockLoader(np.arange(1000, dtype=np.uint16), 16, 64, 32, seed=0)
    batches = loader.step(0)
    assert sum(len(fast.rows) for fast in batches) == 4, "64 tokens in blocks of 16"
    for fast in batches:
        ids = fast.ids_T.reshape(-1, 16).tolist()
        slow = build_batch([Segment(i, [0.0] + [1.0] * 15, row=r) for i, r in zip(ids, fast.rows, strict=True)])
        for name in ("ids_T", "positions_T", "source_N", "target_N", "weight_N", "segment_N"):
            assert torch.equal(getattr(fast, name), getattr(slow, name)), name
        for name in ("starts", "lengths", "parents", "rows", "weight"):
            assert getattr(fast, name) == getattr(slow, name), name


def test_every_block_occurs_once_an_epoch_in_a_new_order() -> None:
    loader = BlockLoader(np.arange(170, dtype=np.uint16), 10, 40, 20, seed=1)
    assert loader.blocks == 17 and loader.steps_per_epoch == 5
    seen = [row for step in range(17) for batch in loader.step(step) for row in batch.rows]
    epochs = [seen[17 * epoch : 17 * (epoch + 1)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(17)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    again = BlockLoader(np.arange(170, dtype=np.uint16), 10, 40, 20, seed=1)
    assert [b.rows for b in again.step(11)] == [b.rows for b in loader.step(11)]
    assert [row for batch in loader.in_order() for row in batch.rows] == list(range(17))


def test_too_few_tokens_for_a_block_are_refused_or_one_short_root() -> None:
    tokens = np.arange(5, dtype=np.uint16)
    with pytest.raises(ValueError, match="do not fill one block"):
        BlockLoader(tokens, 10, 40, 20, seed=1)
    assert [batch.weight for batch in read_through(tokens, 10, 20)] == [4.0]
