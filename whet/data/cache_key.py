"""What turns bytes into token ids, beside data and recipe: code and libraries. What other code made is never read."""

from __future__ import annotations

import sys

import jinja2
import numpy as np
import tokenizers

from whet.store.source_key import source_key

WITHIN = ("whet.data", "whet.text", "whet.types")
"""Not whet.recipe, whet.store and whet.errors: what they decide is in a cache's key by its value."""


def made_by(root: str) -> str:
    """Of a module that prepares data: its source, that of all it imports, and the versions of what renders and
    tokenises."""
    versions = (tokenizers.__version__, jinja2.__version__, np.__version__, sys.version)
    return source_key(root, within=WITHIN) + " ".join(versions)
