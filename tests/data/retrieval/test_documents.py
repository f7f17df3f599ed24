"""Documents to passages: nothing is lost, nothing is too long, and what cannot be read is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whet.data.retrieval.documents import documents_fingerprint, pieces, read_documents, visible_text
from whet.errors import DataError

LONG = " ".join(f"Sentence {n} has five words." for n in range(100))


def test_a_folder_of_texts_html_and_records_becomes_passages_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("Alpha one.\n\nAlpha two.")
    (tmp_path / "b.html").write_text("<html><script>bad()</script><p>Beta &amp; co.</p><p>More</p></html>")
    (tmp_path / "sub" / "c.jsonl").write_text('{"id": "k7", "text": "Gamma."}\n{"text": "Delta.", "n": 3}\n')
    (tmp_path / ".hidden").write_bytes(b"\0")
    found = [(passage.id, passage.text, passage.source) for passage in read_documents(tmp_path)]
    assert found == [
        ("a.txt#1", "Alpha one.\n\nAlpha two.", "a.txt"),
        ("b.html#1", "Beta & co.\n\nMore", "b.html"),
        ("k7#1", "Gamma.", "sub/c.jsonl:1"),
        ("sub/c.jsonl:2#1", "Delta.", "sub/c.jsonl:2"),
    ]


def test_passages_hold_every_sentence_at_most_so_many_words_and_share_their_edges() -> None:
    found = list(pieces(LONG, 40))
    assert all(len(piece.split()) <= 40 for piece in found)
    assert all(any(f"Sentence {n} has five words." in piece for piece in found) for n in range(100))
    for before, after in zip(found, found[1:], strict=False):
        assert after.split(". ")[0].rstrip(".") + "." in before, (
            "the first sentence of a passage stands in the last one"
        )


def test_paragraphs_share_nothing_across_their_border() -> None:
    found = list(pieces("one two three four five.\n\nsix seven eight nine ten.", 8))
    assert found == ["one two three four five.", "six seven eight nine ten."]


def test_a_cut_keeps_the_quotes_of_speech() -> None:
    text = 'She said: "Go now, all of you." Then (it was late!) they went. Ｄｏｎｅ。次です。'
    assert "".join(pieces(text, 8)).replace(" ", "") == text.replace(" ", "")


def test_a_sentence_longer_than_a_passage_is_cut_and_no_word_lost() -> None:
    text = " ".join(str(n) for n in range(1000))
    assert " ".join(pieces(text, 64)).split() == text.split()


def test_visible_text_leaves_out_what_nobody_sees() -> None:
    html = "<style>p{}</style><h1>Title</h1>\n<p>One\n two<br>three</p><template>x</template>"
    assert visible_text(html) == "Title\n\nOne two\n\nthree"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"", "empty"),
        ("a.html", b"", "empty"),
        ("a.txt", b"\0\1\2\3binary", "binary"),
        ("a.html", b"<p>\xff\xfe\xfa</p>", "UTF-8"),
        ("a.pdf", b"%PDF-1.7", "cannot read this as a document"),
        ("a.html", b"<script>x</script>", "no words"),
        ("a.csv", b"one,two\nx,y\n", "which column"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(DataError, match=words) as raised:
            read_documents(path)
        assert raised.value.where and raised.value.fix


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_documents(tmp_path / "gone.txt")
    with pytest.raises(DataError, match="no documents in this folder"):
        read_documents(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match="leads out of the folder"):
        read_documents(folder)


def test_a_column_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "faq.jsonl"
    path.write_text(json.dumps({"question": "Where?", "answer": "Here."}) + "\n")
    assert read_documents(path, column="answer")[0].text == "Here."
    with pytest.raises(DataError, match="no text in the column 'reply'"):
        read_documents(path, column="reply")


def test_a_column_of_plain_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Alpha.")
    (tmp_path / "b.html").write_text("<p>Beta</p>")
    for path in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(DataError, match="plain text, which has no columns.*retrieval.column: body"):
            read_documents(path, column="body")
    (tmp_path / "c.jsonl").write_text('{"body": "Gamma."}\n')
    assert len(read_documents(tmp_path, column="body")) == 3


def test_the_fingerprint_changes_with_a_byte_and_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    first = documents_fingerprint(tmp_path)
    assert documents_fingerprint(tmp_path) == first
    (tmp_path / "a.txt").write_text("two")
    second = documents_fingerprint(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, documents_fingerprint(tmp_path)}) == 3
