"""What is live has a verdict that says yes and a proof for its weights, or stands there by force, with a name to it."""

from __future__ import annotations

import getpass
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import whet
from tests.hand_made_runs import events, hand_made, release, write_weights
from whet.cli.main import run as command
from whet.errors import InputError, RunFolderError
from whet.store import model_registry
from whet.store.lock import Lock
from whet.store.run import Run
from whet.verbs.models import ModelList

Capture = pytest.CaptureFixture[str]


pytestmark = pytest.mark.usefixtures("here")


def desk(*names: str) -> tuple[ModelList, list[Run]]:
    """Runs of these names, proved, as versions 1, 2, ... of a model."""
    runs = [hand_made("runs", name, weights=name, seed=number) for number, name in enumerate(names)]
    models = whet.models()
    for run in runs:
        release(run)
        models.register("desk", run.name)
    return models, runs


def stages() -> list[str]:
    (model,) = model_registry.list_models("runs")
    return [one.stage for one in model.versions]


def test_versions_are_candidates_until_they_are_live_and_then_retired() -> None:
    models, (first, second) = desk("a", "b")
    assert stages() == ["candidate", "candidate"] and models[0].current is None
    done = models.promote("desk", 1)
    assert (done.current, done.was, done.forced, done.missing) == (1, None, False, [])
    assert done.proofs == [str(first.folder / "release" / "merged")]
    assert models.promote("desk", 2).was == 1 and stages() == ["retired", "live"]
    assert model_registry.find_run("desk", "runs").name == second.name
    assert models.promote("desk", 2).was == 2 and len(events("runs")) == 4, "the same again adds nothing"
    assert models.roll_back("desk") == {"name": "desk", "current": 1, "was": 2} and stages() == ["live", "retired"]
    assert "live" in repr(models) and "retired" in repr(models)


def test_what_is_missing_is_told_with_what_brings_it() -> None:
    run = hand_made("runs", "a")
    models = whet.models()
    models.register("desk", "a")
    with pytest.raises(RunFolderError, match="no release of it was proved") as unproved:
        models.promote("desk", 1)
    assert "whet export desk@1 --to merged" in unproved.value.fix and "why=TEXT" not in unproved.value.fix
    (run.folder / "evaluation.json").unlink()
    with pytest.raises(RunFolderError, match="it was not measured; no release") as unmeasured:
        models.promote("desk", 1)
    assert unmeasured.value.fix.startswith("whet eval a measures it; whet export desk@1")
    assert "whet models promote desk 1 --force --why TEXT" in unmeasured.value.fix and stages() == ["candidate"]


@pytest.mark.parametrize("answer", ["no", "not yet"])
def test_a_verdict_that_is_not_yes_is_refused_though_it_is_proved(answer: str) -> None:
    release(hand_made("runs", "a", answer=answer))
    models = whet.models()
    models.register("desk", "a")
    with pytest.raises(RunFolderError, match=f'its verdict is not yes \\("{answer.capitalize()}: '):
        models.promote("desk", 1)
    assert stages() == ["candidate"]


def test_force_needs_a_reason_and_leaves_a_name(capsys: Capture) -> None:
    hand_made("runs", "a", answer="no")
    whet.models().register("desk", "a")
    for arguments in (["--force"], ["--why", "x"], ["--force", "--why", " "]):
        assert command(["models", "promote", "desk", "1", *arguments]) == 2
        assert "--force --why TEXT" in capsys.readouterr().err
    with pytest.raises(InputError, match="needs a reason") as python:
        whet.models().promote("desk", 1, force=True)
    assert "force=True why=TEXT" in python.value.fix
    assert command(["models", "promote", "desk", "1", "--force", "--why", "a demo on Friday", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["forced"] and told["why"] == "a demo on Friday" and told["by"] == getpass.getuser()
    assert len(told["missing"]) == 2 and told["proofs"] == []
    last = events("runs")[-1]
    assert last["event"] == "promote" and last["forced"] and last["by"] == told["by"] and last["at"].endswith("Z")
    assert last["why"] == "a demo on Friday" and last["missing"] == told["missing"]
    assert command(["models"]) == 0 and "live, forced" in capsys.readouterr().out


def test_force_that_was_not_needed_is_none() -> None:
    models, _ = desk("a")
    assert models.promote("desk", 1, force=True, why="to be sure").forced is False


def test_rolling_back_leads_to_and_from_what_was_forced() -> None:
    models, _ = desk("a")
    hand_made("runs", "b", weights="b", answer="no", seed=5)
    models.register("desk", "b")
    models.promote("desk", 1)
    models.promote("desk", 2, force=True, why="now")
    assert models.roll_back("desk").current == 1 and stages() == ["live", "retired"]
    with pytest.raises(RunFolderError, match="no earlier promoted version"):
        models.roll_back("desk")


def test_a_rollback_to_a_run_that_is_gone_is_refused(capsys: Capture) -> None:
    models, (first, _) = desk("a", "b")
    models.promote("desk", 1)
    models.promote("desk", 2)
    shutil.rmtree(first.folder)
    assert command(["models", "rollback", "desk"]) == 2
    assert "the run of desk@1 is gone" in capsys.readouterr().err and stages() == ["retired", "live"]


# ---- proofs that do not count


def test_a_proof_of_other_weights_does_not_count() -> None:
    models, (run, other) = desk("a", "b")
    shutil.copy(other.folder / "release/merged/proof.json", run.folder / "release/merged/proof.json")
    with pytest.raises(RunFolderError, match="none of its proofs counts .merged: it is of other weights"):
        models.promote("desk", 1)
    shutil.rmtree(run.folder / "release")
    shutil.copytree(other.folder / "release", run.folder / "release")
    with pytest.raises(RunFolderError, match="it is of other weights"):
        models.promote("desk", 1)


def test_a_run_that_was_trained_on_after_its_proof_is_refused() -> None:
    run = hand_made("runs", "a")
    release(run)
    write_weights(run, "others")
    models = whet.models()
    models.register("desk", "a")
    with pytest.raises(RunFolderError, match="it is of other weights than the run has: export it again"):
        models.promote("desk", 1)


def test_a_run_that_changed_after_it_was_registered_is_not_that_version() -> None:
    models, (run,) = desk("a")
    write_weights(run, "others")
    for force in (False, True):
        with pytest.raises(RunFolderError, match="other weights than when it was registered as desk@1"):
            models.promote("desk", 1, force=force, why="x" if force else None)
    models.register("desk", "a")
    assert len(models[0].versions) == 2, "what lies there now is another version"
    (run.model / "adapter_model.safetensors").write_text("flipped")
    with pytest.raises(RunFolderError, match="not the one that the training left"):
        models.promote("desk", 2, force=True, why="x")


@pytest.mark.parametrize(
    ("passed", "forced", "other", "why"),
    [
        (False, False, {}, "it failed"),
        (False, True, {}, "released by force"),
        (True, False, {"proofs": []}, "it failed"),
        (True, False, {"proofs": [{"consumer": "peft", "passed": False}]}, "it failed"),
        (True, False, {"weights": None}, "other weights"),
    ],
)
def test_a_proof_that_did_not_hold_does_not_count(passed: bool, forced: bool, other: dict[str, Any], why: str) -> None:
    release(hand_made("runs", "a"), "gguf", passed, forced, **other)
    models = whet.models()
    models.register("desk", "a")
    with pytest.raises(RunFolderError, match=f"gguf: .*{why}"):
        models.promote("desk", 1)


def test_a_proof_of_earlier_versions_and_a_damaged_one_do_not_count() -> None:
    folder = release(hand_made("runs", "a"))
    models, proof = whet.models(), folder / "proof.json"
    models.register("desk", "a")
    proof.write_text(json.dumps({key: one for key, one in json.loads(proof.read_text()).items() if key != "weights"}))
    with pytest.raises(RunFolderError, match="does not say which weights it is of"):
        models.promote("desk", 1)
    proof.write_text("{")
    with pytest.raises(RunFolderError, match="this file is damaged"):
        models.promote("desk", 1)


def test_an_export_whose_files_changed_does_not_count() -> None:
    models, (run,) = desk("a")
    (run.folder / "release/merged/model.safetensors").write_text("others")
    with pytest.raises(RunFolderError, match="a file of the export is not the one that was proved"):
        models.promote("desk", 1)
    release(run, "gguf")
    assert models.promote("desk", 1).proofs == [str(run.folder / "release/gguf")], "one that counts is enough"


def test_an_evaluation_that_was_edited_is_no_verdict() -> None:
    run = hand_made("runs", "a", answer="no")
    release(run)
    models = whet.models()
    models.register("desk", "a")
    path = run.folder / "evaluation.json"
    path.write_text(path.read_text().replace('"General text"', ""))
    with pytest.raises(RunFolderError, match="this file is damaged: its checksum"):
        models.promote("desk", 1, force=True, why="x")


# ---- misuse


@pytest.mark.parametrize("version", ["0", "3", "-1"])
def test_versions_that_there_are_not(version: str, capsys: Capture) -> None:
    desk("a")
    assert command(["models", "promote", "desk", "--", version]) == 2
    assert f"model 'desk' has no version {version}" in capsys.readouterr().err
    assert command(["models", "pin", "desk", "--", version]) == 2


@pytest.mark.parametrize("reference", ["desk@x", "desk@", "desk@1.0", "desk@²", "desk@-1"])
def test_what_is_no_version(reference: str) -> None:
    models, _ = desk("a")
    for ask in (models.lineage, lambda name: models.diff(name, "a")):
        with pytest.raises(RunFolderError, match="a version is a number"):
            ask(reference)


def test_names_that_there_are_not(capsys: Capture) -> None:
    desk("a")
    for arguments in (["promote", "desc", "1"], ["rollback", "desc"], ["unpin", "desc", "1"], ["prune", "desc"]):
        assert command(["models", *arguments]) == 2
        assert "there is no model 'desc'; did you mean 'desk'?" in capsys.readouterr().err


def test_a_run_that_was_removed_or_moved_is_not_promoted() -> None:
    models, (run, other) = desk("a", "b")
    run.folder.rename("runs/moved")
    for force in (False, True):
        with pytest.raises(RunFolderError, match="the run of desk@1 is gone: it was removed or moved"):
            models.promote("desk", 1, force=force, why="x" if force else None)
    assert "candidate, gone" in repr(models) and "a" not in [run.name for run in whet.runs()]
    shutil.copytree(other.folder, "runs/a")
    with pytest.raises(RunFolderError, match="other weights than when it was registered"):
        models.promote("desk", 1)


def test_promotions_at_the_same_time_leave_whole_lines_and_the_last_is_live() -> None:
    desk(*"abcdef")
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda number: whet.models().promote("desk", number), range(1, 7)))
    lines = [line["version"] for line in events("runs") if line["event"] == "promote"]
    assert sorted(lines) == [1, 2, 3, 4, 5, 6] and len(done) == 6
    (model,) = model_registry.list_models("runs")
    assert model.current == lines[-1] and stages().count("live") == 1


def test_a_list_that_stays_locked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    models, _ = desk("a")
    monkeypatch.setattr(model_registry, "PATIENCE", 0.1)
    with Lock(Path("runs/models.lock"), "it"), pytest.raises(RunFolderError, match="list of models is being written"):
        models.promote("desk", 1)
    assert models.promote("desk", 1).current == 1


def test_a_torn_last_line_is_no_promotion() -> None:
    models, _ = desk("a", "b")
    models.promote("desk", 1)
    models.promote("desk", 2)
    path = Path("runs/models.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert stages() == ["live", "candidate"]
    models.promote("desk", 2)
    assert stages() == ["retired", "live"] and len(events("runs")) == 4
    path.write_bytes(path.read_bytes().replace(b'"promote"', b'"promote', 1))
    with pytest.raises(RunFolderError, match="this line is damaged"):
        whet.models()


def test_lists_of_earlier_versions_mean_what_they_meant(capsys: Capture) -> None:
    for name in ("a", "b"):
        hand_made("runs", name, seed=ord(name))
    at, facts = "2026-11-01T00:00:00Z", {"ship": {"answer": "yes"}, "verdict": {"word": "better"}}
    lines = [
        {"event": "register", "name": "desk", "version": 1, "run": "a", "facts": facts, "at": at},
        {"event": "promote", "name": "desk", "version": 1, "at": at},
        {"event": "register", "name": "desk", "version": 2, "run": "b", "facts": {}, "source": "/d.jsonl", "at": at},
        {"event": "measured", "name": "desk", "version": 2, "facts": facts, "at": at},
        {"event": "promote", "name": "desk", "version": 2, "at": at},
    ]
    path = Path("runs/models.jsonl")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert stages() == ["retired", "live"] and model_registry.find_run("desk", "runs").name == "b"
    with path.open("a") as file:
        file.write(json.dumps({"event": "roll_back", "name": "desk", "at": at}) + "\n")
    assert stages() == ["live", "retired"] and model_registry.find_run("desk", "runs").name == "a"
    assert command(["models", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert model["current"] == 1 and model["way_back"] is None and model["versions"][1]["stage"] == "retired"
    promotion = model["versions"][0]["promotion"]
    assert promotion["at"] == at and not promotion["forced"] and promotion["by"] == ""
    with path.open("a") as file:
        file.write(json.dumps({"event": "of a later version", "name": "desk", "at": at}) + "\n")
    assert stages() == ["live", "retired"]


def test_the_old_name_of_rollback_still_works(capsys: Capture) -> None:
    models, _ = desk("a", "b")
    models.promote("desk", 1)
    models.promote("desk", 2)
    assert command(["models", "roll-back", "desk"]) == 0 and "desk@1 is live again" in capsys.readouterr().out


def test_a_name_stands_for_the_newest_good_candidate_until_one_is_live() -> None:
    models, runs = desk("a", "b", "c")
    hand_made("runs", "d", weights="d", answer="no", seed=9)
    models.register("desk", "d")
    assert model_registry.find_run("desk", "runs").name == "c"
    shutil.rmtree(runs[2].folder)
    assert model_registry.find_run("desk", "runs").name == "b"
    models.promote("desk", 1)
    assert model_registry.find_run("desk", "runs").name == "a"
    assert models.told()[0]["stands_for"] == 1


def test_what_was_imported_is_promoted_by_force_alone() -> None:
    run = hand_made("runs", "theirs")
    release(run, "imported")
    (run.folder / "evaluation.json").unlink()
    run.write_json("imported.json", {"from": "/theirs", "lineage": "unknown"})
    models = whet.models()
    models.register("theirs", "theirs")
    with pytest.raises(RunFolderError, match="it was imported, so there is no data") as refused:
        models.promote("theirs", 1)
    assert refused.value.fix.startswith("whet models promote theirs 1 --force --why TEXT")
    done = models.promote("theirs", 1, force=True, why="measured elsewhere")
    assert done.forced and len(done.missing) == 1 and len(done.proofs) == 1
