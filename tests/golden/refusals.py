"""Group e, its second half: what is said to whoever brings what cannot be used."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.golden.masked import masked
from tests.golden.old_runs import make as old_runs
from tests.golden.places import find, of_tests

BESIDE = {"rewards": [{"kind": "length", "most": 9}]}
METHODS: dict[str, tuple[Any, str]] = {
    "auto": ("auto", "desk"),
    "sft": ("sft", "desk"),
    "pretrain": ("pretrain", "text.txt"),
    "pretrain from scratch": ({"kind": "pretrain", "from_scratch": True}, "text.txt"),
    "dpo": ("dpo", "pairs"),
    "kto": ("kto", "marks"),
    "reward": ("reward", "pairs"),
    "classify": ("classify", "teams"),
    "classify several": ({"kind": "classify", "task": "multi-label"}, "rules"),
    "classify number": ({"kind": "classify", "task": "regression"}, "amounts"),
    "grpo": ({"kind": "grpo", **BESIDE}, "sums"),
    "rloo": ({"kind": "rloo", **BESIDE}, "sums"),
    "ppo": ({"kind": "ppo", **BESIDE}, "sums"),
    "distil": ({"kind": "distil", "teacher": "nano"}, "prompts"),
    "bake": ({"kind": "bake", "prompt": "Be brief."}, "desk"),
}
"""Each method, and rows that suit it."""
FEATURES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "rows of words": {"data": "data/desk.jsonl"},
    "rows of pairs": {"data": "data/pairs.jsonl"},
    "rows of marks": {"data": "data/marks.jsonl"},
    "rows of labels": {"data": "data/teams.jsonl"},
    "plain text": {"data": "data/text.txt"},
    "replay": {"keep": {"replay": "base"}},
    "replay of a file": {"keep": {"replay": "data/general.jsonl"}},
    "kl": {"keep": {"replay": "none", "kl": 0.5}},
    "scale": {"keep": {"scale": 0.5}},
    "scale auto": {"keep": {"scale": "auto"}},
    "quantise": {"quantise": "nf4"},
    "all weights": {"adapter": "full"},
    "dora": {"adapter": {"kind": "lora", "dora": True}},
    "muon": {"optimizer": {"kind": "muon"}},
    "moments in 16 bits": {"optimizer": {"state": "bfloat16"}},
    "retrieval": {"retrieval": {"documents": "data/documents.jsonl"}},
    "compare": {"compare": {"documents": "data/documents.jsonl"}},
    "own metric": {"evaluate": {"metric": "data/own.py:right"}},
    "metric json": {"evaluate": {"metric": "json"}},
    "metric nll": {"evaluate": {"metric": "nll"}},
    "metric of pairs": {"evaluate": {"metric": "preference-accuracy"}},
    "wins": {"evaluate": {"wins": [{"kind": "length", "most": 9}]}},
    "judge": {"evaluate": {"judge": {"url": "http://localhost:1/v1", "model": "m", "rubric": "Which is kinder?"}}},
    "drawn answers": {"evaluate": {"temperature": 0.7, "samples": 3}},
    "opponents": {"evaluate": {"against": ["prompted", "examples"]}},
    "goal": {"goal": {"at_least": 0.9}},
    "goal of a class": {"goal": {"class_at_least": {"repair": 0.5}}},
    "suites": {"forgetting": {"suites": ["data/sums.jsonl"]}},
    "hold": {"schedule": {"kind": "hold"}},
    "batch": {"batch_tokens": 256},
    "micro batch": {"micro_batch_tokens": 64},
    "longest row": {"max_tokens": 24},
    "cut rows": {"max_tokens": 24, "too_long": "truncate"},
    "system": {"system": "Be brief."},
    "dialect": {"dialect": "chatml"},
    "format": {"format": "pairs"},
    "join labels": {"join_labels": True},
    "no validation": {"split": {"validation": 0}},
    "no test": {"split": {"test": 0}},
    "recompute": {"recompute": True},
    "plain attention": {"attention": "plain"},
}


def make(folder: Path, only: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in parts(folder).items():
        if not only or name == only:
            yield name, part()


def parts(folder: Path) -> dict[str, Callable[[], Any]]:
    """What is refused: features by methods, by the recipe and then by the data, and what the tests know as broken."""
    return {
        "features": lambda: {f"{feature}, {method}": said for feature, method, said in of_features()},
        "checked": lambda: {f"{feature}, {method}": masked(checked(feature, method), folder)
                            for feature, method, said in of_features() if not said},
        "curves": lambda: {method: masked(curve(method), folder) for method in METHODS},
        "studies": lambda: {f"{verb}, {run}": masked(said, folder) for verb, run, said in of_studies(folder)},
        "malformed": lambda: dict(malformed(folder)),
    }  # fmt: skip


def of_features() -> Iterator[tuple[str, str, Any]]:
    """What the recipe alone already refuses: (feature, method, message; "" where it is taken)."""
    for feature in FEATURES:
        for method in METHODS:
            yield feature, method, refused(lambda feature=feature, method=method: recipe_of(feature, method))


def recipe_of(feature: str, method: str) -> Any:
    import whet

    kind, rows = METHODS[method]
    data = f"data/{rows}" if "." in rows else f"data/{rows}.jsonl"
    split = {"near_duplicates": False} | FEATURES[feature].get("split", {})
    return whet.load_recipe({"data": data, "method": kind, **FEATURES[feature], "split": split})


def refused(act: Any) -> Any:
    """The error of an act as users and programs read it; "" where there is none."""
    import whet

    try:
        act()
    except whet.errors.WhetError as error:
        return str(error)
    return ""


def checked(feature: str, method: str) -> Any:
    """What `whet check` says a tune would be refused for; "" where it would not."""
    import whet

    try:
        found = whet.check(recipe_of(feature, method), run_root="runs", only=["empty-turn"])
    except whet.errors.WhetError as error:
        return {"raised": str(error)}
    return found["refused"] or ""


BEGINS = "it begins"
"""What stands in the place of a message where work was not refused."""


class Begun(BaseException):
    """It was not refused: the work would begin."""


class Stopper:
    """Stops whatever it watches at the first step of work on a model."""

    def phase(self, name: str, total: int | None = None) -> None:
        if total is not None:
            raise Begun

    def step(self, step: int, total: int, facts: dict[str, Any]) -> None:
        raise Begun

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...


def curve(method: str) -> str:
    """Why a learning curve of this method is refused; "it begins" where it is not."""
    import whet

    return begun(lambda: whet.curve(recipe_of("nothing", method), run_root="curves", observer=Stopper()))


def begun(act: Callable[[], Any]) -> str:
    """The error of long work watched by a Stopper; "it begins" where there is none."""
    try:
        return refused(act)
    except Begun:
        return BEGINS


def of_studies(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Why a verb that looks into a finished run refuses it: (verb, run, message; "it begins" where it does not)."""
    import whet.api

    place = folder / "old"
    old_runs.unpack(next(iter(sorted(Path(old_runs.__file__).parent.glob("*.tar.xz")))), place)
    for name in (*old_runs.METHODS, old_runs.STOPPED):
        for verb in (whet.api.failures, whet.api.frontier):
            with contextlib.chdir(place):
                yield verb.__name__, name, begun(lambda verb=verb, name=name: verb(name, observer=Stopper()))


def malformed(folder: Path) -> Iterator[tuple[str, Any]]:
    """Every broken input that the tests know, through the command line."""
    cases = of_tests("malformed_cases")
    good = [{"messages": [cases.user(row["prompt"]), cases.answer(row["completion"])]} for row in cases.GOOD]
    yield "files", {name: at_command(folder, {file: data}, file) for name, (file, data, _) in cases.FILES.items()}
    rows = {name: cases.jsonl([*good, row, row]) for name, (row, _) in cases.ROWS.items()}
    yield "rows", {name: at_command(folder, {"a.jsonl": data}, "a.jsonl") for name, data in rows.items()}
    rows = {name: cases.jsonl([row(n) for n in range(30)]) for name, (row, _) in cases.NONE_USABLE.items()}
    yield "unusable", {name: at_command(folder, {"a.jsonl": data}, "a.jsonl") for name, data in rows.items()}
    beside = cases.BESIDE | {"d.jsonl": cases.jsonl(cases.GOOD)}
    yield "recipes", {name: at_command(folder, beside | {"r.yaml": text}, "r.yaml")
                      for name, (text, _) in cases.RECIPES.items()}  # fmt: skip
    yield "settings", {text: at_command(folder, beside, "d.jsonl", "--set", "steps=2", "--set", text)
                       for text in cases.SETS}  # fmt: skip


def at_command(folder: Path, files: dict[str, bytes], *words: str) -> Any:
    """The error that `whet check` prints as JSON, or what it says that a tune would be refused for."""
    place = folder / "case"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, data in files.items():
        (place / name).write_bytes(data)
    out = io.StringIO()
    with contextlib.chdir(place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = find("command line")(["check", *words, "--json"])
    result = json.loads(out.getvalue())
    said = result.get("error") or {"refused": result["refused"], "dropped": result["ledger"]["dropped"]}
    return masked({"code": code, "said": said}, folder)
