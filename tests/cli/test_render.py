"""What is drawn says what the numbers say."""

from __future__ import annotations

import io
import json
import sys
import time
from itertools import pairwise

import pytest

from whet.cli import main, progress, reference, render
from whet.cli.verbs import chat
from whet.errors import HIDDEN, DataError
from whet.generation.engine import Sampling
from whet.reports.sections.evidence.difference import interval


def test_the_interval_is_drawn_where_it_is() -> None:
    assert interval(-1, 0, 1, 21) == "├─────────●─────────┤"
    assert interval(0.5, 0.8, 1.0, 21) == "··········┼····├──●─┤"
    assert interval(-9, 0.1, 9, 21) == "├──────────●────────┤"


def test_learned_pieces_are_told_apart_with_and_without_colour() -> None:
    parts = [("user", False), ("answer", True)]
    assert render.format_parts(parts) == "user«answer»"
    assert [str(span.style) for span in render.pieces(parts).spans] == ["dim", "bold green"]


def test_text_of_a_user_is_never_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    screen = render.Screen(False)
    screen.say("[bold]x[/bold] [/oops]")
    screen.show(render.table(["[red]a"], [("[/b]",)]))
    render.result(screen, {"verdict": {"word": "better", "sentence": "[/b] wins"}})
    shown = capsys.readouterr().out
    assert "[bold]x[/bold] [/oops]" in shown and "[/b] wins" in shown


@pytest.mark.parametrize("make", [progress.ProgressBar, progress.ProgressLines])
def test_observers_take_any_order_of_calls(
    make: type[progress.ProgressBar | progress.ProgressLines], capsys: pytest.CaptureFixture[str]
) -> None:
    watch = make()
    watch.note("early")
    watch.done()
    watch.phase("reading")
    watch.phase("training", 3)
    for step in range(4):
        watch.step(step, 3, {"loss": 0.5} if step else {})
        watch.pulse("reading [3] tokens")
    watch.done()
    watch.step(1, 3, {})
    watch.pulse("late")
    watch.note("late [note]")
    watch.done()
    said = capsys.readouterr().err
    assert "early" in said and "late [note]" in said, "a note is said before the first phase and after the last"
    assert said.index("early") < said.index("reading") < said.index("training") < said.index("late [note]")


def test_a_log_gets_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    watch = progress.ProgressLines()
    watch.phase("training", 1000)
    for step in range(1, 1001):
        watch.step(step, 1000, {"loss": 1.0})
    watch.done()
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 13 and lines[-1].startswith("  training 1000/1000  loss 1.000")


def test_a_log_is_never_silent_for_long(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A phase of ten minutes of which 3 of 30 steps are known at once, then one operation without a beat."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "LOOKS", 3600.0)  # the clock's thread sleeps: its looks are made here
    watch = progress.ProgressLines()
    watch.phase("training", 30)
    for step in range(1, 4):
        watch.step(step, 30, {"reward": 0.25})
    said: list[tuple[float, str]] = [(0.0, "phase")]
    while now[0] < 600:
        now[0] += 0.5
        watch.pulse(f"{now[0]:.0f} tokens") if now[0] < 300 else watch.look()
        said += [(now[0], line) for line in capsys.readouterr().err.splitlines() if now[0] > 0.5]
    watch.done()
    now[0] += 60
    watch.look()
    assert capsys.readouterr().err == ""
    gaps = [(after[0], after[0] - before[0]) for before, after in pairwise(said)]
    assert all(gap <= max(2.0, at / 20) + 0.5 for at, gap in gaps) and 60 < len(said) < 100
    assert said[1][1] == "  training 3/30  2 tokens  2 s"
    assert said[-1][1].startswith("  training 3/30  300 tokens  5")


def test_the_clock_of_a_log_speaks_while_an_operation_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LEAST_QUIET", 0.05)
    monkeypatch.setattr(progress, "LOOKS", 0.01)
    watch = progress.ProgressLines()
    watch.phase("loading the base")
    time.sleep(0.5)
    watch.done()
    assert "  loading the base  at work  0 s" in capsys.readouterr().err.splitlines()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_the_reference_pages_are_current() -> None:
    for path, text in reference.pages().items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale; run: {sys.executable} -m whet.cli.reference"


def test_the_reference_names_every_key_and_every_verb() -> None:
    from whet.recipe.explain import all_keys

    recipe, command_line = reference.recipe_page(), reference.cli_page()
    assert [key for key, _ in all_keys() if not key.endswith(".kind") and f"`{key}`" not in recipe] == []
    assert "## whet tune" in command_line and "### whet models promote" in command_line


EVIL = "\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202egnp.exe\x08"


def is_harmless(text: str) -> bool:
    return not HIDDEN.search(text) and "⟨U+001B⟩" in text


def test_escape_sequences_of_data_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    screen = render.Screen(False)
    screen.say(EVIL)
    screen.show(render.table([EVIL], [(EVIL,)], title=EVIL))
    render.result(screen, {"verdict": {"word": "better", "sentence": EVIL}})
    screen.show(render.pieces([(EVIL, True)]))
    screen.say(render.format_parts([(EVIL, True)]))
    for watch in (progress.ProgressLines(), progress.ProgressBar()):
        watch.note(EVIL)
        watch.phase(EVIL, 2)
        watch.step(1, 2, {})
        watch.pulse(EVIL)
        watch.note(EVIL)
        watch.done()
    shown = capsys.readouterr()
    assert is_harmless(shown.out) and shown.out.count("]0;owned⟨U+0007⟩⟨U+000D⟩") >= 4
    assert is_harmless(shown.err)


def test_colours_stay_where_escape_sequences_of_data_do_not() -> None:
    stream = io.StringIO()
    render.SafeConsole(file=stream, force_terminal=True, color_system="standard").print(render.pieces([(EVIL, True)]))
    assert stream.getvalue().count("\x1b[1;32m") == 1 and stream.getvalue().count("\x1b") == 2
    assert "⟨U+001B⟩[2J⟨U+001B⟩]0;owned" in stream.getvalue()


def test_errors_show_the_escape_sequences_of_data(capsys: pytest.CaptureFixture[str]) -> None:
    main.report(DataError(EVIL, where=EVIL, value=EVIL, fix=EVIL), as_json=True)
    shown = capsys.readouterr()
    assert is_harmless(shown.err)
    assert not HIDDEN.search(shown.out.rstrip()) and json.loads(shown.out)["error"]["what"] == EVIL
    assert main.run(["show", f"{EVIL}.jsonl"]) == 2
    assert is_harmless(capsys.readouterr().err)


def test_a_model_that_writes_escape_sequences_writes_them_as_signs(capsys: pytest.CaptureFixture[str]) -> None:
    class Session:
        def reply(self, messages: list[object], sampling: object) -> list[str]:
            return ["\x1b", "[2J", "fine"]

    assert chat.reply(Session(), [], "hello", Sampling(), quiet=False) == "\x1b[2Jfine"  # type: ignore[arg-type]
    assert capsys.readouterr().out == "⟨U+001B⟩[2Jfine\n"
