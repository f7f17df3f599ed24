"""People judge what a service answered: each answer once, what they say is feedback, and nothing else is theirs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.server.traces.made import keep, project, prove_totals, record
from whet.cli.main import run
from whet.errors import InputError
from whet.server.database.opening import open_database
from whet.server.settings import Settings
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.judging import judge_traces
from whet.server.traces.opening import open_traces


def said(words: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": f"asked {words}"}], "answer": f"answer {words}"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Five answers of a model, one of them judged by ben; one without texts, and one of another model."""
    folder = tmp_path / "service"
    folder.mkdir()
    database = open_database(Settings(folder).database_url)
    owner = project(database)
    named = {"model": "support"}
    texts = [record(f"t{number}", owner, ago=50.0 - number, **named, **said(str(number))) for number in range(4)]
    texts.append(record("classify-1", owner, ago=9.0, model="support", **said("of a class")))
    texts.append(record("o1", owner, ago=5.0, model="other", **said("of another")))
    keep(database, texts, texts=True)
    keep(database, [record("quiet", owner, ago=1.0, **named)])
    add_feedback(database, owner, "t3", NewFeedback(good=False, author="ben"), None)
    prove_totals(database)
    database.close()
    return folder


def feedback(home: Path) -> dict[str, list[tuple[object, ...]]]:
    told = open_traces(home)
    return {
        one.id: [(say.good, say.corrected, say.label, say.by) for say in one.feedback] for one in told if one.feedback
    }


def command(home: Path, lines: str, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    return run(["judge", "support", "--from", str(home), "--who", "anna", *options])


def test_what_nobody_judged_comes_first_and_the_newest_of_it(home: Path) -> None:
    sitting = judge_traces(home, "support", "anna")
    assert [trace.id for trace in sitting] == ["classify-1", "t2", "t1", "t0", "t3"]
    sitting.close()
    sitting = judge_traces(home, "support", "ben")
    assert [trace.id for trace in sitting] == ["classify-1", "t2", "t1", "t0"], "ben has judged t3"
    sitting.close()


def test_keys_become_feedback_and_the_same_command_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "c refund\nx\nc\ng\nc We open\\nat nine.\nq\n"
    assert command(home, lines, monkeypatch, "--json") == 0
    out, shown = capsys.readouterr()
    told = json.loads(out)
    assert (told["good"], told["corrected"], told["bad"], told["left"]) == (1, 2, 0, 2)
    assert "asked of a class" in shown and "'x' is none of the keys" in shown and "there was none" in shown
    assert "answer of another" not in shown and "5 answers to judge as anna" in shown
    assert feedback(home) == {
        "classify-1": [(None, None, "refund", "anna")],
        "t2": [(True, None, None, "anna")],
        "t1": [(None, "We open\nat nine.", None, "anna")],
        "t3": [(False, None, None, "ben")],
    }

    assert command(home, "s\nb\n", monkeypatch, "--json") == 0
    out, shown = capsys.readouterr()
    assert json.loads(out)["bad"] == 1 and "2 answers to judge" in shown and "makes rows of it" in shown
    assert feedback(home)["t3"] == [(False, None, None, "ben"), (False, None, None, "anna")], "both are kept"
    assert command(home, "", monkeypatch) == 0 and "1 answer to judge" in capsys.readouterr().out


def test_one_that_was_erased_meanwhile_is_said_and_the_others_go_on(home: Path) -> None:
    sitting = judge_traces(home, "support", "anna")
    first, second, *_ = sitting
    with sitting._database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM traces WHERE id = '{first.id}'")
    with pytest.raises(InputError, match="No such trace"):
        sitting.keep(first, NewFeedback(good=True))
    sitting.keep(second, NewFeedback(good=True))
    sitting.keep(second, NewFeedback(good=True))
    with pytest.raises(InputError, match="not kept"):
        sitting.keep(second, NewFeedback(good=False))
    sitting.close()
    assert len(feedback(home)[second.id]) == 1


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["judge", "suport", "--from", "HOME"], "did you mean 'support'"),
        (["judge", "support", "--from", "nowhere"], "no service has its database here"),
        (["judge", "support", "--from", "HOME", "--who", " "], "the name of who judges is empty"),
        (["judge", "support", "--from", "HOME", "--project", "mine"], "mine"),
        (["judge", "support", "--newest", "5"], "this is of a service, and none is named"),
        (["judge", "support", "--from", "HOME", "--newest", "1"], "did not keep what its answers say"),
    ],
)
def test_what_cannot_be_judged_is_said(
    home: Path, arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(home) if word == "HOME" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert what in error and "fix:" in error
