"""All checks, found in whet/doctor/checks/, and their pages."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Collection, Iterable
from functools import cache
from importlib import import_module
from typing import TypedDict

from whet.doctor import checks
from whet.doctor.check import Check, LeakCheck
from whet.errors import InputError, nearest


@cache
def by_code() -> dict[str, type[Check]]:
    """Every check by its code, in the order of the codes. Raises ValueError where a code occurs twice."""
    found: dict[str, type[Check]] = {}
    for module in pkgutil.walk_packages(checks.__path__, f"{checks.__name__}."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Check) and value.__module__ == module.name:
                if value.code in found:
                    raise ValueError(f"two checks have the code {value.code!r}")
                found[value.code] = value

    return dict(sorted(found.items()))


def all_checks(only: Collection[str] = (), skip: Collection[str] = ()) -> list[Check]:
    """A fresh instance of every check for one examination, or of `only` some, without those to `skip`.

    Raises InputError for a code that there is not, and where nothing is left.
    """
    for code in (*only, *skip):
        check_of(code)
    chosen = [check() for code, check in by_code().items() if (not only or code in only) and code not in skip]
    if not chosen:
        raise InputError("no check is left", value=f"--skip {','.join(skip)}", fix="skip fewer")
    return chosen


def leak_checks() -> list[Check]:
    """A fresh instance of every check of what learned rows give away."""
    return [check for check in all_checks() if isinstance(check, LeakCheck)]


class LeakedRows(TypedDict):
    """leaks.json."""

    test_rows: list[int]
    """Those that rows to be learned give away."""
    codes: list[str]
    """Of the checks that say so."""


def leaks_of(checks: Iterable[Check]) -> LeakedRows:
    """The checks have seen all rows."""
    found = {check.code: check.leaked_test_rows() for check in checks if isinstance(check, LeakCheck)}
    codes = [code for code, rows in found.items() if rows]
    return {"test_rows": sorted(set[int]().union(*found.values())), "codes": codes}


def check_of(code: str) -> type[Check]:
    """Raises InputError for a code that there is not."""
    known = by_code()
    if code not in known:
        what = f"there is no check with this code{nearest(code, known)}"
        raise InputError(what, value=code, fix=f"the codes are: {', '.join(known)}")
    return known[code]


def explain(code: str) -> str:
    """The page of a check. Raises InputError for a code that there is not."""
    return inspect.cleandoc(inspect.getmodule(check_of(code)).__doc__ or "")
