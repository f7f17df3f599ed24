"""What is settled before anything is sent: keys that no service takes, rows in its form, and the price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.launcher.conftest import Tune
from tests.launcher_service import FineTuning
from tests.notes import Notes
from whet.errors import DataError, InputError, RunError
from whet.launcher import whet_service
from whet.launcher.answers import read_answer
from whet.launcher.place import place_of
from whet.launcher.prices import read_prices, usual_epochs
from whet.launcher.rows_to_send import line_of, question
from whet.launcher.untaken import refuse_own_words, refuse_untaken
from whet.recipe.load import load_recipe
from whet.server.inference.catalogue import OWNER
from whet.server.jobs.recipe import OWN_KEYS
from whet.types import Row

CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": {"order": 7}}}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"method": {"kind": "dpo", "loss": "simpo"}}, "method.loss"),
        ({"method": {"kind": "grpo", "rewards": [{"kind": "exact"}]}}, "method.rewards"),
        ({"retrieval": {"documents": "docs"}}, "retrieval.documents"),
        ({"evaluate": {"samples": 3, "temperature": 1.0}}, "evaluate.temperature, evaluate.samples"),
        ({"adapter": "full"}, "adapter.kind"),
        ({"evaluate": {"metric": "nll"}}, "probabilities"),
        ({"epochs": 1.5}, "whole epochs"),
        ({"seed": 2**31}, "seeds up to"),
        ({"goal": {"seconds_per_answer": 1.0}}, "the model is elsewhere"),
    ],
)
def test_what_no_service_can_be_asked_for_is_refused_by_name(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named.replace(".", r"\.")):
        refuse_untaken(load_recipe({"data": "tickets.jsonl", **keys}))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"optimizer": {"weight_decay": 0.1}, "steps": 3}, "steps, optimizer.weight_decay"),
        ({"keep": {"replay": "base"}}, "keep.replay"),
        ({"too_long": "truncate"}, "too_long"),
        ({"adapter": {"rank": 8}}, "adapter.rank"),
    ],
)
def test_what_a_whet_serve_alone_obeys_is_refused_elsewhere(keys: dict[str, Any], named: str) -> None:
    recipe = load_recipe({"data": "tickets.jsonl", **keys})
    refuse_untaken(recipe)
    with pytest.raises(InputError, match="no whet serve cannot be asked for " + named.replace(".", r"\.")):
        refuse_own_words(recipe)


def test_what_is_obeyed_here_or_asks_for_nothing_is_taken() -> None:
    keys = {"epochs": 2, "learning_rate": 1e-3, "batch_tokens": 512, "seed": 4, "split": {"test": 0.2}, "keep": False}
    measured = {"metric": "json", "against": ["base"], "forgetting": False}
    named = {"base": "nano", "method": "sft", "evaluate": measured}
    recipe = load_recipe({"data": "tickets.jsonl", **named, **keys})
    refuse_untaken(recipe)
    refuse_own_words(recipe)

    one_more = load_recipe({"data": "tickets.jsonl", **named, **keys, "steps": 3})
    with pytest.raises(InputError) as refused:
        refuse_own_words(one_more)
    assert refused.value.what == "a service that is no whet serve cannot be asked for steps"


def test_a_whet_serve_gets_all_rows_in_one_file_and_the_keys_that_it_obeys(tune: Tune, service: FineTuning) -> None:
    service.owner = "whet"
    result = tune({"adapter": {"rank": 4}, "keep": False, "split": {"test": 12, "validation": 9}})
    body, sent = service.bodies[0], service.received.splitlines()
    asked = {"adapter": {"kind": "lora", "rank": 4}, "keep": {"replay": "none"}, "split": {"validation": 9, "test": 0}}
    assert body["whet"] == asked
    assert "validation_file" not in body
    assert len(sent) == result["ledger"]["trained"] + 9 and result["ledger"]["held_out"]["test"] == 12
    tested = {json.loads(line)["prompt"][-1]["content"] for line in (result.folder / "answers.jsonl").open()}
    taught = {json.loads(line)["messages"][0]["content"] for line in sent}
    assert len(tested) == 12 and not tested & taught


def test_other_services_are_told_no_word_of_whets(tune: Tune, service: FineTuning) -> None:
    result = tune()
    assert "whet" not in service.bodies[0] and service.bodies[0]["validation_file"]
    tested = {json.loads(line)["prompt"][-1]["content"] for line in (result.folder / "answers.jsonl").open()}
    sent = [json.loads(line) for content in service.contents.values() for line in content.splitlines()]
    assert len(service.contents) == 2 and not tested & {row["messages"][0]["content"] for row in sent}


def test_what_a_whet_serve_is_told_is_what_it_takes() -> None:
    assert whet_service.OWNER == OWNER and whet_service.OBEYED <= set(OWN_KEYS)


def test_a_refusal_of_the_rows_sends_nothing(tune: Tune, service: FineTuning, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adapter\.kind"):
        tune({"adapter": "full"})
    with pytest.raises(InputError, match="this is kto"):
        tune({"method": "kto", "data": str(_marked(tmp_path))})
    with pytest.raises(InputError, match="nobody here knows"):
        tune({"base": "gpt-4.1-mini", "learning_rate": 1e-4})
    assert not service.seen
    with pytest.raises(InputError, match=r"adapter\.rank"):
        tune({"adapter": {"rank": 8}})
    assert service.seen == ["GET /v1/models/nano"]


def _marked(folder: Path) -> Path:
    path = folder / "marked.jsonl"
    rows = [{"prompt": f"question {n}?", "completion": f"answer {n}", "label": n % 2 == 0} for n in range(60)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_numbers_of_the_user_reach_the_service_in_its_words(tune: Tune, service: FineTuning) -> None:
    result = tune({"epochs": 2, "learning_rate": 0.003, "batch_tokens": 512, "seed": 7})
    numbers = service.bodies[0]["method"]["supervised"]["hyperparameters"]
    assert numbers["n_epochs"] == 2 and service.bodies[0]["seed"] == 7
    chosen = {one["key"]: one for one in json.loads((result.folder / "choices.json").read_text())}
    mean = result["ledger"]["tokens"] / result["ledger"]["trained"]
    assert numbers["batch_size"] == round(512 / mean) and "tokens of a row" in chosen["batch_size"]["reason"]
    usual = 0.003 / numbers["learning_rate_multiplier"]
    assert 1e-4 < usual < 0.1 and f"/ {usual:.3g}" in chosen["learning_rate_multiplier"]["reason"]


# ---- rows


def test_rows_are_sent_in_the_apis_form() -> None:
    asked = [{"role": "user", "content": "Where is 7?", "weight": None}]
    calling = [*asked, {"role": "assistant", "content": "", "tool_calls": [CALL]}]
    sent = line_of(Row(0, "r:1", calling, tools=[{"type": "function", "function": {"name": "look_up"}}]))
    assert sent["tools"] and "weight" not in sent["messages"][0]
    assert sent["messages"][1]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"order": 7}'}
    assert sent["messages"][1]["content"] is None
    assert question([{"role": "assistant", "content": "so", "weight": 0}]) == [{"role": "assistant", "content": "so"}]


def test_pairs_are_sent_as_what_is_preferred() -> None:
    asked = {"role": "user", "content": "Well?"}
    good, bad = {"role": "assistant", "content": "Yes."}, {"role": "assistant", "content": "Dunno"}
    sent = line_of(Row(0, "r:1", [asked, good], rejected=[asked, bad]))
    assert sent == {"input": {"messages": [asked]}, "preferred_output": [good], "non_preferred_output": [bad]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (Row(0, "r:9", text="plain"), "plain text"),
        (Row(0, "r:9", [{"role": "user", "content": "?"}]), "does not end in an answer"),
        (Row(0, "r:9", [{"role": "assistant", "content": "x", "weight": 0.5}]), "weights 0 and 1"),
        (Row(0, "r:9", [{"role": "assistant", "content": "x", "thinking": "hm"}]), "no word for 'thinking'"),
    ],
)
def test_a_row_without_a_form_there_is_named(row: Row, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        line_of(row)
    assert caught.value.where == "r:9"


def test_pairs_are_measured_by_the_answers_and_it_is_said_so(tune: Tune, service: FineTuning, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    pairs = [{"prompt": f"Parcel {n * 7919}?", "chosen": f"It is {n % 3}.", "rejected": "No idea"} for n in range(60)]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")
    known = {pair["prompt"]: pair["chosen"] for pair in pairs}
    service.says = lambda model, asked: known.get(asked[-1]["content"], "") if model.startswith("ft:") else "No idea"
    result = tune({"data": str(path), "method": {"kind": "dpo", "beta": 0.2}})
    body = service.bodies[0]["method"]
    assert body["type"] == "dpo" and body["dpo"]["hyperparameters"]["beta"] == 0.2
    assert {"input", "preferred_output", "non_preferred_output"} == json.loads(service.received.splitlines()[0]).keys()
    assert "cannot be had over an API" in result["metric"]["reason"]
    assert result["tuned"]["score"] == 1.0 and result["base"]["score"] == 0.0


def test_calls_in_an_answer_are_read_as_a_template_writes_them() -> None:
    call = {"function": {"name": "look_up", "arguments": '{"order": 7}'}}
    answer = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    read = read_answer(answer, "url")
    assert read.text == '<tool_call>{"name": "look_up", "arguments": {"order": 7}}</tool_call>'
    assert read.finished and read.estimated
    with pytest.raises(RunError, match="no message"):
        read_answer({"choices": []}, "url")


# ---- the price


def prices(folder: Path, text: str = "nano: {training: 5000, input: 100, output: 200, tuned_output: 400}") -> Path:
    path = folder / "prices.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_run_that_costs_more_than_allowed_sends_nothing(
    tune: Tune, service: FineTuning, notes: Notes, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--most-dollars allows \$0\.50; nothing was sent"):
        tune({"epochs": 2}, prices=prices(tmp_path), most_dollars=0.5)
    assert not service.seen and notes.notes[-2].startswith("price: about $")


def test_the_price_counts_training_and_every_answer(tune: Tune, notes: Notes, tmp_path: Path) -> None:
    result = tune({"epochs": 2}, prices=prices(tmp_path), most_dollars=1e6)
    told = result["elsewhere"]["price"]
    assert told["training_tokens"] == result["ledger"]["tokens"]
    assert told["training_dollars"] == pytest.approx(told["training_tokens"] * 2 * 5000 / 1e6)
    read, written = told["tuned_tokens"]
    rows, limit = result["ledger"]["held_out"]["test"], result["answer_limit"]
    assert written == rows * limit and told["tuned_dollars"] == pytest.approx((read * 100 + written * 400) / 1e6)
    assert told["base_tokens"] == [read, written]  # against the base alone, so nothing more is asked of it
    assert told["counted"] == "counted with the base's own tokenizer"


def test_opponents_are_counted_before_they_are_asked(tune: Tune, service: FineTuning, tmp_path: Path) -> None:
    result = tune({"evaluate": {"against": ["prompted", "examples"]}}, prices=prices(tmp_path))
    told = result["elsewhere"]["price"]
    asked = [chat for chat in service.chats if chat["model"] == "nano"]
    assert told["base_tokens"][1] == len(asked) * result["answer_limit"] and told["epochs_chosen_by_service"]
    assert told["base_tokens"][0] > 3 * told["tuned_tokens"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("other: {training: 1, input: 1, output: 1}", "no 'nano'"),
        ("nano: {training: 1, input: 1}", "price of output is missing"),
        ("nano: {training: 1, input: 1, output: free}", "a price is a number"),
        ("nano: {training: 1, input: 1, outputs: 1}", "did you mean 'output'"),
        ("nano: 3", "prices are a group"),
    ],
)
def test_a_price_list_is_read_strictly(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_prices(prices(tmp_path, text), "nano")


def test_auto_epochs_are_guessed_as_openai_says() -> None:
    assert [usual_epochs(rows) for rows in (3, 10, 50, 500, 20_000)] == [25, 10, 3, 3, 1]


# ---- the place


@pytest.mark.parametrize(
    ("base", "url", "said"),
    [
        ("nano", "localhost:8000", "no address"),
        ("nano", "https://me:secret@host/v1", "nothing else"),
        ("/models/mine", "http://host/v1", "--at-model"),
    ],
)
def test_a_place_that_is_none_is_refused(base: str, url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        place_of(load_recipe({"data": "tickets.jsonl", "base": base}), url)
    assert "secret" not in str(caught.value)


def test_a_url_reaches_as_far_as_v1() -> None:
    recipe = load_recipe({"data": "tickets.jsonl"})
    assert place_of(recipe, "http://host:8000/").url == "http://host:8000/v1"
    assert place_of(recipe, "https://host/openai/v1", model="big").model == "big"


def test_a_services_own_estimate_is_said(tune: Tune, service: FineTuning, notes: Notes) -> None:
    service.estimate = {"object": "estimate", "seconds": 12, "fits": True, "memory_bytes": 932331259}
    tune()
    assert "the service's own estimate: seconds 12, fits yes, memory 932 MB" in notes.notes
