"""Golden prompts and answers: which there are, and that another library reads the same numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.release.made_runs import made_run
from whet.data.prepare import prepare
from whet.data.render.renderer import Renderer
from whet.errors import RunFolderError
from whet.methods import base as methods
from whet.methods import method_of
from whet.model.base import NANO, load_tokenizer
from whet.model.open import open_trained
from whet.observer import Silent
from whet.release import golden_of_run
from whet.release.golden import FILE, Golden, keep_golden, read_golden
from whet.release.golden_of_run import golden_of, try_write_golden, write_golden_of
from whet.release.golden_prompts import PROMPTS, conversations, texts
from whet.store.run import Run
from whet.training.session import Session, open_session
from whet.types import Row


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Golden]:
    run = made_run(tmp_path_factory.mktemp("golden"))
    return run, golden_of(run, Silent())


def test_every_kind_of_prompt_is_there(asked: tuple[Run, Golden]) -> None:
    kinds = [case.prompt.kind for case in asked[1].cases]
    assert len(kinds) == PROMPTS == len({tuple(case.prompt.ids) for case in asked[1].cases})
    assert {"task", "no-system", "system", "empty-system", "two-turns", "tools", "unicode"} <= set(kinds)
    assert kinds.count("longest") == kinds.count("shortest") == 1


def test_the_task_is_asked_by_rows_that_are_not_tested(asked: tuple[Run, Golden]) -> None:
    run, golden = asked
    recipe = run.recipe
    tested = {row.prompt[-1]["content"] for row in prepare(recipe, load_tokenizer("nano")).test_rows}
    words = [one["content"] for case in golden.cases for one in case.prompt.messages or []]
    assert tested and not any(question == word for question in tested for word in words)
    assert any(word.startswith("Which shelf") for word in words)


def test_another_library_reads_the_same_probabilities(asked: tuple[Run, Golden]) -> None:
    """Of base and tuned, of the tuned model's answer and of the base's."""
    run, golden = asked
    base = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(run.model)).eval()
    assert golden.dtype == "float32"
    for case in golden.cases[:6]:
        for answer in (case.answer, case.contrast):
            ids = torch.tensor([[*case.prompt.ids, *answer.tokens]])
            start = len(case.prompt.ids)
            with torch.no_grad():
                tuned = model(input_ids=ids).logits
                with model.disable_adapter():
                    alone = model(input_ids=ids).logits
            for logits, told in ((tuned, answer.tuned), (alone, answer.base)):
                read = logits[0, start - 1 : -1].log_softmax(-1).gather(1, ids[0, start:, None]).squeeze(1)
                assert torch.allclose(read, torch.tensor(told), atol=1e-4)


def test_it_is_written_and_read(asked: tuple[Run, Golden]) -> None:
    run, golden = asked
    assert read_golden(run.folder) == golden
    assert golden.weights_sha256 == run.read_json("model/whet.json")["weights_sha256"]


def test_answers_of_other_weights_are_made_anew(asked: tuple[Run, Golden]) -> None:
    run, golden = asked
    keep_golden(replace(golden, weights_sha256=dict.fromkeys(golden.weights_sha256, "0" * 64)), run)
    assert golden_of(run, Silent()) == golden == read_golden(run.folder)


def test_a_digit_that_was_changed_on_the_disk_is_damage(asked: tuple[Run, Golden]) -> None:
    run, golden = asked
    path, stored = run.folder / FILE, (run.folder / FILE).read_text("utf-8")
    value = str(golden.cases[0].answer.tuned[0])
    path.write_text(stored.replace(value, value.translate(str.maketrans("0123456789", "1234567890")), 1), "utf-8")
    with pytest.raises(RunFolderError, match="damaged"):
        golden_of(run, Silent())
    path.write_text(stored, "utf-8")
    assert golden_of(run, Silent()) == golden


def session_of(run: Run) -> Session:
    return open_session(run.recipe, run, method_of, Silent())


def test_models_that_an_evaluation_left_open_are_asked(
    asked: tuple[Run, Golden], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not opened again, and what the fused layers left says the same to the last digit."""
    run, golden = asked
    path, stored = run.folder / FILE, (run.folder / FILE).read_bytes()
    session = session_of(run)
    session.opened = open_trained(run, renderer=session.renderer, trust_remote_code=False, path="fused")
    trunk = session.opened.model.get_base_model().model
    assert "forward" in trunk.layers[0].__dict__, "its layers are fused"

    monkeypatch.setattr(golden_of_run, "open_trained", None)
    path.unlink()
    write_golden_of(session, Silent())
    assert path.read_bytes() == stored
    assert session.opened is None, "nobody holds the models any longer"


def test_the_same_weights_are_not_asked_again(asked: tuple[Run, Golden], monkeypatch: pytest.MonkeyPatch) -> None:
    run, golden = asked
    monkeypatch.setattr(golden_of_run, "golden_answers", None)
    assert write_golden_of(session_of(run), Silent()) == golden


def test_other_questions_are_asked(asked: tuple[Run, Golden], monkeypatch: pytest.MonkeyPatch) -> None:
    run, golden = asked
    few = replace(golden, cases=golden.cases[1:])
    keep_golden(few, run)
    monkeypatch.setattr(golden_of_run, "golden_answers", lambda *asked: golden)
    assert write_golden_of(session_of(run), Silent()) == golden == read_golden(run.folder)


def test_what_cannot_be_read_is_asked_again_at_the_end_of_a_run(
    asked: tuple[Run, Golden], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, golden = asked
    path, stored = run.folder / FILE, (run.folder / FILE).read_text("utf-8")
    path.write_text(stored.replace('"format": 1', '"format": 0'), "utf-8")
    monkeypatch.setattr(golden_of_run, "golden_answers", lambda *asked: golden)
    with pytest.raises(RunFolderError, match="another version of Whet"):
        golden_of(run, Silent())

    notes: list[str] = []
    observer = Silent()
    monkeypatch.setattr(observer, "note", notes.append)
    try_write_golden(session_of(run), observer)
    assert "asked anew" in notes[0] and read_golden(run.folder) == golden


def test_an_evaluation_leaves_its_models_open(asked: tuple[Run, Golden], monkeypatch: pytest.MonkeyPatch) -> None:
    session, opened = session_of(asked[0]), SimpleNamespace(facts={})
    contest = SimpleNamespace(models=(None, None), loaded=None, renderer=session.renderer, opened=opened)
    for name, stub in (("open_contest", contest), ("remember", None), ("measure_cost", None)):
        monkeypatch.setattr(methods, name, lambda *given, stub=stub: stub)
    method = method_of(session.recipe)
    monkeypatch.setattr(type(method), "measure_task", lambda self, contest: ({}, []))
    method.measure(session, Silent())
    assert session.opened is opened


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = {"scores": [], "stop_ids": [], "limit": 1, "dtype": "float32", "weights_dtype": "float32"}
    for text in ('{"format": 1, "cas', "[]", "{}", json.dumps({"format": 1, "cases": [{}], **whole})):
        (tmp_path / FILE).write_text(text, "utf-8")
        with pytest.raises(RunFolderError, match="damaged") as error:
            read_golden(tmp_path)
        assert error.value.where == str(tmp_path / FILE) and "remove this file" in str(error.value.fix)


def test_a_template_that_refuses_leaves_room_for_other_prompts() -> None:
    template = (
        "{%- for m in messages -%}{%- if m.role == 'system' -%}{{ raise_exception('no system') }}{%- endif -%}"
        "<{{ m.role }}>{{ m.content }}{{ eos_token }}{%- endfor -%}<assistant>"
    )
    renderer = Renderer(load_tokenizer("nano"), template)
    many = [
        Row(n, "x", [{"role": "user", "content": f"box {n}"}, {"role": "assistant", "content": "a"}]) for n in range(30)
    ]
    found = conversations(renderer, many, 200)
    kinds = [prompt.kind for prompt in found]
    assert len(found) == PROMPTS and not {"system", "empty-system", "tools"} & set(kinds)
    assert all(len(prompt.ids) <= 200 for prompt in found)


def test_without_rows_there_are_prompts_all_the_same() -> None:
    assert len(conversations(Renderer(load_tokenizer("nano")), [], 300)) >= 15


def test_texts_that_go_on_are_cut_to_the_context() -> None:
    renderer = Renderer(load_tokenizer("nano"))
    found = texts(renderer, ["Once upon a time", "x " * 500], 64)
    assert [prompt.text for prompt in found][0] == "Once upon a time"
    assert all(prompt.kind == "text" and len(prompt.ids) <= 64 for prompt in found)
