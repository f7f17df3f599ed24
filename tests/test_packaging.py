"""What `pip install` gives: the package whole, the command, and every library that the code asks for, and no more."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import whet
from whet.demo_data.support_desk import generate

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
COMES_WITH = {"pydantic-core": "pydantic", "starlette": "fastapi"}
"""Parts that a library brings and that are imported under their own name."""


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(found.name): found for found in map(Requirement, lines)}


DEPENDENCIES = requirements(PROJECT["dependencies"])
EXTRAS = {name: requirements(lines) for name, lines in PROJECT["optional-dependencies"].items()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    paths = (ROOT / "whet").rglob("*")
    here = {str(p.relative_to(ROOT)) for p in paths if p.is_file() and "__pycache__" not in p.parts}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert packed == here
    assert {"whet/py.typed", "whet/reports/report.html.j2", "whet/model/nano/model.safetensors"} <= packed


def test_the_wheel_names_the_command_the_version_and_the_licence(wheel: Path) -> None:
    files = zipfile.ZipFile(wheel)
    texts = {Path(name).name: files.read(name).decode() for name in files.namelist() if ".dist-info/" in name}
    assert "whet = whet.cli.main:main" in texts["entry_points.txt"]
    assert f"\nVersion: {whet.__version__}\n" in texts["METADATA"]
    assert "\nLicense-Expression: Apache-2.0\n" in texts["METADATA"]
    assert "Apache License" in texts["LICENSE"]


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, with an empty HOME and no checkout in sight, it renders a row with the bundled base."""
    alone, home = tmp_path / "alone", tmp_path / "home"
    zipfile.ZipFile(wheel).extractall(alone)
    home.mkdir()
    rows = generate(60, seed=0)
    (home / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(alone), "HF_HUB_OFFLINE": "1"}

    def python(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    place, version = python("-c", "import whet; print(whet.__file__, whet.__version__)").split()
    assert place.startswith(str(alone)) and version == whet.__version__
    assert "sharpens" in python("-m", "whet", "--help")
    assert "«{" in python("-m", "whet", "show", "tickets.jsonl", "--rows", "1")


def imported() -> Iterator[tuple[str, str, bool]]:
    """(file, library, guarded) of each import of something that is neither Python's nor ours.

    Guarded: an ImportError around it is turned into a message.
    """
    for path in sorted((ROOT / "whet").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        guarded = {
            inner
            for block in ast.walk(tree)
            if isinstance(block, ast.Try) and any("ImportError" in ast.unparse(h.type or block) for h in block.handlers)
            for statement in block.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            for top in (name.split(".")[0] for name in names):
                if top not in sys.stdlib_module_names and top != "whet":
                    yield str(path.relative_to(ROOT)), library(top), node in guarded


installed = cache(packages_distributions)


def library(module: str) -> str:
    """The name under which a module is installed: `yaml` -> `pyyaml`."""
    name = canonicalize_name(installed().get(module, [module])[0])
    return COMES_WITH.get(name, name)


def test_every_import_is_a_dependency_or_an_extra_with_a_message() -> None:
    optional = {name for extra, found in EXTRAS.items() if extra not in ("test", "site", "dev") for name in found}
    wrong = []
    for path, name, guarded in imported():
        if path.startswith(("whet/server/", "whet/web/")) and name in EXTRAS["server"]:
            continue  # the whole room is one extra: whoever opens it is told (whet/cli/verbs/service/serve.py)
        if path.startswith("whet/server/telemetry/") and name in EXTRAS["otel"]:
            continue  # nobody comes there but through open_telemetry, which tells of the extra (test_spans.py)
        if path.startswith("whet/server/jobs/cluster/") and name in EXTRAS["ray"]:
            continue  # nobody comes there but through ray_library, which tells of the extra (test_reach.py)
        if name in optional and not guarded:
            wrong.append(f"{path}: {name} is an extra, so its absence needs a message")
        elif name not in DEPENDENCIES and name not in optional:
            wrong.append(f"{path}: {name} is not among the dependencies in pyproject.toml")
    assert not wrong, "\n".join(wrong)


def test_every_dependency_is_imported() -> None:
    used = {name for _, name, _ in imported()}
    assert not DEPENDENCIES.keys() - used


def test_the_pins_fit_the_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = requirements([line for line in lines if line and not line.startswith("#")])
    for group in (DEPENDENCIES, *EXTRAS.values()):
        for name, wanted in group.items():
            if name == "whet":
                continue
            assert name in pins, f"{name} has no pin in constraints.txt"
            version = str(pins[name].specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{pins[name]} is outside of {wanted}"


def test_make_has_the_promised_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    promised = "demo test test-all lint types docs site clean".split()
    assert set(promised) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert all(f"\nmake {target}\n" in ci for target in ("demo", "test", "lint"))
    side_by_side = re.findall(r"^at_once (.+)$", ci, re.MULTILINE)
    assert side_by_side == ["types site architecture"]
    assert all(f"\n{target}() {{ make {target}; }}\n" in ci for target in ("types", "site"))
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == whet.__version__
    assert f"## {whet.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
