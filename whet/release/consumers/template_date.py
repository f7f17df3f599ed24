"""Templates that write the date: golden prompts keep the day of the training, and are compared as of that day.

A proof must not fail because it is another day than when the golden prompts were rendered. Where a consumer renders in
this process its clock stands still; where it renders elsewhere, its own words for today are taken back, or it may say
what the trained template says today. A template that writes anything else still differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from whet.data.render.renderer import Renderer
from whet.release.golden import Golden

WRITES_DATE = "strftime_now"
"""What transformers, vLLM and llama.cpp offer to templates."""
FORMAT = re.compile(WRITES_DATE + r"""\(\s*(["'])(.+?)\1\s*\)""")
AROUND = (-1, 0, 1)
"""Days: a server may lie in another time zone."""


@contextmanager
def standing_still(clock: str) -> Iterator[None]:
    """Within this block transformers' templates write the day of `clock`, an ISO date; today's where it is empty.
    transformers takes no callable from its callers, so its own clock is stopped."""
    if not clock:
        yield
        return

    from transformers.utils import chat_template_utils as rendering

    module: Any = rendering
    then, running = datetime.fromisoformat(clock), module.datetime

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return then

    module.datetime = Stopped
    try:
        yield
    finally:
        module.datetime = running


def as_of(clock: str, text: str, templates: Iterable[str], now: datetime | None = None) -> str:
    """A rendered text with the day of `clock` in the place of today, in the forms that the templates name."""
    if not clock:
        return text
    then, now = datetime.fromisoformat(clock), now or datetime.now()

    for form in dict.fromkeys(found[2] for template in templates for found in FORMAT.finditer(template)):
        text = text.replace(now.strftime(form), then.strftime(form))
    return text


def of_other_days(golden: Golden, renderer: Renderer, now: datetime | None = None) -> dict[tuple[int, ...], list[int]]:
    """The ids that the trained template gives the golden prompts today, with those that are golden; nothing where it
    writes no date. A server that renders by itself may say these."""
    if not any(WRITES_DATE in template for template in renderer.templates.values()):
        return {}

    found: dict[tuple[int, ...], list[int]] = {}
    for days in AROUND:
        clock = (now or datetime.now()) + timedelta(days=days)
        other = Renderer(renderer.tokenizer, variables=renderer.variables, clock=clock)
        other.templates = renderer.templates

        for case in golden.cases:
            prompt = case.prompt
            if prompt.messages is not None:
                found[tuple(other.prompt_ids(prompt.messages, prompt.tools))] = prompt.ids
    return found
