"""Every recipe that is shipped or shown parses, names data that is there, and runs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from random import Random

import pytest
import typer
import yaml

from bench.shown import bake, manners
from bench.shown.moderation import comments
from bench.shown.world_preferences import pairs
from nano.tasks_arithmetic import plain_sum
from whet import api
from whet.cli.verb_list import whole_app
from whet.demo_data.support_desk import generate
from whet.recipe.load import RECIPE_SUFFIXES, load_recipe
from whet.recipe.schema import Distil

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_a_shipped_recipe_parses_and_its_files_are_there(path: Path) -> None:
    recipe = load_recipe(path)
    data = [recipe.data] if isinstance(recipe.data, str) else recipe.data
    assert all(Path(one).exists() for one in [*data, *([recipe.test] if recipe.test else [])])
    assert f"({path.name})" in (ROOT / "recipes" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", sorted((ROOT / "nano").glob("*.yaml")), ids=name)
def test_a_recipe_of_the_bundled_base_parses(path: Path) -> None:
    assert load_recipe(path).method.kind == "pretrain"


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_a_shipped_recipe_runs_to_its_verdict(path: Path, tmp_path: Path) -> None:
    overrides = ["steps=3", "evaluate.forgetting=false", "evaluate.max_new_tokens=8", "split.max_test=8"]
    overrides += ["evaluate.against=[base]"]  # of fewer than four steps nothing is replayed
    recipe = load_recipe(path, overrides)
    if isinstance(recipe.method, Distil):
        teacher = recipe.method.teacher
        api.train(load_recipe(path.with_name(f"{teacher}.yaml"), overrides), run_root=tmp_path, name=teacher)
    result = api.tune(recipe, run_root=tmp_path)
    assert result["verdict"]["word"] in ("better", "worse", "no-difference", "undecided")
    assert Path(result["report"]).is_file()


def test_the_data_of_the_recipes_is_what_the_generator_makes() -> None:
    folder = ROOT / "recipes" / "data"
    lines = (folder / "support-desk.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == generate(400, seed=1)
    rng, sums = Random("sums"), {}
    while len(sums) < 800:
        question, answer = plain_sum(rng)
        sums.setdefault(question, answer)
    lines = (folder / "sums.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"prompt": q, "completion": a} for q, a in sums.items()]
    for file, rows, seed in (("routing.csv", 400, 2), ("routing-test.csv", 150, 3)):
        with (folder / file).open(newline="", encoding="utf-8") as table:
            found = [(row["message"], row["intent"]) for row in csv.DictReader(table)]
        made = generate(rows, seed)
        assert found == [(row["prompt"], json.loads(row["completion"])["intent"]) for row in made]


def test_the_preferences_of_the_recipes_are_what_the_generator_makes() -> None:
    made = {"manners": manners.pairs(300, seed=2), "thumbs": manners.marked(300, seed=3, good=0.75)}
    made |= {"world-preferences": pairs(600, seed=1), "comments": comments(600, seed=1)}
    for file, rows in made.items():
        lines = (ROOT / "recipes" / "data" / f"{file}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_the_rows_of_the_baked_recipe_are_answers_to_the_worlds_messages() -> None:
    lines = (ROOT / "recipes" / "data" / "fields.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 159, "160 messages, of which two are the same"
    assert {row["messages"][0]["content"] for row in rows} <= bake.messages(160).keys()
    prompt = (ROOT / "recipes" / "fields.txt").read_text("utf-8").strip()
    assert {row["provenance"]["system"] for row in rows} == {prompt}


def shown_recipes() -> list[tuple[str, str]]:
    """(page, text) of every block of YAML in the guides."""
    blocks = ((page.name, page.read_text("utf-8")) for page in PAGES)
    return [(page, block) for page, text in blocks for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize(("page", "text"), shown_recipes())
def test_a_recipe_in_the_guides_parses(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(text)
    assert path.suffix in RECIPE_SUFFIXES and load_recipe(path).data == yaml.safe_load(text)["data"]


def test_the_guides_show_only_commands_that_exist() -> None:
    commands = typer.main.get_command(whole_app()).commands  # type: ignore[attr-defined]
    wrong = []
    for page in [*PAGES, ROOT / "recipes" / "README.md", ROOT / "CONTRIBUTING.md"]:
        shell = "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
        for line in re.findall(r"^whet (.+)$", shell, re.MULTILINE):
            words = line.split("#")[0].split("&&")[0].split()
            command = commands.get(words[0])
            inner = getattr(command, "commands", {})
            if len(words) > 1 and words[1] in inner:
                command = inner[words[1]]
            options = {word.split("=")[0] for word in words if word.startswith("--")}
            known = {option for parameter in getattr(command, "params", []) for option in parameter.opts}
            if command is None or options - known:
                wrong.append(f"{page.name}: whet {line}")
            load_recipe({"data": "x.jsonl"}, re.findall(r"--set ([\w.]+=\S+)", line))
    assert not wrong, "\n".join(wrong)
