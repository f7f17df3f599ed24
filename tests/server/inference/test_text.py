"""Tokens to text: pieces add up to the whole, none ends inside a character, stop strings are never let out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whet.model.base import load_tokenizer
from whet.server.inference.words.text import StopWatch, TextStream
from whet.server.inference.words.token_bytes import TokenBytes

TEXTS = ["A plain line.", "Zoë 🚢 naïve 日本語 — ok", "  two  spaces\n\n\tand a tab", "emoji: 👩‍👩‍👧‍👦!"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("nano")


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_the_text_and_whole_characters(tokenizer: Any, text: str) -> None:
    stream = TextStream(tokenizer)
    pieces = [stream.add(token) for token in tokenizer(text)["input_ids"]]
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) + stream.end() == text


def test_a_character_that_is_never_completed_comes_last(tokenizer: Any) -> None:
    ids = tokenizer("ab 日")["input_ids"][:-1]
    stream = TextStream(tokenizer)
    pieces = [stream.add(token) for token in ids]
    assert "".join(pieces) == "ab "[: len("".join(pieces))]
    assert "".join(pieces) + stream.end() == tokenizer.decode(ids)


def test_random_tokens_give_what_they_decode_to(tokenizer: Any) -> None:
    import random

    draw = random.Random(4)
    for _ in range(60):
        ids = [draw.randrange(2, 4096) for _ in range(12)]
        stream = TextStream(tokenizer)
        pieces = [stream.add(token) for token in ids]
        assert "".join(pieces) + stream.end() == tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_tokens_are_the_bytes_of_the_text(tokenizer: Any, text: str) -> None:
    table = TokenBytes(tokenizer)
    assert b"".join(table.of(token) for token in tokenizer(text)["input_ids"]).decode() == text
    assert table.of(tokenizer.convert_tokens_to_ids("<|end|>")) == b"<|end|>"


LETTERS = st.text("abc", max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(LETTERS, max_size=6), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_let_out_is_the_text_before_the_first_stop(pieces: list[str], stops: list[str]) -> None:
    watch, said = StopWatch(stops), ""
    for piece in pieces:
        said += watch.add(piece)
        assert not any(stop in said for stop in stops)
        if watch.found:
            break
    whole = "".join(pieces)
    if not watch.found:
        said += watch.end()
    places = [whole.index(stop) for stop in stops if stop in whole]
    assert watch.found == bool(places)
    if not places:
        assert said == whole
    else:
        first_ends = min(whole.index(stop) + len(stop) for stop in stops if stop in whole)
        assert whole.startswith(said) and len(said) <= first_ends


def test_only_what_may_begin_a_stop_is_held_back() -> None:
    watch = StopWatch(["END", "\n\n"])
    assert watch.add("a text E") == "a text "
    assert watch.add("N") == ""
    assert watch.add("Q\n") == "ENQ"
    assert watch.add("x") == "\nx"
    assert (watch.add("yEND and more"), watch.found, watch.add("more")) == ("y", True, "")
