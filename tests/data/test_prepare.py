"""From a file to segments, with every row accounted for; and the same for the documents of pre-training."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from whet.data.prepare import prepare
from whet.data.pretrain.corpus import prepare_corpus
from whet.data.render.renderer import Renderer
from whet.errors import DataError
from whet.recipe.schema import Recipe
from whet.types import Row

WORDS = [f"word{number}" for number in range(300)]


def lines(count: int, seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    return [
        {"prompt": " ".join(rng.choices(WORDS, k=8)), "completion": " ".join(rng.choices(WORDS, k=5))}
        for _ in range(count)
    ]


def asked(value: dict) -> list[dict]:
    return [{"role": "user", "content": value["prompt"]}, {"role": "assistant", "content": value["completion"]}]


def written(path: Path, values: list) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


@pytest.fixture
def tokenizer(make_tokenizer):
    return make_tokenizer(None, [], eos="</s>")


def test_every_row_has_a_fate_and_every_segment_a_row(tokenizer, tmp_path: Path) -> None:
    values = lines(100)
    values[10]["completion"] = ""
    values[20]["prompt"] = "</s>"
    prepared = prepare(Recipe(data=written(tmp_path / "a.jsonl", values), drop_budget=0.02), tokenizer)
    summary = prepared.ledger.summary()
    assert summary["rows_in"] == 100 and summary["dropped"] == {"empty-answer": 1, "control-token-in-text": 1}
    assert summary["trained"] + sum(summary["held_out"].values()) + 2 == 100
    assert summary["tokens"] == prepared.tokens == sum(len(segment.ids) for segment in prepared.train)
    assert summary["supervised_tokens"] == sum(segment.supervised for segment in prepared.train)
    assert [row.index for row in prepared.test_rows] == [segment.row for segment in prepared.test]
    for segment in (*prepared.train, *prepared.validation, *prepared.test):
        text = tokenizer.decode(segment.ids)
        assert values[segment.row]["prompt"] in text and text.rstrip("\n").endswith("</s>")
        assert not segment.weights[0]


def test_too_many_bad_rows_stop_everything(tokenizer, tmp_path: Path) -> None:
    values = lines(50)
    for value in values[:3]:
        value["completion"] = ""
    with pytest.raises(DataError, match=r"3 of 50 rows \(6.0%\)"):
        prepare(Recipe(data=written(tmp_path / "a.jsonl", values)), tokenizer)
    with pytest.raises(DataError):
        prepare(Recipe(data=written(tmp_path / "b.jsonl", [{"prompt": "a", "completion": ""}])), tokenizer)


def test_long_rows_are_dropped_or_cut_as_asked(tokenizer, tmp_path: Path) -> None:
    values = lines(40)
    values[5]["completion"] = " ".join(WORDS)
    data = written(tmp_path / "a.jsonl", values)
    with pytest.raises(DataError, match="too-long"):
        prepare(Recipe(data=data), tokenizer, context=200)
    dropped = prepare(Recipe(data=data, drop_budget=0.1), tokenizer, context=200)
    assert dropped.ledger.dropped() == {"too-long": 1} and dropped.longest <= 200
    cut = prepare(Recipe(data=data, too_long="truncate"), tokenizer, context=200)
    assert not cut.ledger.dropped() and cut.longest == 200
    left_out = len(Renderer(tokenizer).render(Row(5, "a.jsonl:6", messages=asked(values[5]))).ids) - 200
    assert cut.ledger.summary()["truncated"] == {"rows": 1, "tokens": left_out} and left_out > 0
    assert cut.ledger.entry(5).cut == left_out
    assert f"too_long: truncate cut 1 row short: {left_out:,} tokens" in " ".join(cut.notes)
    assert not any("too_long" in note for note in dropped.notes)
    tight = prepare(Recipe(data=data, drop_budget=0.1, max_tokens=180), tokenizer, context=200)
    assert tight.longest <= 180


def test_an_own_test_file_is_used_whole_and_kept_out_of_training(tokenizer, tmp_path: Path) -> None:
    train, test = lines(60), lines(10, seed=5)
    train[3] = dict(test[4])
    test_path = written(tmp_path / "test.jsonl", test)
    prepared = prepare(Recipe(data=written(tmp_path / "a.jsonl", train), test=test_path), tokenizer)
    summary = prepared.ledger.summary()
    assert summary["dropped"] == {"duplicate-of-test": 1} and summary["held_out"]["test"] == 10
    assert summary["rows_in"] == 70 and prepared.ledger.entry(3).fate == "dropped"
    assert [row.messages[0]["content"] for row in prepared.test_rows] == [value["prompt"] for value in test]


def test_what_leaks_into_an_own_test_file_is_not_learned(tokenizer, tmp_path: Path) -> None:
    """Exact, near, the same question, one group, a conversation that goes on: each is dropped, with its reason."""
    train, test = lines(60), lines(10, seed=5)
    for number, values in enumerate((train, test)):
        for place, value in enumerate(values):
            value["user"] = f"{number} {place}"
    train[3] = dict(test[4])
    train[5]["prompt"] = "please " + test[1]["prompt"]
    train[5]["completion"] = test[1]["completion"]
    train[7]["prompt"] = test[2]["prompt"]
    train[9]["user"] = test[6]["user"]
    keys: dict = {"test": written(tmp_path / "test.jsonl", test), "columns": {"group": "user"}}
    prepared = prepare(Recipe(data=written(tmp_path / "a.jsonl", train), **keys), tokenizer)
    dropped = [entry for entry in map(prepared.ledger.entry, range(60)) if entry.fate == "dropped"]
    assert {entry.row for entry in dropped} == {3, 5, 7, 9}
    assert {entry.reason for entry in dropped} == {"duplicate-of-test"}
    assert "of one group or conversation with it" in dropped[0].message and len(prepared.test) == 10


def test_the_same_data_gives_the_same_segments_in_any_order(tokenizer, tmp_path: Path) -> None:
    values = lines(60)
    one = prepare(Recipe(data=written(tmp_path / "a.jsonl", values)), tokenizer)
    other = prepare(Recipe(data=written(tmp_path / "b.jsonl", values[::-1])), tokenizer)
    assert sorted(s.ids for s in one.test) == sorted(s.ids for s in other.test)


def test_thinking_is_switched_off_only_for_data_without_it(make_tokenizer, tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        "{% if enable_thinking is defined and not enable_thinking %}{% endif %}"
    )
    tokenizer = make_tokenizer(template)
    values = lines(20)
    quiet = prepare(Recipe(data=written(tmp_path / "a.jsonl", values)), tokenizer)
    assert quiet.notes and quiet.renderer.template.startswith("{%- set enable_thinking = false")
    values[3]["completion"] = "<think>hm</think>" + values[3]["completion"]
    thinking = prepare(Recipe(data=written(tmp_path / "b.jsonl", values)), tokenizer)
    assert not thinking.notes and thinking.renderer.template == template


def pretrain(data: str, **keys) -> Recipe:
    return Recipe(data=data, method={"kind": "pretrain"}, **keys)


def documents_in(tokenizer, tokens) -> list[str]:
    return str(tokenizer.decode(tokens.tolist())).split("</s>")[:-1]


def test_documents_are_held_out_by_content(tokenizer, tmp_path: Path) -> None:
    texts = [{"text": " ".join(value["prompt"] for value in lines(3, seed))} for seed in range(100)]
    texts += texts[:10]  # copies share the fate of their originals
    corpus = prepare_corpus(pretrain(written(tmp_path / "a.jsonl", texts)), tokenizer, cache=tmp_path / "cache")
    parts = [documents_in(tokenizer, tokens) for tokens in (corpus.train, corpus.validation, corpus.test)]
    assert sorted(sum(parts, [])) == sorted(value["text"] for value in texts)
    assert not set(parts[0]) & set(parts[1]) and not set(parts[0]) & set(parts[2]) and not set(parts[1]) & set(parts[2])
    assert [len(set(part)) for part in parts] == [80, 10, 10]
    summary = corpus.ledger.summary()
    assert summary["tokens"] == summary["supervised_tokens"] == len(corpus.train) and not corpus.cut


def test_one_long_text_has_its_end_held_out(tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(" ".join(value["prompt"] for value in lines(50)))
    corpus = prepare_corpus(pretrain(str(path)), tokenizer, cache=tmp_path / "cache")
    whole = [*corpus.train.tolist(), *corpus.validation.tolist(), *corpus.test.tolist()]
    assert tokenizer.decode(whole) == path.read_text() + "</s>"
    assert corpus.cut and abs(len(corpus.validation) - 0.1 * len(whole)) <= 1
    assert corpus.ledger.summary()["tokens"] == len(corpus.train)


def test_conversations_are_pre_trained_on_as_the_template_writes_them(tokenizer, tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", lines(40))
    corpus = prepare_corpus(pretrain(data), tokenizer, cache=tmp_path / "cache")
    assert "### User:\n" in documents_in(tokenizer, corpus.train)[0]


def test_the_cache_is_used_and_never_stale(tokenizer, tmp_path: Path, make_tokenizer) -> None:
    texts = [{"text": " ".join(value["prompt"] for value in lines(3, seed))} for seed in range(30)]
    data, cache = written(tmp_path / "a.jsonl", texts), tmp_path / "cache"
    first = prepare_corpus(pretrain(data), tokenizer, cache=cache)
    stamps = {path: path.stat().st_mtime_ns for path in cache.rglob("*.bin")}
    again = prepare_corpus(pretrain(data), tokenizer, cache=cache)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.bin")} == stamps and len(stamps) == 3
    assert again.train.tolist() == first.train.tolist()
    prepare_corpus(pretrain(data, seed=1), tokenizer, cache=cache)
    prepare_corpus(pretrain(data), make_tokenizer(None, ["<x>"], eos="</s>"), cache=cache)
    texts[0]["text"] += "!"
    changed = prepare_corpus(pretrain(written(tmp_path / "a.jsonl", texts)), tokenizer, cache=cache)
    assert len(list(cache.iterdir())) == 4
    assert changed.ledger.summary()["rows_in"] == 30


def test_documents_of_an_own_test_file_leave_training(tokenizer, tmp_path: Path) -> None:
    texts = [{"text": " ".join(value["prompt"] for value in lines(3, seed))} for seed in range(50)]
    own = [*texts[:5], {"text": "something new"}]
    recipe = pretrain(written(tmp_path / "a.jsonl", texts), test=written(tmp_path / "t.jsonl", own))
    corpus = prepare_corpus(recipe, tokenizer, cache=tmp_path / "cache")
    assert documents_in(tokenizer, corpus.test) == [value["text"] for value in own]
    assert corpus.ledger.dropped() == {"duplicate-of-test": 5}
    assert not set(documents_in(tokenizer, corpus.train)) & {value["text"] for value in own}


def test_renderer_and_corpus_agree_on_plain_text(tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("Hello, Ulm.\n\nAgain.")
    renderer = Renderer(tokenizer)
    corpus = prepare_corpus(pretrain(str(path)), tokenizer, renderer, cache=tmp_path / "cache")
    from whet.types import Row

    whole = [*corpus.train.tolist(), *corpus.validation.tolist(), *corpus.test.tolist()]
    assert whole == renderer.render(Row(0, "", text=path.read_text())).ids
