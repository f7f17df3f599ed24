"""The site builds without a warning, and a page of it asks nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from whet.recipe.explain import kinds
from whet.recipe.schema import Recipe

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|next|prev))[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
    r"""|url\(["']?(?:https?:)?//[^)]*\)|@import\s+["'](?:https?:)?//[^"']*"""
)
"""What a browser fetches by itself from another host; a link to click is none."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="the site needs the extra `site`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_no_page_of_the_site_loads_anything_from_elsewhere(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css", ".svg")]
    found = {str(path.relative_to(site)): LOADS.findall(path.read_text("utf-8")) for path in files}
    assert len(files) > 50 and not any(found.values()), {page: hits for page, hits in found.items() if hits}


def test_what_loads_from_elsewhere_would_be_found() -> None:
    for hit in ('<script src="https://a/b.js">', "<link rel=stylesheet href=//fonts/x>", "url(https://a/b.woff)"):
        assert LOADS.search(hit)
    for fine in ('<a href="https://arxiv.org/abs/1">', '<script src="site/a.js">', '<link rel="icon" href="a.png">'):
        assert not LOADS.search(fine)


def test_search_needs_no_server(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text("utf-8").startswith("var __index = ")
    assert (site / "site" / "iframe-worker.js").is_file()
    assert "site/iframe-worker.js" in (site / "methods" / "dpo.html").read_text("utf-8")


def test_every_page_has_its_place_on_the_map_and_in_the_navigation() -> None:
    map_ = (DOCS / "README.md").read_text("utf-8")
    navigation = yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    on_map = {page for page in pages if not re.match(r"decisions/\d", page)}
    assert {page for page in on_map if f"({page})" not in map_} == set()
    assert {page for page in pages if page not in navigation} == set()


def test_the_table_of_methods_names_every_method() -> None:
    table = (DOCS / "methods" / "README.md").read_text("utf-8")
    every = kinds(Recipe.model_fields["method"].annotation)
    assert len(every) > 8 and not [kind for kind in every if f"`{kind}`" not in table]
