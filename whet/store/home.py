"""Where Whet keeps what it can make again, on this machine, for all runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """$WHET_CACHE, or `whet` in $XDG_CACHE_HOME, or ~/.cache/whet."""
    own = os.environ.get("WHET_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whet"
