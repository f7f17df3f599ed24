"""What clients call the bases that the service was started with: the same name to ask one and to tune one."""

from __future__ import annotations

from pathlib import Path

from whet.recipe.bases import NANO, is_base
from whet.server.settings import Settings


def bases_of(settings: Settings) -> dict[str, str]:
    """Names that a client may give, each with the base that it means, as load_base takes it."""
    known = {listed_name(name): name for name in settings.models if is_base(name)}
    return known | {alias: known[name] for alias, name in settings.aliases.items() if name in known}


def listed_name(base: str) -> str:
    """What clients call a base: its name on the Hub, or of its folder or file. Where that lies is not told."""
    path = Path(base).expanduser()
    if base == NANO or not path.exists():
        return base
    return path.resolve().stem if path.is_file() else path.resolve().name
