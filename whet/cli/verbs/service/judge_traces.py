"""`whet judge MODEL --from SERVICE`: a person says what is right about answers that a service gave."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whet.cli.verbs.judge import one_key
from whet.cli.verbs.service.serve import parts_installed
from whet.errors import InputError, are, count

if TYPE_CHECKING:
    from whet.cli.render import Screen
    from whet.monitoring.trace import Trace
    from whet.server.traces.feedback import NewFeedback
    from whet.server.traces.judging import TraceJudging

GOOD, BAD, CORRECT, SKIP, QUIT = "g", "b", "c", "s", "q"
HELP = "g good   b bad   c correct it   s skip   q quit"
WORDS = {GOOD: "good", BAD: "bad", CORRECT: "corrected", SKIP: "skipped"}


def judge_traces(model: str, service: str, who: str | None, project: str, newest: int, as_json: bool) -> None:
    from whet.cli.render import Screen
    from whet.verbs.judge import login

    with parts_installed():
        from whet.server.traces import judging

    screen, name = Screen(as_json), login() if who is None else who
    if not name.strip():
        raise InputError("the name of who judges is empty", where="--who", fix="as in: --who anna")
    sitting = judging.judge_traces(service, model, name, project, newest)
    try:
        done = _go_through(screen, sitting)
    finally:
        sitting.close()

    left = len(sitting) - sum(done.values())
    if left:
        screen.say(f"{count(left, 'answer')} {are(left)} left; the same command goes on")
    if done[GOOD] + done[BAD] + done[CORRECT]:
        screen.say(
            f"It is feedback now: whet monitor {model} --from {service} --rows FILE makes rows of it", style="dim"
        )
    counts = {word: done[key] for key, word in WORDS.items()}
    screen.finish({"model": model, "who": name, "project": project, **counts, "left": left})


def _go_through(screen: Screen, sitting: TraceJudging) -> Counter[str]:
    """How often each key was chosen."""
    total = len(sitting)
    answers = count(total, "answer")
    screen.say(f"{answers} to judge as {sitting.who}; {HELP}" if total else f"{sitting.who} has judged every answer")
    done: Counter[str] = Counter()
    keys = _choices()
    for number, trace in enumerate(sitting, start=1):
        _show(screen, trace, number, total)
        choice = _chosen(screen, keys)
        if choice is None:
            break
        key, words = choice
        if key != SKIP:
            try:
                sitting.keep(trace, _feedback(trace, key, words))
            except InputError as error:
                screen.say(f"whet: {error}", style="yellow")
                key = SKIP
        done[key] += 1
        screen.say(f"{number} of {total}: {WORDS[key]}", style="dim")
    return done


def _chosen(screen: Screen, keys: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
    """The next choice that is one; None where somebody quits."""
    for key, words in keys:
        if key == QUIT:
            return None
        if key == CORRECT and not words.strip():
            screen.say("a correction is the right answer itself, and there was none", style="yellow")
        elif key in WORDS:
            return key, words
        else:
            screen.say(f"{key!r} is none of the keys; {HELP}", style="yellow")
    return None


def _choices() -> Iterator[tuple[str, str]]:
    """(key, the right answer behind c). Where there is no terminal, from lines: `g`, or `c The right answer`, in which
    \\n is the end of a line."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            key, _, words = line.strip().partition(" ")
            if key:
                yield key.lower(), words.replace("\\n", "\n")
        return

    while True:
        key = one_key().lower()
        yield key, _typed() if key == CORRECT else ""


def _typed() -> str:
    """Lines until an empty one."""
    print("The right answer; an empty line ends it:", file=sys.stderr)
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip():
            break
        lines.append(line.rstrip("\n"))
    return "\n".join(lines)


def _feedback(trace: Trace, key: str, words: str) -> NewFeedback:
    from whet.server.traces.feedback import NewFeedback
    from whet.server.traces.judging import corrected

    return corrected(trace.id, words) if key == CORRECT else NewFeedback(good=key == GOOD)


def _show(screen: Screen, trace: Trace, number: int, total: int) -> None:
    from rich.panel import Panel
    from rich.text import Text

    from whet.reports.answer_cards import visible

    title = f"{number} of {total}"
    screen.show(Panel(Text(visible(_asked(trace))), title=title, title_align="left", border_style="dim"))
    screen.show(Panel(Text(visible(_answered(trace))), title="the answer", title_align="left"))


def _asked(trace: Trace) -> str:
    from whet.monitoring.trace import conversation

    return conversation(trace.messages)


def _answered(trace: Trace) -> str:
    calls = [_call(call) for call in trace.tool_calls or []]
    return "\n".join([*([trace.answer] if trace.answer else []), *calls]) or "(nothing)"


def _call(call: dict[str, Any]) -> str:
    function = call.get("function") or {}
    return f"{function.get('name')}({function.get('arguments')})"
