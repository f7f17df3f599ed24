"""Reading a recipe must not load torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["whet", "whet.recipe.load", "whet.recipe.rules", "whet.store.run", "whet.store.index", "whet.cli.main"]
)
def test_light_rooms_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; heavy = {{'torch', 'transformers', 'numpy'}} & set(sys.modules); "
    code += "sys.exit(str(heavy) if heavy else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import whet

    with pytest.raises(AttributeError, match="no attribute 'tuen'"):
        _ = whet.tuen
    assert whet.load_recipe({"data": "a"}) == whet.Recipe(data="a")
