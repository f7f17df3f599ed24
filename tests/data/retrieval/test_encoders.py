"""Encoders give the vectors that the libraries of their formats give; what is no encoder is refused by its name."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import model2vec
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModel, AutoTokenizer

from tests.encoders import embeddings_server, letters, static_encoder, tiny_bert, with_modules
from whet.data.retrieval.encoders.opening import open_encoder
from whet.data.retrieval.encoders.remote import PROBE
from whet.errors import InputError, ModelError, RunError
from whet.recipe.sections.retrieval import EncoderAt

TEXTS = ["the cat sat on a mat", "dog", "dog ran far away on the mat", "a cat"]


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return static_encoder(tmp_path_factory.mktemp("static") / "encoder")


# ---- static


def test_a_static_vector_is_the_mean_of_the_tokens_vectors(static: Path) -> None:
    table = load_file(static / "model.safetensors")["embeddings"]
    tokenizer = Tokenizer.from_file(str(static / "tokenizer.json"))
    texts = ["When does the harbour open?", "tea"]
    expected = [table[tokenizer.encode(text, add_special_tokens=False).ids].mean(0) for text in texts]
    encoder = open_encoder(str(static))
    assert np.allclose(encoder.encode_document(texts), expected, atol=1e-6)
    assert np.array_equal(encoder.encode_query(texts[:1])[0], encoder.encode_document(texts)[0])
    assert not encoder.encode_document([""]).any()


def test_static_vectors_are_those_of_model2vec(static: Path, tmp_path: Path) -> None:
    """Its own library over the same folders: plain, with weights, a mapping and a text cut short, and with words
    that it does not know."""
    folder = static_encoder(tmp_path / "mapped")
    size = len(load_file(folder / "model.safetensors")["embeddings"])
    random = np.random.default_rng(0)
    tensors = {
        "embeddings": random.standard_normal((40, 8)).astype(np.float32),
        "mapping": random.integers(0, 40, size),
        "weights": random.random(size),
    }
    save_file(tensors, folder / "model.safetensors")
    told = {"model_type": "model2vec", "normalize": False, "max_length": 12}
    (folder / "config.json").write_text(json.dumps(told))
    texts = ["When does the harbour open?", "Tea: 2 coins. " * 20, "x"]
    for one in (static, folder, of_words(tmp_path / "words")):
        theirs = model2vec.StaticModel.from_pretrained(str(one)).encode(texts, normalize=False)
        assert np.allclose(open_encoder(str(one)).encode_document(texts), theirs, atol=1e-5)


def of_words(folder: Path) -> Path:
    """A tokenizer of four words, for which all others are unknown: these are left out."""
    folder.mkdir()
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "x": 1, "Tea": 2, "the": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file({"embeddings": np.arange(1.0, 9.0, dtype=np.float32).reshape(4, 2)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": False}))
    return folder


def test_a_table_for_another_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = static_encoder(tmp_path / "torn")
    save_file({"embeddings": np.zeros((3, 4), np.float32)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="not those of its tokenizer"):
        open_encoder(str(folder))
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="cannot be read"):
        open_encoder(str(folder))


# ---- transformers


def states(folder: Path, text: str) -> torch.Tensor:
    """What each token of a text alone says, by transformers itself."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0]


@pytest.mark.parametrize(
    ("pooling", "of_states"),
    [
        (None, lambda one: one.mean(0)),
        ({"pooling_mode_mean_tokens": True}, lambda one: one.mean(0)),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda one: one[0]),
        ({"pooling_mode": "lasttoken"}, lambda one: one[-1]),
        ({"pooling_mode": "max"}, lambda one: one.amax(0)),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, lambda one: one.sum(0) / len(one) ** 0.5),
        ({"pooling_mode": ["weightedmean"]}, lambda one: weighted(one)),
    ],
)
def test_tokens_are_pooled_as_the_folder_says(tmp_path: Path, pooling, of_states) -> None:  # type: ignore[no-untyped-def]
    folder = tiny_bert(tmp_path / "bert")
    if pooling is not None:
        with_modules(folder, pooling, "Normalize")
    found = open_encoder(str(folder)).encode_document(TEXTS)
    expected = [of_states(states(folder, text)).numpy() for text in TEXTS]
    assert np.allclose(found, expected, atol=1e-5)


def weighted(one: torch.Tensor) -> torch.Tensor:
    weights = torch.arange(1, len(one) + 1)[:, None]
    return (one * weights).sum(0) / weights.sum()


def test_what_is_put_before_a_question_and_how_long_it_may_be_says_the_folder(tmp_path: Path) -> None:
    folder = with_modules(tiny_bert(tmp_path / "bert"), {}, prompts={"query": "dog ", "passage": "cat "})
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5, "do_lower_case": True}))
    encoder = open_encoder(str(folder))
    assert np.allclose(encoder.encode_query(["A MAT"])[0], states(folder, "dog a mat").mean(0), atol=1e-5)
    cut = states(folder, "cat the cat").mean(0)
    assert np.allclose(encoder.encode_document([TEXTS[0]])[0], cut, atol=1e-5)


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    folder = with_modules(tiny_bert(tmp_path / "bert"), {}, "Dense")
    with pytest.raises(ModelError, match=r"not known .*Dense"):
        open_encoder(str(folder))
    with_modules(folder, {"pooling_mode": ["mean", "max"]})
    with pytest.raises(ModelError, match="pool"):
        open_encoder(str(folder))
    (folder / "modules.json").write_text("[")
    with pytest.raises(ModelError, match="cannot be read"):
        open_encoder(str(folder))
    with pytest.raises(InputError, match="cannot be opened"):
        open_encoder(str(tmp_path / "nothing"))


def test_weights_that_can_run_code_are_not_read(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "bert")
    torch.save(AutoModel.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights as safetensors"):
        open_encoder(str(folder))


def test_another_encoder_has_another_identity_wherever_it_stands(static: Path, tmp_path: Path) -> None:
    moved = static_encoder(tmp_path / "moved")
    assert open_encoder(str(static)).identity == open_encoder(str(moved)).identity
    other = static_encoder(tmp_path / "other", seed=1)
    assert open_encoder(str(static)).identity != open_encoder(str(other)).identity
    (moved / "tokenizer_config.json").write_text("{}")
    assert open_encoder(str(static)).identity != open_encoder(str(moved)).identity


# ---- at a URL


def test_a_server_is_asked_in_its_own_form_and_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCODER_KEY", "secret")
    server = embeddings_server()
    encoder = open_encoder("letters-1", EncoderAt(url=server.url, key="ENCODER_KEY"))
    texts = [f"{'ab' * number} c" for number in range(150)]
    assert np.array_equal(encoder.encode_document(texts), [letters(text) for text in texts])
    path, headers, body = server.asked[1]
    assert path == "/v1/embeddings" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == "letters-1" and body["input"][0] == PROBE and len(body["input"]) == 65
    assert len(server.asked) == 4


def test_another_model_under_the_same_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vectors never stand beside the old ones."""
    turned = threading.Event()
    server = embeddings_server(lambda text: letters(text)[::-1] if turned.is_set() else letters(text))
    encoder = open_encoder("letters", EncoderAt(url=server.url))
    encoder.encode_query(["abc"])
    turned.set()
    for encode in (encoder.encode_query, encoder.encode_document):
        with pytest.raises(RunError, match="another model"):
            encode(["abc"])


def test_an_answer_of_another_form_is_refused() -> None:
    server = embeddings_server()
    for answer in ({"data": []}, {"object": "error"}, {"data": [{"index": 0, "embedding": ["a"]}]}):
        server.reply = lambda number, answer=answer: (200, answer)
        with pytest.raises(RunError, match="embeddings"):
            open_encoder("x", EncoderAt(url=server.url))
