"""Do two judges agree more than chance would: Cohen's kappa with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from whet.errors import DataError, count
from whet.stats.facts import KappaFacts
from whet.stats.paired import Z, cluster_codes


def cohens_kappa(first: Sequence[str], second: Sequence[str], clusters: Sequence[object] | None = None) -> KappaFacts:
    """Labels of the same items by two judges: kappa (Cohen 1960, doi:10.1177/001316446002000104).

    The interval has the large-sample standard error (Fleiss, Cohen and Everitt 1969, doi:10.1037/h0028106), where items
    share a cluster that of the clusters, with Student's t. kappa and interval are None where both use one and the same
    label only: chance then agrees always. Raises DataError for lists of different lengths.
    """
    if len(first) != len(second):
        raise DataError("two judges must have judged the same items", value=(len(first), len(second)))

    rows = len(first)
    if not rows:
        return {"kappa": None, "low": None, "high": None, "agreement": None, "rows": 0}

    labels = sorted({*first, *second})
    one_N = np.array([labels.index(label) for label in first])
    other_N = np.array([labels.index(label) for label in second])
    share = np.zeros((len(labels), len(labels)))
    np.add.at(share, (one_N, other_N), 1 / rows)
    row, column = share.sum(1), share.sum(0)

    agreed, chance = float(np.trace(share)), float(row @ column)
    if chance > 1 - 1e-12:
        return {"kappa": None, "low": None, "high": None, "agreement": agreed, "rows": rows}

    kappa = (agreed - chance) / (1 - chance)
    influence_N = ((one_N == other_N) - (1 - kappa) * (column[one_N] + row[other_N])) / (1 - chance)
    reach = half_width(influence_N - influence_N.mean(), cluster_codes(clusters, rows))
    low, high = max(-1.0, kappa - reach), min(1.0, kappa + reach)

    return {"kappa": kappa, "low": low, "high": high, "agreement": agreed, "rows": rows}


def half_width(influence_N: np.ndarray, group_N: np.ndarray | None) -> float:
    """Half the width of a 95% interval, from how far each item moves the estimate. Without groups this is equation 13
    of Fleiss, Cohen and Everitt 1969, whose variance is that of the influence of an item."""
    rows = influence_N.size
    if group_N is None:
        return Z * math.sqrt(float(np.sum(influence_N**2))) / rows
    sums_G = np.bincount(group_N, influence_N)

    groups = sums_G.size
    if groups == 1:
        return math.inf
    error = math.sqrt(groups / (groups - 1) * float(np.sum(sums_G**2))) / rows

    return float(special.stdtrit(groups - 1, 0.975)) * error


def format_agreement(found: KappaFacts, with_whom: str) -> str:
    """One sentence, with the usual words for the size of kappa left out: they are arbitrary."""
    if not found["rows"]:
        return ""
    agreed = f"Agreement with {with_whom} on {count(found['rows'], 'row')}: {found['agreement']:.0%}"
    if found["kappa"] is None:
        return f"{agreed}; both used one label only, so kappa says nothing."
    return f"{agreed}, Cohen's kappa {found['kappa']:.2f} (95% interval {found['low']:.2f} to {found['high']:.2f})."
