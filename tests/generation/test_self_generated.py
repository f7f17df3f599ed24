"""The general prompts that Whet brings: asked on every base, never what forgetting is measured on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.errors import DataError
from whet.evaluation.forgetting.measure_kinds import choosing_texts, general_texts
from whet.generation import self_generated as module
from whet.generation.self_generated import (
    SHIPPED_PROMPTS,
    GeneralPrompt,
    for_replay,
    held_back,
    pool,
    prompts_file,
    read_asked,
)
from whet.model.base import NANO, load_tokenizer
from whet.observer import Silent
from whet.training.retention.replay import refused
from whet.types import Completion

LONGEST_SHARED = 7
"""Words in a row that two texts may have in common by chance."""


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(load_tokenizer("nano"))


def shipped() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SHIPPED_PROMPTS.read_text("utf-8").splitlines()]


def words_of(row: dict[str, Any]) -> str:
    return row.get("text") or "\n".join(message["content"] for message in row["messages"])


def runs(text: str, length: int) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return zip(*(words[start:] for start in range(length)), strict=False)


def sentences(text: str) -> set[str]:
    return {one.strip().lower() for one in re.split(r"[.!?\n]", text) if len(one.split()) > 3}


def test_there_are_a_few_hundred_of_many_kinds_and_none_comes_twice() -> None:
    rows = shipped()
    texts, chats = [row for row in rows if "text" in row], [row for row in rows if "messages" in row]
    assert len(chats) >= 280 and len(texts) >= 60 and len({words_of(row) for row in rows}) == len(rows)
    assert sum(len(row["messages"]) > 2 for row in chats) >= 12, "turns before the last"
    assert sum(row["messages"][0]["role"] == "system" for row in chats) >= 12, "instructions of a role"
    assert all(row["messages"][-1]["role"] == "user" for row in chats)
    scripts = ("[a-z]", "[\u4e00-\u9fff]", "[\u3040-\u30ff]", "[\u0600-\u06ff]", "[\u0900-\u097f]")
    assert all(any(re.search(script, words_of(row)) for row in rows) for script in scripts)


def test_nothing_that_forgetting_is_measured_on_is_replayed() -> None:
    asked, measured, chosen = [words_of(row) for row in shipped()], general_texts(), choosing_texts()
    for one, other in ((asked, measured), (asked, chosen), (chosen, measured)):
        shared = {run for text in one for run in runs(text, LONGEST_SHARED + 1)}
        assert not shared & {run for text in other for run in runs(text, LONGEST_SHARED + 1)}
        assert not {s for text in one for s in sentences(text)} & {s for text in other for s in sentences(text)}


def test_every_one_can_be_asked(renderer: Renderer) -> None:
    asked = read_asked(SHIPPED_PROMPTS, renderer, renderer.tokenizer)
    assert len(asked) == len(shipped()) and all(one.ids and one.words for one in asked)
    assert len(held_back(asked)) >= 50 and not {one.words for one in held_back(asked)} & {
        one.words for one in for_replay(asked)
    }


def test_the_users_file_wins_then_the_bases_own_then_ours(tmp_path: Path) -> None:
    assert prompts_file("mine.jsonl", NANO) == Path("mine.jsonl")
    assert prompts_file(None, NANO) == Path(NANO) / "general.jsonl"
    assert prompts_file(None, str(tmp_path)) == SHIPPED_PROMPTS


def test_a_base_without_a_chat_template_keeps_beginnings_of_texts_alone(
    renderer: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*given: Any) -> list[Completion]:
        return [Completion("x", True, [1]) for one in given[2] for _ in range(module.DRAWS if one.text else 1)]

    monkeypatch.setattr(module, "_answers", written)
    monkeypatch.setattr(module, "_key", lambda *_: "k" * 64)

    def kinds(template: str | None, path: Path) -> set[bool]:
        tokenizer: Any = load_tokenizer("nano")
        tokenizer.chat_template = template
        base: Any = SimpleNamespace(tokenizer=tokenizer, context=1024)
        folder = tmp_path / str(template is None) / path.stem
        return {asked.text for asked, _ in module.own_samples(base, renderer, path, folder, Silent())}

    assert kinds("{{ messages }}", SHIPPED_PROMPTS) == {True, False}
    assert kinds(None, SHIPPED_PROMPTS) == {True}
    mine = tmp_path / "mine.jsonl"
    mine.write_text("".join(json.dumps({"prompt": f"Say {n}."}) + "\n" for n in range(6)))
    assert kinds(None, mine) == {False}, "what a user names is asked as it stands"


def test_a_template_without_system_prompts_loses_those_prompts_alone(renderer: Renderer, tmp_path: Path) -> None:
    class Refusing(Renderer):
        def prompt_ids(self, messages: Any, tools: Any = None) -> list[int]:
            if messages[0]["role"] == "system":
                raise RowRefused("template-error", "System role not supported", fix="leave it out")
            return super().prompt_ids(messages, tools)

    strict = Refusing(renderer.tokenizer)
    instructed = sum("messages" in row and row["messages"][0]["role"] == "system" for row in shipped())
    assert refused(strict, renderer.tokenizer) == instructed > 10 and refused(renderer, renderer.tokenizer) == 0
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}))
    with pytest.raises(DataError, match="System role"):
        read_asked(mine, strict, renderer.tokenizer)


def test_a_short_run_asks_few_prompts_a_long_one_all_of_them() -> None:
    asked = [GeneralPrompt("", [1], place % 6 == 0, str(place)) for place in range(300)]
    sizes = [len(pool(asked, tokens, shipped=False)) for tokens in (100, 5_000, 20_000)]
    assert sizes == [8, 128, 300] and len(pool(asked, None, shipped=False)) == 300
    sizes = [len(pool(asked, tokens, shipped=True)) for tokens in (100, 5_000, 20_000, 10**7)]
    assert sizes == [8, 32, 128, 300], "Whet's are longer, and come again"
    few = pool(asked, 20_000, shipped=True)
    assert few == pool(asked, 20_001, shipped=True), "runs of about the same length share what is written"
    assert 0.05 < sum(one.text for one in few) / len(few) < 0.35, "texts and conversations as in the whole file"
