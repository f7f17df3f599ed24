"""Did answers become slower, or dearer? By windows of traces: single ones depend on their neighbours' load.

Of each window of WINDOW traces the median is one observation: seconds to the first token, to the end of the answer,
from token to token, and tokens read and written. The first windows are the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from statistics import median

from whet.monitoring.trace import Trace

WINDOW = 20
FIRST_WINDOWS = 20
"""Windows of the reference."""
MEASURES = {
    "first token": "the first token takes longer",
    "token": "a token takes longer",
    "answer": "answers take longer",
    "tokens": "a request takes more tokens",
}


def measures_of(trace: Trace) -> dict[str, float]:
    """Of one trace: seconds, or tokens."""
    told = {}
    if trace.first_token_seconds is not None:
        told["first token"] = trace.first_token_seconds
    if trace.seconds is not None:
        told["answer"] = trace.seconds
        tokens = trace.answer_tokens or 0
        if trace.first_token_seconds is not None and tokens > 1:
            told["token"] = (trace.seconds - trace.first_token_seconds) / (tokens - 1)
    if trace.prompt_tokens is not None and trace.answer_tokens is not None:
        told["tokens"] = float(trace.prompt_tokens + trace.answer_tokens)
    return {name: value for name, value in told.items() if isfinite(value) and value >= 0}


def medians_of(window: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of a whole window. A measure that fewer than half tell is left out."""
    return {name: median(values) for name, values in by_measure(window).items() if len(values) * 2 >= WINDOW}


def by_measure(held: Iterable[dict[str, float]]) -> dict[str, list[float]]:
    """All values of each measure."""
    found: dict[str, list[float]] = {}
    for told in held:
        for name, value in told.items():
            found.setdefault(name, []).append(value)
    return found
