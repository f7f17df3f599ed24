"""Rows that stand in the order of time: the last ones are the test, those before them the validation.

What was answered after a model was trained is what it will be asked; rows drawn at random lie among those that it
learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whet.data.split.clusters import clusters
from whet.data.split.parts import Parts, leaks, refuse_too_few, size_of
from whet.data.split.row_traits import Traits
from whet.recipe.schema import Split

HALF = 0.5
"""As of a test file of one's own (whet/data/held_out_clusters.py)."""


@dataclass(frozen=True, slots=True)
class OrderedParts:
    parts: Parts
    leaked: np.ndarray
    """Rows that belong together with one behind a cut."""
    unanswered: np.ndarray
    """Rows of the test part that nothing can be compared with."""


def split_in_order(traits: Traits, settings: Split, chosen: np.ndarray, *, own_test: bool) -> OrderedParts:
    """`chosen` are positions of rows, ascending; with `own_test` only a validation part is held out. Of the training
    rows `train_share` takes the latest. Raises DataError where there are too few rows."""
    rows = len(chosen)
    wanted_test = 0 if own_test else size_of(settings.test, settings.max_test, rows)
    wanted_validation = size_of(settings.validation, settings.max_validation, rows)
    refuse_too_few(rows, wanted_test, wanted_validation)

    begins = rows - wanted_test
    test, before = chosen[begins:], chosen[:begins]
    answered = traits.column("answered")[test]
    test, unanswered = test[answered], test[~answered]

    leaked_before = leaks(traits, before, test, settings.near_duplicates) if len(test) else before[:0]
    validation = np.setdiff1d(before[begins - wanted_validation :], leaked_before)
    train = np.setdiff1d(before[: begins - wanted_validation], leaked_before)
    leaked = leaks(traits, train, validation, settings.near_duplicates) if len(validation) else train[:0]
    train = np.setdiff1d(train, leaked)

    learned = max(1, round(settings.train_share * len(train)))
    left_out, train = train[: len(train) - learned], train[len(train) - learned :]
    together = test
    if len(test):
        together = clusters(traits, test, settings.near_duplicates, own_test=True, large=HALF)
    return OrderedParts(
        Parts(train, validation, test, left_out, together), np.union1d(leaked_before, leaked), unanswered
    )
