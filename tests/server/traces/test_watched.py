"""A service's requests under watch: each once while it runs, what people say later, what is erased, and /metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import update

from tests.server.traces.conftest import Asked
from tests.server.traces.made import keep, project, record
from whet.monitoring.alerts.figures import Figure, write_figures
from whet.monitoring.expected import Expected
from whet.monitoring.standing import StandingWatch, watched_model
from whet.server.database.opening import Database, open_database
from whet.server.database.tables import feedback
from whet.server.traces.erasing import erase_client
from whet.server.traces.feedback import NewFeedback, add_feedback
from whet.server.traces.opening import WATCHES, ServiceSource


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'whet.sqlite'}")
    yield opened
    opened.close()


def watch_of(home: Path, served_as: str | None = None) -> tuple[StandingWatch, int]:
    """The watch after a pass, and the requests that it took."""
    source, expected = ServiceSource(home), Expected()
    standing = StandingWatch(home / WATCHES / "desk", watched_model("desk", source, served_as, expected), expected)
    return standing, standing.catch_up(source)


def test_each_request_is_taken_once_also_one_that_was_long_under_way(database: Database, tmp_path: Path) -> None:
    owner = project(database)
    keep(database, [record(f"t{n}", owner, ago=100.0 - n) for n in range(40)])
    assert watch_of(tmp_path)[1] == 40
    keep(database, [record("long", owner, ago=300.0), record("new", owner), record("theirs", project(database, "x"))])
    assert [watch_of(tmp_path)[1] for _ in range(2)] == [2, 0]


def test_requests_to_another_name_are_left_out(database: Database, tmp_path: Path) -> None:
    owner = project(database)
    keep(database, [record(f"t{n}", owner, ago=100.0 - n, model=("desk", "nano")[n % 2]) for n in range(40)])
    assert watch_of(tmp_path, "desk")[1] == 20


def test_what_people_say_later_counts_once(database: Database, tmp_path: Path) -> None:
    owner = project(database)
    keep(database, [record(f"t{n}", owner, ago=100.0 - n) for n in range(40)])
    heard = [watch_of(tmp_path)[0].lookout.feedback.heard]
    for name in ("t3", "t7"):
        add_feedback(database, owner, name, NewFeedback(good=False), None)
    heard += [watch_of(tmp_path)[0].lookout.feedback.heard for _ in range(2)]
    with database.write() as connection:  # the clock of a test is not fine enough
        connection.execute(update(feedback).values(at=feedback.c.at - 60))
    add_feedback(database, owner, "t3", NewFeedback(good=True), None)
    add_feedback(database, owner, "t9", NewFeedback(good=True), None)
    heard += [watch_of(tmp_path)[0].lookout.feedback.heard]
    assert heard == [0, 2, 2, 3]


def test_the_words_of_an_erased_user_leave_the_state(database: Database, tmp_path: Path) -> None:
    owner = project(database)
    words = [{"role": "user", "content": "My fridge hums."}]
    given = {"messages": words, "answer": "Let it."}
    keep(database, [record(f"t{n}", owner, ago=60.0 - n, client="anna", **given) for n in range(3)], texts=True)
    file = watch_of(tmp_path)[0].folder / "state.npz"
    assert b"fridge" in file.read_bytes()
    erase_client(database, owner, "anna", None)
    watch_of(tmp_path)
    assert b"fridge" not in file.read_bytes()


def numbers(asked: Asked) -> str:
    where = asked.served.url.removesuffix("/v1") + "/metrics"
    return httpx.get(where, headers={"authorization": f"Bearer {asked.admin}"}).text


def test_metrics_show_what_the_watches_of_this_home_wrote(asked: Asked) -> None:
    folder = asked.served.service.settings.home / WATCHES
    labels = {"model_name": "desk", "question": "drift"}
    write_figures(folder / "desk", [Figure("alarm", 1.0, labels), Figure("requests", 812.0, {"model_name": "desk"})])
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "figures.json").write_text(
        '{"figures": [{"name": "alarm", "value": 1, "labels": {}}]}', "utf-8"
    )
    text = numbers(asked)
    assert 'whet:monitor_alarm{model_name="desk",question="drift"} 1.0' in text
    assert 'whet:monitor_requests{model_name="desk"} 812.0' in text

    (folder / "desk" / "figures.json").unlink()
    assert 'model_name="desk"' not in numbers(asked)
