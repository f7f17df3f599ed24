"""Where the golden set finds what it must import: for each name the places where it may stand, the new house first.

The set itself stays as it is while the modules of whet move; only this table knows paths. What a user can reach
(`import whet`, the command line) is not in it.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent

PLACES: dict[str, tuple[str, ...]] = {
    "command line": ("whet.cli.main:run",),
    "app": ("whet.cli.verb_list:whole_app", "whet.cli.main:app"),
    "cli page": ("whet.cli.reference:cli_page",),
    "recipe page": ("whet.cli.reference:recipe_page",),
    "identity": ("whet.store.identity:identity",),
    "default_name": ("whet.store.identity:default_name",),
    "nano": ("whet.model.base:NANO",),
    "machine_facts": ("whet.planning.machine:machine_facts", "whet.plan.machine:machine_facts"),
    "write_report": ("whet.reports.report:write_report", "whet.evaluate.report:write_report"),
    "paired_difference": ("whet.stats.paired:paired_difference", "whet.evaluate.statistics:paired_difference"),
    "tango": ("whet.stats.paired:tango", "whet.evaluate.statistics:tango"),
    "wilson": ("whet.stats.paired:wilson", "whet.evaluate.statistics:wilson"),
    "mean_interval": ("whet.stats.paired:mean_interval", "whet.evaluate.statistics:mean_interval"),
    "win_interval": ("whet.stats.paired:win_interval", "whet.evaluate.statistics:win_interval"),
    "cluster_codes": ("whet.stats.paired:cluster_codes", "whet.evaluate.statistics:cluster_codes"),
    "changes": (
        "whet.stats.resample:differences",
        "whet.stats.resample:changes",
        "whet.evaluate.resample:changes",
    ),
    "as_units": (
        "whet.stats.resample:cluster_sums",
        "whet.stats.resample:as_units",
        "whet.evaluate.resample:as_units",
    ),
    "interval": ("whet.stats.resample:interval", "whet.evaluate.resample:interval"),
    "spread": ("whet.stats.resample:interval_with_p", "whet.stats.resample:spread", "whet.evaluate.resample:spread"),
    "standard_error": ("whet.stats.resample:standard_error", "whet.evaluate.resample:standard_error"),
    "student": ("whet.stats.resample:student", "whet.evaluate.resample:student"),
    "bootstrap_t": ("whet.stats.resample:bootstrap_t", "whet.evaluate.resample:bootstrap_t"),
    "sign_flip": ("whet.stats.resample:sign_flip", "whet.evaluate.resample:sign_flip"),
    "mcnemar_p": ("whet.stats.power:mcnemar_p", "whet.doctor.power:mcnemar_p"),
    "mcnemar_power": ("whet.stats.power:mcnemar_power", "whet.doctor.power:mcnemar_power"),
    "rejection_limit": ("whet.stats.power:rejection_limit", "whet.doctor.power:rejection_limit"),
    "exact_limit": ("whet.stats.power:exact_limit", "whet.doctor.power:exact_limit"),
    "detectable_gain": ("whet.stats.power:detectable_gain", "whet.doctor.power:detectable_gain"),
    "worth": ("whet.stats.power:effective_size", "whet.stats.power:worth", "whet.doctor.power:worth"),
    "clustered_power": ("whet.stats.power:clustered_power", "whet.doctor.power:clustered_power"),
    "promised_gain": ("whet.stats.power:promised_gain", "whet.doctor.power:promised_gain"),
    "rows_for_gain": ("whet.stats.power:rows_for_gain", "whet.doctor.power:rows_for_gain"),
    "power_facts": ("whet.stats.power:power_facts", "whet.doctor.power:power_facts"),
    "rows_needed": ("whet.stats.rows_needed:rows_needed", "whet.evaluate.power:rows_needed"),
    "rows_for_mean": ("whet.stats.rows_needed:rows_for_mean", "whet.evaluate.power:rows_for_mean"),
    "rows_for_equivalence": (
        "whet.stats.rows_needed:rows_for_equivalence",
        "whet.evaluate.power:rows_for_equivalence",
    ),
    "design_effect": ("whet.stats.rows_needed:design_effect", "whet.evaluate.power:design_effect"),
    "effective_rows": ("whet.stats.rows_needed:effective_rows", "whet.evaluate.power:effective_rows"),
    "cohens_kappa": ("whet.stats.agreement:cohens_kappa", "whet.evaluate.agreement:cohens_kappa"),
    "holm": ("whet.stats.multiple_tests:holm", "whet.evaluate.family:holm"),
    "calibration": ("whet.stats.calibration:calibration", "whet.evaluate.calibration:calibration"),
    "preferred": (
        "whet.stats.bradley_terry:fit_win_rate",
        "whet.stats.bradley_terry:preferred",
        "whet.evaluate.preferred:preferred",
    ),
    "win_rate": ("whet.evaluation.judges.win_rate:win_rate", "whet.evaluate.wins:win_rate"),
    "length_controlled": (
        "whet.stats.length_control:length_controlled",
        "whet.evaluate.length_control:length_controlled",
    ),
    "class_facts": ("whet.evaluation.metrics.per_class:class_facts", "whet.evaluate.skew:class_facts"),
    "confusion": ("whet.evaluation.metrics.per_class:confusion", "whet.evaluate.skew:confusion"),
    "lost_classes": ("whet.evaluation.metrics.per_class:lost_classes", "whet.evaluate.skew:lost_classes"),
    "verdict": ("whet.evaluation.verdict:compare", "whet.evaluate.verdict:compare"),
}
"""`module:name`, tried from left to right. A name that moves elsewhere gets its new place in front."""


@lru_cache
def find(name: str) -> Any:
    """What the table means by `name`. Raises LookupError that says which line to mend."""
    for place in PLACES[name]:
        module, _, attribute = place.partition(":")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there, and one that it needs is not
            continue
        if hasattr(found, attribute):
            return getattr(found, attribute)
    raise LookupError(f"{name!r} is at none of {PLACES[name]}: put its new place in front, in tests/golden/places.py")


@lru_cache
def of_tests(stem: str) -> Any:
    """The module of the tests that is called so, wherever it stands under tests/. Raises LookupError."""
    found = sorted(path for path in TESTS.rglob(f"{stem}.py") if TESTS / "golden" not in path.parents)
    if len(found) != 1:
        raise LookupError(f"tests/ must hold one {stem}.py, and holds {len(found)}: mend tests/golden")
    return importlib.import_module(".".join(found[0].relative_to(ROOT).with_suffix("").parts))
