"""The main job on real input: from a file to a verdict, on the bundled base. Short runs: what is proved is the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import whet
import whet.api
from whet.demo_data.support_desk import generate
from whet.errors import RecipeError
from whet.store.run import Run

ROWS = 200
SETTINGS: dict[str, Any] = {"steps": 30, "split.test": 12, "split.validation": 12, "evaluate.max_new_tokens": 48}
NEAR_TIE = 0.25
"""Of logits, by which two ways to compute in bfloat16 may differ."""
STABLE_KEYS = {
    "run", "model", "method", "ledger", "metric", "base", "tuned", "difference", "verdict", "forgetting", "seconds",
    "tokens_per_second", "peak_memory_bytes", "report",
}  # fmt: skip


ALONE: dict[str, Any] = {"evaluate.forgetting": False, "evaluate.against": ["base"], "keep": False}
"""Held against the base only, and nothing of it replayed: what else a tune does and a verdict measures is in the run of
`tuned`, which several tests read."""


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tune")
    data = write_jsonl(folder / "tickets.jsonl", generate(ROWS, 3))
    result = whet.tune(str(data), run_root=folder / "runs", **SETTINGS)
    return folder, result


def test_result_has_the_stable_keys_and_counts_every_row(tuned: tuple[Path, dict[str, Any]]) -> None:
    _, result = tuned
    assert result.keys() >= STABLE_KEYS
    ledger = result["ledger"]
    assert (
        ledger["rows_in"]
        == ROWS
        == ledger["trained"] + sum(ledger["held_out"].values()) + sum(ledger["dropped"].values())
    )
    assert result["metric"]["name"] == "json"
    assert result["tuned"]["validity"] > result["base"]["validity"]
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]


def test_run_folder_holds_what_the_docs_say(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    run = folder / "runs" / result["run"]
    for name in (
        "recipe.yaml", "recipe.resolved.yaml", "choices.json", "environment.json", "ledger.json", "rows.jsonl",
        "metrics.jsonl", "selfcheck.json", "evaluation.json", "answers.jsonl", "report.html", "status.json",
        "model/adapter_model.safetensors", "model/tokenizer.json", "model/whet.json",
    ):  # fmt: skip
        assert (run / name).is_file(), name
    assert json.loads((run / "selfcheck.json").read_text())["path"] == "fused"
    page = (run / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page


def test_test_rows_never_reach_training(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    fates: dict[str, set[str]] = {}
    for line in (folder / "runs" / result["run"] / "rows.jsonl").read_text().splitlines():
        row = json.loads(line)
        fates.setdefault(row["fate"], set()).add(row["hash"])
    assert fates["test"] and fates["trained"] and fates["validation"]
    assert not fates["test"] & fates["trained"] and not fates["test"] & fates["validation"]


def test_same_command_returns_the_same_result_without_training(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    assert whet.tune(str(folder / "tickets.jsonl"), run_root=folder / "runs", **SETTINGS) == result


def test_evaluation_again_gives_the_same_numbers(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    again = whet.api.evaluate(result["run"], run_root=folder / "runs", anew=True)
    for key in ("base", "tuned", "difference", "verdict", "forgetting"):
        assert again[key] == result[key], key


def test_an_evaluation_that_nothing_changed_is_taken_from_the_record(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    path = folder / "runs" / result["run"] / "evaluation.json"
    before = path.stat().st_mtime_ns
    again = whet.api.evaluate(result["run"], run_root=folder / "runs")
    assert path.stat().st_mtime_ns == before and again == json.loads(path.read_text())


def test_the_memory_of_the_evaluation_is_not_that_of_the_training(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    trained = json.loads((folder / "runs" / result["run"] / "training.json").read_text())
    assert result["peak_memory_bytes"] == trained["peak_memory_bytes"]
    assert result["evaluation_peak_memory_bytes"] > 0


def test_failures_are_of_validation_rows_and_leave_the_run_as_it_was(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    run = Run.open(result["run"], folder / "runs")
    before = run.status_facts()
    facts = whet.api.failures(result["run"], run_root=folder / "runs")
    entries = [json.loads(line) for line in (run.folder / "rows.jsonl").read_text().splitlines()]
    fates = {entry["row"]: entry["fate"] for entry in entries}
    trained = {entry["where"] for entry in entries if entry["fate"] == "trained"}
    told = [line for kind in facts["kinds"] for line in kind["rows"]]
    assert facts["failures"] == len(told) > 0, "30 steps do not learn the task"
    assert {fates[line["row"]] for line in told} == {"validation"}
    assert {near["where"] for line in told for near in line["nearest"]} <= trained
    assert all(line["score"] < 0.5 and line["answer"] != line["reference"] for line in told)
    assert json.loads((run.folder / "failures.json").read_text()) == facts
    assert (run.folder / "collect.md").read_text().startswith("# What to collect")
    assert run.status_facts() == before


def test_saved_adapter_is_the_one_that_answers_in_plain_peft(tuned: tuple[Path, dict[str, Any]]) -> None:
    """No code of ours: transformers and PEFT load the run's model folder and write the answers of the evaluation."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from whet.model.base import NANO

    folder, result = tuned
    run = Run.open(result["run"], folder / "runs")
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    base = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.bfloat16)
    model = PeftModel.from_pretrained(base, str(run.model)).eval()
    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()][:6]
    for line in lines:
        prompt = tokenizer.apply_chat_template(line["prompt"], add_generation_prompt=True)["input_ids"]
        answer = tokenizer.encode(line["tuned"], add_special_tokens=False)
        if len(answer) < SETTINGS["evaluate.max_new_tokens"]:
            answer.append(tokenizer.eos_token_id)
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1].float()
        behind = logits.max(-1).values - logits[range(len(answer)), answer]
        assert behind.max() <= NEAR_TIE, line["tuned"]


def test_chat_answers_from_the_run(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, result = tuned
    session = whet.chat(result["run"], run_root=folder / "runs")
    answer = "".join(session.reply([{"role": "user", "content": generate(1, 99)[0]["prompt"]}]))
    assert answer.startswith("{")


def test_full_fine_tuning_writes_a_plain_model(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "t.jsonl", generate(60, 5))
    result = whet.tune(str(data), run_root=tmp_path / "runs", steps=6, adapter="full", **ALONE)
    assert result["method"] == "sft (full)"
    assert (tmp_path / "runs" / result["run"] / "model" / "model.safetensors").is_file()
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]


@pytest.mark.parametrize("kind", ["txt", "md", "jsonl", "parquet"])
def test_continued_pretraining_on_a_users_text(tmp_path: Path, kind: str, data_dir: Path) -> None:
    text = (data_dir / "books" / "Henry James--The Turn of the Screw.md").read_text(errors="ignore")[:40_000]
    path = tmp_path / f"domain.{kind}"
    if kind in ("txt", "md"):
        path.write_text(text)
    elif kind == "jsonl":
        write_jsonl(path, [{"text": text[at : at + 2000]} for at in range(0, len(text), 2000)])
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": [text[at : at + 2000] for at in range(0, len(text), 2000)]}), path)
    settings = {"method": "{kind: pretrain, context: 128}", "adapter": "full", "steps": 8, "batch_tokens": 1024}
    settings |= {} if kind == "txt" else ALONE  # what differs is how the text is read
    result = whet.tune(str(path), run_root=tmp_path / "runs", **settings)
    assert result["metric"]["name"] == "nll"
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]


def test_pretraining_from_scratch_starts_from_random_weights(tmp_path: Path, data_dir: Path) -> None:
    text = (data_dir / "books" / "Henry James--The Turn of the Screw.md").read_text(errors="ignore")[:40_000]
    (tmp_path / "t.txt").write_text(text)
    settings = {
        "method": "{kind: pretrain, context: 64, from_scratch: true}", "adapter": "full", "steps": 12,
        "batch_tokens": 1024, "optimizer": "{kind: muon}", "learning_rate": 3e-3, "evaluate.forgetting": False,
    }  # fmt: skip
    result = whet.tune(str(tmp_path / "t.txt"), run_root=tmp_path / "runs", **settings)
    assert result["base"]["nll_per_token"] > 8.0  # about ln 4096 = 8.3: it knows nothing
    assert result["tuned"]["nll_per_token"] < 7.5


def test_banking77_gets_better(tmp_path: Path, data_dir: Path) -> None:
    lines = (data_dir / "banking77" / "train.csv").read_text().splitlines()
    wanted = ("card_arrival", "exchange_rate", "lost_or_stolen_card", "age_limit", "atm_support", "country_support")
    few = [line for line in lines[1:] if line.rsplit(",", 1)[-1] in wanted]
    (tmp_path / "bank.csv").write_text("\n".join([lines[0], *few]) + "\n")
    result = whet.tune(str(tmp_path / "bank.csv"), run_root=tmp_path / "runs", steps=40, **ALONE)
    assert result["metric"]["name"] == "accuracy"
    assert result["base"]["score"] < 0.1 < 0.5 < result["tuned"]["score"]
    assert result["verdict"]["word"] == "better"


def test_gsm8k_is_not_solved_and_the_verdict_says_so(tmp_path: Path, data_dir: Path) -> None:
    lines = (data_dir / "gsm8k" / "train.jsonl").read_text().splitlines()[:150]
    (tmp_path / "gsm8k.jsonl").write_text("\n".join(lines) + "\n")
    result = whet.tune(str(tmp_path / "gsm8k.jsonl"), run_root=tmp_path / "runs", steps=15, **ALONE)
    assert result["metric"]["name"] == "final-answer"
    assert result["tuned"]["nll_per_token"] < result["base"]["nll_per_token"]  # the format is learned
    assert result["tuned"]["score"] < 0.2 and result["verdict"]["word"] in ("undecided", "no-difference")


def test_alpaca_file_trains(tmp_path: Path, data_dir: Path) -> None:
    rows = json.loads((data_dir / "raschka" / "instruction-data.json").read_text())[:120]
    (tmp_path / "alpaca.json").write_text(json.dumps(rows))
    result = whet.api.train(str(tmp_path / "alpaca.json"), run_root=tmp_path / "runs", steps=8, keep=False)
    assert result["ledger"]["rows_in"] == 120
    assert result["stopped"]["best_step"] > 0


def test_gate_exits_with_3_when_it_is_not_better(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "t.jsonl", generate(40, 8))
    command = [sys.executable, "-m", "whet", "tune", str(data), "--gate", "--json", "--runs", str(tmp_path / "runs")]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    settings = [word for key in ("steps=1", "evaluate.forgetting=false") for word in ("--set", key)]
    done = subprocess.run([*command, *settings], capture_output=True, env=env)
    assert done.returncode == 3, done.stderr.decode()
    assert json.loads(done.stdout)["verdict"]["word"] != "better"


def test_overrides_of_a_recipe_object_are_checked_too(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "t.jsonl", generate(40, 8))
    recipe = whet.load_recipe(data)
    with pytest.raises(RecipeError, match="epochs"):
        whet.tune(recipe, run_root=tmp_path / "runs", epocs=2)
    assert not (tmp_path / "runs").exists()
