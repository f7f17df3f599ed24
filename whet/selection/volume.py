"""What a thousand answers cost, by this machine's hours or a server's prices, at the volume that is expected.

A machine of one's own is paid for every hour of the month, whether it is asked or not, and one more is needed when one
cannot write all answers. A server is paid by the answer. So a server wins at a small volume and a machine at a large
one. Without a volume the machine is taken to be always at work.
"""

from __future__ import annotations

import math

from whet.errors import InputError

HOURS_A_MONTH = 730.0
"""365 days of 24 hours, over 12."""
HOUR = 3600
THOUSAND = 1000


def refuse_no_volume(answers_per_month: int | None) -> None:
    """Raises InputError for a volume that is not above 0."""
    if answers_per_month is not None and answers_per_month < 1:
        fix = "give a number of answers above 0"
        raise InputError("this is no volume", where="--answers-per-month", value=answers_per_month, fix=fix)


def machine_usd(seconds: float, price_per_hour: float | None, answers_per_month: int | None) -> float | None:
    """Dollars of a thousand answers of so many seconds each; None without a price."""
    if price_per_hour is None:
        return None
    if answers_per_month is None:
        return THOUSAND * seconds * price_per_hour / HOUR
    machines = max(1, math.ceil(answers_per_month * seconds / (HOUR * HOURS_A_MONTH)))
    return THOUSAND * machines * HOURS_A_MONTH * price_per_hour / answers_per_month
