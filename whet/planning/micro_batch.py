"""Tokens of a micro-batch from the memory plan: the more, the faster a device works, until they do not fit.

All memory of the machine is asked for, not what is free at this moment: two runs of the same recipe on the same machine
must cut their steps alike, or they would differ in the last bits.
"""

from __future__ import annotations

from dataclasses import replace

from whet.planning.memory import Setting, predict
from whet.planning.model_shape import ModelShape
from whet.planning.settings import SMALL_MICRO, fits

MOST = 32_768
"""Beyond this a GPU gains nothing more."""
SHARE = {"cpu": 0.5, "cuda": 0.7}
"""Of all memory. A processor's is that of other programs, too; on a GPU the plan is computed and was never measured."""


def largest_micro(shape: ModelShape, setting: Setting, memory: int) -> int:
    """The largest power of two, from SMALL_MICRO to MOST tokens, of which the plan says that it fits into `memory`
    bytes of the device; a row that is longer is read in any case."""
    tokens, room = SMALL_MICRO, round(memory * SHARE[setting.device])
    while tokens < MOST and fits(predict(shape, _with(setting, 2 * tokens)), room):
        tokens *= 2
    return tokens


def _with(setting: Setting, tokens: int) -> Setting:
    return replace(setting, tokens=max(tokens, setting.longest))
