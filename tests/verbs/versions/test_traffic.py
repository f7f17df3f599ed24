"""A version is tried beside the live one: what is refused, what ends it, and what is told of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.hand_made_runs import events, hand_made, release, write_weights
from whet.cli.main import run as command
from whet.errors import InputError, RunFolderError
from whet.monitoring.trace import Feedback
from whet.monitoring.trials import Said, SeenTrial, Shadowed, SideRequests
from whet.store import model_registry
from whet.store.model_registry import Trial
from whet.verbs.models import ModelList

Capture = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 1 to 3 of a model, of which 1 is live."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("d.jsonl").write_text("{}\n")
        models = whet.models()
        for number, name in enumerate(("a", "b", "c")):
            release(hand_made("runs", name, weights=name, seed=number))
            models.register("desk", name)
        models.promote("desk", 1)
    return folder / "runs"


@pytest.fixture
def models(here: None, made: Path) -> ModelList:
    """A copy of them in the folder of work."""
    shutil.copytree(made, "runs")
    return whet.models()


def trial() -> Trial | None:
    return model_registry.find_model("desk", "runs").trial


def test_a_canary_grows_and_keeps_its_name(models: ModelList, capsys: Capture) -> None:
    begun = models.canary("desk", 2, 0.2)
    assert (begun.kind, begun.version, begun.live, begun.share, begun.was) == ("canary", 2, 1, 0.2, None)
    assert "canary 20%" in repr(models) and models.told()[0]["trial"]["share"] == 0.2
    assert command(["models", "canary", "desk", "2", "--share", "0.5", "--json"]) == 0
    grown = json.loads(capsys.readouterr().out)
    assert (grown["share"], grown["was"], grown["id"], grown["began"]) == (0.5, 0.2, begun.id, begun.began)
    lines = len(events("runs"))
    models.canary("desk", 2, 0.5)
    assert len(events("runs")) == lines, "the same again adds nothing"
    assert command(["models"]) == 0 and "canary 50%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "share", "words"),
    [
        ("canary", 20, "for 20% give 0.2"),
        ("canary", -0.1, "from 0 to 1"),
        ("shadow", float("nan"), "from 0 to 1"),
        ("canary", True, "from 0 to 1"),
        ("ab", 0, "from 0.01 to 0.99"),
        ("ab", 1.0, "from 0.01 to 0.99"),
    ],
)
def test_a_share_that_is_none_is_refused(models: ModelList, kind: str, share: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        getattr(models, kind)("desk", 2, share)
    assert words in error.value.fix and trial() is None


@pytest.mark.parametrize("share", [0, 1])
def test_nobody_and_everybody_are_shares_of_a_canary(models: ModelList, share: int) -> None:
    assert models.canary("desk", 2, share).share == share


def test_what_cannot_be_tried_is_refused(models: ModelList) -> None:
    with pytest.raises(RunFolderError, match="is the live version itself"):
        models.canary("desk", 1)
    with pytest.raises(RunFolderError, match="has no version 9"):
        models.canary("desk", 9)
    model_registry.register("desk", model_registry.Run(Path("runs/a")), {"again": True}, "runs")
    with pytest.raises(RunFolderError, match="the same run as desk@1"):
        models.ab("desk", 4)
    write_weights(model_registry.Run(Path("runs/b")), "others")
    with pytest.raises(RunFolderError, match="other weights"):
        models.shadow("desk", 2)
    shutil.rmtree("runs/c")
    with pytest.raises(RunFolderError, match="is gone"):
        models.canary("desk", 3)
    assert trial() is None


def test_a_model_that_nothing_is_live_of_has_none(models: ModelList) -> None:
    models.register("fresh", "b")
    with pytest.raises(RunFolderError, match="no version of fresh is live") as error:
        models.canary("fresh", 1)
    assert "whet models promote fresh VERSION" in error.value.fix


def test_one_is_tried_at_a_time_and_who_is_compared_keeps_sides(models: ModelList) -> None:
    models.ab("desk", 2)
    for again in (lambda: models.canary("desk", 2), lambda: models.ab("desk", 3), lambda: models.shadow("desk", 2)):
        with pytest.raises(
            RunFolderError, match="desk@2 is in an A/B test with desk@1: 50% of clients already"
        ) as error:
            again()
        assert error.value.fix == "end it first: whet models end desk"
    with pytest.raises(InputError, match="stays as it began"):
        models.ab("desk", 2, 0.6)
    assert models.end("desk").ended["version"] == 2
    models.canary("desk", 3)
    with pytest.raises(RunFolderError, match="the canary of"):
        models.canary("desk", 2)


def test_to_promote_and_to_roll_back_end_it(models: ModelList, capsys: Capture) -> None:
    models.canary("desk", 2)
    with pytest.raises(RunFolderError, match="no earlier promoted version") as error:
        models.roll_back("desk")
    assert "whet models end desk" in error.value.fix and trial() is not None
    assert models.promote("desk", 2).ended["version"] == 2 and trial() is None
    models.shadow("desk", 3)
    assert command(["models", "rollback", "desk"]) == 0
    assert "desk@3 is no longer tried" in capsys.readouterr().out and trial() is None
    assert models.roll_back.__doc__ and model_registry.find_model("desk", "runs").current == 1
    with pytest.raises(RunFolderError, match="no version of desk is tried"):
        models.end("desk")


def test_what_is_tried_is_held(models: ModelList) -> None:
    models.canary("desk", 2)
    assert models.prune("desk")["kept"]["desk@2"] == "tried as desk@2"
    with pytest.raises(RunFolderError, match="tried as desk@2"):
        whet.runs().remove("b")
    models.end("desk")
    assert "desk@2" not in models.prune("desk")["kept"]


def test_events_of_a_later_version_say_nothing(models: ModelList) -> None:
    model_registry.append("runs", {"event": "try", "name": "desk", "kind": "bandit", "version": 2, "share": "half"})
    assert trial() is None
    models.canary("desk", 2)
    model_registry.append("runs", {"event": "try_widely", "name": "desk"})
    assert trial() is not None


def seen(bad_new: int = 0, clients: int = 60) -> SeenTrial:
    """Clients of both versions, of whom the first `bad_new` of the new one are not content."""
    said = []
    for number in range(clients):
        said.append(Said("live", f"l{number}", Feedback(good=number % 5 > 0), None))
        said.append(Said("new", f"n{number}", Feedback(good=number >= bad_new), None))
    sides = {"live": SideRequests(90, 60, 3, 1), "new": SideRequests(80, 60)}
    return SeenTrial(sides, 2, said, [Shadowed("a", "A ", 0.5, 0.7), Shadowed("a", "b", 0.5, 0.9)])  # type: ignore[arg-type]


def test_the_state_has_a_word_and_what_to_do(models: ModelList) -> None:
    models.ab("desk", 2)
    worse = models.traffic("desk", seen(bad_new=60))
    assert worse["word"] == "worse" and worse["to_do"] == "end it: whet models end desk"
    assert worse["sides"]["new"] == {
        "version": 2, "requests": 80, "clients": 60, "unnamed": 0, "failed": 0, "spoke": 60, "content": 0.0,
        "interval": worse["sides"]["new"]["interval"],
    }  # fmt: skip
    assert worse["comparison"]["difference"] == pytest.approx(-0.8) and worse["comparison"]["high"] <= 0
    assert "desk@2" in repr(worse) and "worse" in repr(worse) and worse["instead"] == 2
    assert models.traffic("desk", seen(clients=8))["word"] == "go on"
    better = models.traffic("desk", seen(clients=400))
    made_live = "make it live: whet models promote desk 2"
    assert better["word"] == "better" and better["to_do"] == f"find out why it could not answer 2, then {made_live}"
    whole = seen(clients=400)
    whole.instead = 0
    assert models.traffic("desk", whole)["to_do"] == made_live


def test_a_canary_has_no_word_and_a_shadow_tells_what_it_says(models: ModelList, capsys: Capture) -> None:
    models.shadow("desk", 2)
    state = models.traffic("desk", seen())
    assert state["word"] is None and state["comparison"] is None
    assert (state["shadow"]["same"], state["shadow"]["compared"]) == (0.5, 2)
    assert "50% (" in repr(state) and "say the same" in repr(state)
    models.end("desk")
    assert command(["models", "traffic", "desk", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "desk", "current": 1, "trial": None}


def test_what_is_alike_is_told(models: ModelList, capsys: Capture) -> None:
    hand_made("runs", "twin", weights="a", seed=9, answer="no")
    models.register("desk", "twin")
    assert command(["models", "ab", "desk", "4"]) == 0
    told = capsys.readouterr().out
    assert "it has the weights of desk@1" in told and "its own verdict is no" in told
