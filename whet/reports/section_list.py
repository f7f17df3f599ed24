"""All sections, found in whet/reports/sections/, in the order of the page and in that of the terminal."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module

from whet.reports import sections
from whet.reports.section import Section


@cache
def templates() -> dict[Section, str]:
    """Every section, with the path of its template from whet/reports/. Raises ValueError for a file that has none."""
    found = {}
    for module in pkgutil.walk_packages(sections.__path__, f"{sections.__name__}."):
        if module.ispkg:
            continue
        section = getattr(import_module(module.name), "SECTION", None)
        if not isinstance(section, Section):
            raise ValueError(f"{module.name} has no SECTION")
        place = module.name.removeprefix("whet.reports.").replace(".", "/")
        found[section] = f"{place}.html.j2"

    return found


@cache
def on_page() -> list[Section]:
    return in_order(templates(), lambda section: section.after)


@cache
def in_terminal() -> list[Section]:
    """Those of which a terminal says something."""
    return in_order((section for section in templates() if section.line), lambda section: section.line_after)


def in_order(found: Iterable[Section], after: Callable[[Section], str]) -> list[Section]:
    """Each follows the one that it names, at once: where several name the same, the one that fewest follow comes
    first, so that a new section stands between two that were there before.

    Raises ValueError where a key stands twice, and for a section that follows none that is there.
    """
    all_of_them = list(found)
    followers: dict[str, list[Section]] = {}
    for section in all_of_them:
        followers.setdefault(after(section), []).append(section)

    def chain(key: str) -> list[Section]:
        chains = [[section, *chain(section.key)] for section in followers.get(key, [])]
        chains.sort(key=lambda one: (len(one), one[0].key))
        return [section for one in chains for section in one]

    keys = [section.key for section in all_of_them]
    if len(set(keys)) < len(keys):
        raise ValueError(f"two sections have the same key: {sorted(keys)}")

    ordered = chain("")
    if lost := set(keys) - {section.key for section in ordered}:
        raise ValueError(f"these sections follow none that is there: {', '.join(sorted(lost))}")
    return ordered
