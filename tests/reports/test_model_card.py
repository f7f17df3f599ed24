"""The model card: what the run knows, in the form that the Hub reads, and nothing private."""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from huggingface_hub import metadata_load

from tests.reports.made_up_run import write_json, write_run
from whet.demo_data.support_desk import generate
from whet.model.base import load_base
from whet.model.open import open_model
from whet.model.saved_model import read_facts
from whet.recipe.schema import Recipe
from whet.reports.model_card import card, write_card
from whet.store.run import Run

MODEL = {"base": "nano", "adapter": "lora", "dtype": "float32", "base_fingerprint": "ab" * 32, "quantise": None}


def made_up(folder: Path, model: dict[str, Any] | None = None, **recipe: Any) -> Run:
    run = Run(write_run(folder))
    keys = {"data": "/home/somebody/secret/tickets.jsonl", "base": "nano", "method": {"kind": "sft"}} | recipe
    (folder / "recipe.resolved.yaml").write_text(yaml.safe_dump(keys))
    facts = {"name": folder.name, "created": "2026-11-21T09:30:00Z", "data_sha256": "d" * 64}
    write_json(folder / "run.json", facts | {"working_folder": "/home/somebody/work"})
    (folder / "model").mkdir()
    write_json(folder / "model" / "whet.json", MODEL | (model or {}))
    return run


def test_it_says_what_the_run_knows(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1")
    text = card(run)
    evaluation = run.read_json("evaluation.json")
    assert evaluation["verdict"]["sentence"].replace("<", "&lt;") in text
    labels = {one["name"]: one["label"] for one in evaluation["verdict"]["against"]}
    assert labels.pop("constant") not in text and "Always the same answer" in text  # it is a row's
    for label in labels.values():
        assert label[0].upper() + label[1:] in text
    for wanted in ("95% interval", "d" * 64, "`tickets.jsonl`", "2,412", "47 s", "1.31 GB", "`sft`", "whet chat"):
        assert wanted in text, wanted
    assert "forgotten" in text or "cost elsewhere" in text
    assert "More Information Needed" not in text


def test_a_run_that_was_not_measured_says_so(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1")
    (run.folder / "evaluation.json").unlink()
    assert "**It was not measured**" in card(run) and "held against" not in card(run)


def test_no_folder_server_or_text_of_the_owner_is_told(tmp_path: Path) -> None:
    private = "/home/somebody/secret"
    run = made_up(
        tmp_path / "tickets-1",
        {"base": f"{private}/our-base"},
        base=f"{private}/our-base",
        data=[f"{private}/a.jsonl", "C:\\Users\\somebody\\b.jsonl"],
        test=f"{private}/t.jsonl",
        system="Our secret prompt",
        keep={"replay": f"{private}/replay.jsonl"},
    )
    text = write_card(run).read_text("utf-8")
    assert "`a.jsonl`, `b.jsonl`" in text and "`our-base`" in text and "`replay.jsonl`" in text
    for word in ("somebody", str(tmp_path), str(Path.home()), "secret", os.getcwd(), "/home"):
        assert word not in text, word
    taught = made_up(
        tmp_path / "taught",
        method={"kind": "distil", "teacher": "http://10.0.0.7:8000/v1"},
    )
    assert "10.0.0.7" not in card(taught) and "a server" in card(taught)


def test_the_front_is_what_the_hub_reads(tmp_path: Path) -> None:
    for name, base, data, wanted in (
        ("one", "nano", "/x/d.jsonl", {"library_name": "peft", "tags": ["whet", "sft", "lora"]}),
        ("two", "owner/base", "owner/set:config:train", {"base_model": "owner/base", "datasets": ["owner/set"]}),
    ):
        run = made_up(tmp_path / name, {"base": base}, base=base, data=data)
        found = metadata_load(write_card(run))
        assert found and wanted.items() <= found.items()
        assert ("base_model" in found) == (base != "nano") and found["pipeline_tag"] == "text-generation"
    whole = metadata_load(write_card(made_up(tmp_path / "full", {"adapter": "full"}, adapter={"kind": "full"})))
    assert whole and whole["library_name"] == "transformers"


def test_a_folder_that_looks_like_a_name_on_the_hub_is_none(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1", data="private/rows")
    (tmp_path / "private" / "rows").mkdir(parents=True)
    facts = run.read_json("run.json") | {"working_folder": str(tmp_path)}
    write_json(run.folder / "run.json", facts)
    text = card(run)
    assert "datasets" not in text and "private" not in text and "`rows`" in text


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1", data="/x/a|b`<script>\u202e.jsonl")
    text = card(run)
    assert "<script>" not in text and "\u202e" not in text
    [row] = [line for line in text.splitlines() if line.startswith("| data |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert text.startswith("---\n") and yaml.safe_load(text.split("---\n")[1])


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ({}, {}),
        ({"adapter": "full"}, {"adapter": {"kind": "full"}}),
        ({"quantise": "nf4"}, {"quantise": "nf4"}),
        ({"base": "owner/base"}, {"base": "owner/base"}),
        ({"base": "/home/somebody/secret/m.gguf"}, {"base": "/home/somebody/secret/m.gguf"}),
        ({}, {"method": {"kind": "classify"}}),
        ({}, {"method": {"kind": "reward"}}),
    ],
)
def test_the_code_of_every_card_is_python(tmp_path: Path, model: dict[str, Any], recipe: dict[str, Any]) -> None:
    text = card(made_up(tmp_path / "run", model, **recipe))
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    imported = {alias.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom | ast.Import)
                for alias in node.names}  # fmt: skip
    assert names - {"base", "model", "tokenizer"} <= imported and "somebody" not in text
    assert ("BASE" in code) == ("BASE is" in text)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, int]:
    """A run that made one step, under a umask that shuts others out."""
    import json

    from whet import api

    folder = tmp_path_factory.mktemp("card")
    data = folder / "tickets.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in generate(40, 3)))
    before = os.umask(0o077)
    try:
        api.train(Recipe.model_validate({"data": str(data), "steps": 1, "keep": False}), folder, name="one")
    finally:
        os.umask(before)
    return Run(folder / "one"), 0o077


def test_files_of_a_model_follow_the_umask(trained: tuple[Run, int], tmp_path: Path) -> None:
    run, umask = trained
    modes = {file.name: file.stat().st_mode & 0o777 for file in run.model.iterdir()}
    assert set(modes.values()) == {0o666 & ~umask}, modes
    assert {"adapter_model.safetensors", "README.md"} <= modes.keys()
    from safetensors.torch import save_file

    from whet.store.atomic import new_folder

    before = os.umask(0o022)
    try:
        with new_folder(tmp_path / "model") as folder:
            save_file({"a": torch.zeros(2)}, folder / "model.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_the_code_of_the_card_opens_the_model(trained: tuple[Run, int]) -> None:
    run, _ = trained
    text = (run.model / "README.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    place = load_base("nano", torch.float32).path
    names: dict[str, Any] = {}
    exec(code.replace('"FOLDER"', repr(str(run.model))).replace('"BASE"', repr(place)), names)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        found = names["model"](ids).logits
        wanted = open_model(run.model, read_facts(run.model), False, kernels=False).model(ids).logits
    rounding = 0.15 if names["model"].dtype == torch.bfloat16 else 1e-4  # a logit of 16 has steps of 0.125 in bfloat16
    assert torch.allclose(found.float(), wanted.float(), atol=rounding)
    assert names["tokenizer"].chat_template


def test_the_commands_of_the_card_find_the_base(trained: tuple[Run, int]) -> None:
    from whet.model.base import locate

    text = (trained[0].model / "README.md").read_text("utf-8")
    [name] = re.findall(r'print\(locate\("([^"]+)"\)\)', text)
    assert Path(locate(name), "config.json").is_file()
    assert str(shutil.os.getcwd()) not in text  # type: ignore[attr-defined]
