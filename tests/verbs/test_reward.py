"""A file of preference pairs becomes a reward model that plain transformers loads, with a paired verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import whet
from whet import api
from whet.data.render.renderer import Renderer
from whet.errors import InputError, RecipeError
from whet.model.base import load_tokenizer
from whet.model.heads.sequence_classifier import open_reward_model
from whet.store.run import Run
from whet.training.classifier_folder import end_at_stop
from whet.types import Row


@pytest.fixture(scope="module")
def run(copy_of_run: Callable[[str], Path]) -> Run:
    return Run.open(copy_of_run("reward"))


def test_the_verdict_is_paired_and_says_what_the_base_is(run: Run) -> None:
    result = run.read_json("evaluation.json")
    assert result["method"] == "reward (lora)" and result["metric"]["name"] == "preference-accuracy"
    assert result["verdict"]["word"] in ("better", "undecided")
    assert result["tuned"]["score"] == 1.0
    base = result["base"]
    assert base["kind"] == ("coin" if base["likelihood_accuracy"] < 0.5 else "likelihood")
    assert base["score"] == max(0.5, base["likelihood_accuracy"])
    assert 0 <= result["calibration"]["ece"] < 0.5
    assert sum(row["rows"] for row in result["calibration"]["bins"]) == result["difference"]["rows"]
    assert "forgetting" not in result


def test_the_report_shows_the_reliability_table(run: Run) -> None:
    page = (run.folder / "report.html").read_text()
    assert "Is its confidence honest?" in page and "sigmoid of the margin" in page


def test_plain_transformers_gives_the_reward_of_the_same_conversation(run: Run) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    model = AutoModelForSequenceClassification.from_pretrained(run.model).eval()
    assert model.config.num_labels == 1 and model.config.problem_type == "regression"
    conversations = [
        [{"role": "user", "content": "How do I cancel order 7?"}, {"role": "assistant", "content": words}]
        for words in ("Gladly. Please open order 7 and press cancel. Thank you.", "Do not ask again.")
    ]
    texts = [tokenizer.apply_chat_template(conversation, tokenize=False) for conversation in conversations]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.no_grad():
        theirs = model(**batch).logits[:, 0]
    reward = open_reward_model(run.model)
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    torch.testing.assert_close(reward.scores(rows), theirs, rtol=1e-4, atol=1e-4)
    assert theirs[0] > theirs[1] + 1
    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()]
    spoken = reward.scores([_row(reward.tokenizer, lines[0]["prompt"], lines[0]["reference"])])
    assert lines[0]["tuned"].startswith(f"chosen {spoken.item():+.3f}"), "the evaluation scored this very text"


def _row(tokenizer: Any, prompt: list[dict[str, str]], answer: str) -> list[int]:
    messages = [*prompt, {"role": "assistant", "content": answer}]
    return tokenizer(tokenizer.apply_chat_template(messages, tokenize=False), add_special_tokens=False)["input_ids"]


def test_a_template_that_goes_on_after_the_stop_is_made_to_end_there() -> None:
    template = (
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    tokenizer = load_tokenizer("nano")
    renderer = Renderer(tokenizer, template)
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    assert renderer.render(Row(0, "a", messages)).text.endswith("<|end|>\n")
    tokenizer.chat_template = end_at_stop(renderer)
    assert tokenizer.apply_chat_template(messages, tokenize=False).endswith("Hello.<|end|>")
    asked = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert asked == "<|user|>Hi<|end|>\n<|assistant|>"


def test_a_reward_model_does_not_chat(run: Run) -> None:
    with pytest.raises(InputError, match="scores, not words"):
        api.chat(str(run.folder))


def test_the_finished_run_is_measured_again_to_the_same_numbers(run: Run) -> None:
    before = run.read_json("evaluation.json")
    again = api.evaluate(run, anew=True)
    for key in ("base", "tuned", "difference", "calibration"):
        assert again[key] == before[key]


def test_four_bits_and_a_metric_of_words_are_refused(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"Where is {n}?", "chosen": f"{n} is here.", "rejected": "No."} for n in range(40)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RecipeError, match="merged"):
        whet.tune(str(pairs), run_root=tmp_path, method="reward", quantise="nf4")
    with pytest.raises(RecipeError, match="probability of their answers"):
        whet.tune(str(pairs), run_root=tmp_path, method="reward", **{"evaluate.metric": "rouge-l"})
