"""BM25 against its formula, dense retrieval with an encoder of ours, and what happens when there is nothing to find."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from whet.data.retrieval.documents import Passage
from whet.data.retrieval.retrievers import BM25, K1, B, Dense, words_of
from whet.errors import DataError, InputError

TEXTS = [
    "The blue lamp stands in the kitchen.",
    "The lamp lamp is red.",
    "A green chair costs 40 coins, and the old table costs 90 coins.",
    "The harbour opens at nine.",
]
PASSAGES = [Passage(f"d#{n}", text, "d") for n, text in enumerate(TEXTS)]


def by_formula(query: str) -> list[float]:
    """Lucene's BM25, written out: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), without the constant factor k1 + 1."""
    documents = [Counter(words_of(text)) for text in TEXTS]
    mean = sum(document.total() for document in documents) / len(documents)
    scores = [0.0] * len(documents)
    for word in words_of(query):
        holding = sum(word in document for document in documents)
        idf = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        for place, document in enumerate(documents):
            count = document[word]
            scores[place] += idf * count / (count + K1 * (1 - B + B * document.total() / mean))
    return scores


@pytest.mark.parametrize("query", ["Where is the red lamp?", "chair costs", "the the harbour", "table"])
def test_bm25_scores_are_those_of_the_formula(query: str) -> None:
    expected = by_formula(query)
    hits = BM25(PASSAGES).search([query], len(PASSAGES))[0]
    assert {hit.passage.id: hit.score for hit in hits} == pytest.approx(
        {f"d#{place}": score for place, score in enumerate(expected) if score > 0}, rel=1e-5
    )
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_question_without_a_shared_word_finds_nothing_and_ties_stand_in_order() -> None:
    retriever = BM25([Passage(f"x#{n}", f"same words here {n}", "x") for n in range(5)])
    assert retriever.search(["zebra", ""], 3) == [[], []]
    assert [hit.passage.id for hit in retriever.search(["words"], 3)[0]] == ["x#0", "x#1", "x#2"]


def test_of_equal_texts_the_first_is_found_and_takes_one_place() -> None:
    passages = [Passage(f"x#{n}", text, "x") for n, text in enumerate(["a b", "a c c", "a b", "a d d d"])]
    assert [hit.passage.id for hit in BM25(passages).search(["a"], 3)[0]] == ["x#0", "x#1", "x#3"]


def test_no_passages_or_passages_without_words_are_refused() -> None:
    with pytest.raises(DataError, match="no passages"):
        BM25([])
    with pytest.raises(DataError, match="no words"):
        BM25([Passage("a#1", "...", "a")])


def test_words_ignore_case_and_punctuation_and_cut_scripts_without_spaces() -> None:
    assert words_of("It's ＣＡＦÉ-9, don_t 東京!") == ["it", "s", "café", "9", "don", "t", "東", "京"]


class Letters:
    """Encodes a text as its letters' counts."""

    def encode_query(self, inputs: list[str], /, **options: Any) -> np.ndarray:
        return np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in inputs], float)

    encode_document = encode_query


def test_dense_retrieval_ranks_by_cosine() -> None:
    passages = [Passage(name, text, "s") for name, text in (("a#1", "aab"), ("b#1", "bbbb"), ("c#1", "ac"))]
    hits = Dense(passages, encoder=Letters()).search(["ab"], 2)[0]
    assert [hit.passage.id for hit in hits] == ["a#1", "b#1"]
    assert hits[0].score == pytest.approx(3 / math.sqrt(10)) and hits[1].score == pytest.approx(1 / math.sqrt(2))


def test_the_real_library_finds_what_a_plain_computation_finds(tmp_path: Path) -> None:
    """sentence-transformers with a tiny BERT of random weights, and the same vectors from transformers alone."""
    library = pytest.importorskip("sentence_transformers", reason="dense retrieval is an extra: whet[dense]")
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"the cat sat on a mat dog ran far away".split()]
    (tmp_path / "vocab.txt").write_text("\n".join(names))
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertModel(BertConfig(vocab_size=len(names), max_position_embeddings=32, **sizes)).eval()
    bert.save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    made = library.SentenceTransformer(str(tmp_path / "bert"), device="cpu")
    made.prompts = {"query": "the dog ", "document": ""}
    made.save(str(tmp_path / "encoder"))
    texts = ["the cat sat on a mat", "dog ran far away", "a mat", "cat sat"]
    passages = [Passage(str(n), text, "") for n, text in enumerate(texts)]

    def vector(text: str) -> torch.Tensor:
        found = bert(**tokenizer([text], return_tensors="pt")).last_hidden_state[0].mean(0)
        return found / found.norm()

    hits = Dense(passages, str(tmp_path / "encoder")).search(["cat on a mat"], 4)[0]
    with torch.no_grad():
        expected = {text: float(vector(text) @ vector("the dog cat on a mat")) for text in texts}
    assert {hit.passage.text: hit.score for hit in hits} == pytest.approx(expected, abs=1e-4)
    with pytest.raises(InputError, match="cannot be opened"):
        Dense(passages, str(tmp_path / "nothing"))


def test_dense_retrieval_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match="sentence-transformers") as raised:
        Dense(PASSAGES, "some-model")
    assert "whet[dense]" in raised.value.fix
