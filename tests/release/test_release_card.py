"""The card of a release: what the Hub reads, and no more than what the files of the run and the proof say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load

import whet
from tests.release.made_runs import made_run
from tests.reports.made_up_run import write_json, write_run
from tests.reports.test_model_card import made_up
from whet.errors import ProofError
from whet.reports.card import evidence
from whet.reports.card.release import PROOF, with_proof
from whet.reports.model_card import card
from whet.store.run import Run
from whet.text.numbers import format_duration

CLAIM = re.compile(r"(?<!whether )\bit is better\b|\bimprove|\boutperform", re.IGNORECASE)
MEASURED = {
    "ids_compared": 24, "ids_equal": 24, "fraction": 0.9987, "fraction_error": 0.0004, "effect": 1.2, "beside": 0.01,
    "mean_difference": 0.0123, "largest_difference": 0.0456, "finite": True, "answers": 24, "answers_changed": 3,
    "ended": 21, "should_end": 21,
}  # fmt: skip
TASK = {
    "metric": "json", "rows": 77, "trained": 0.61, "served": 0.58, "difference": -0.03, "low": -0.06, "high": 0.01,
    "budget": 0.1, "kept": True,
}  # fmt: skip
FAULT = {"name": "base-answers", "test": "fraction", "looks_like": "It is the base that answers.", "fix": "load it"}


def released(form: str = "merged", **changed: Any) -> dict[str, Any]:
    """What release.json and proof.json hold together."""
    bound = {"mean": 0.05, "largest": 0.5, "fraction": [0.98, 1.02]}
    proof = {"consumer": "transformers", "passed": True, "measured": dict(MEASURED), "bound": bound, "failed": []}
    return {
        "form": form, "type": None, "facts": {}, "notes": ["Trained in float32, written in bfloat16."],
        "commands": {"transformers": "from transformers import AutoTokenizer\n"},
        "proved": True, "forced": False,
        "proofs": [proof | {"notes": [], "task": dict(TASK), "faults": []}],
    } | changed  # fmt: skip


def failed(forced: bool) -> dict[str, Any]:
    told = released(proved=False, forced=forced)
    told["proofs"][0] |= {"passed": False, "failed": ["fraction"], "faults": [FAULT]}
    return told


def data_of(text: str) -> Any:
    """The metadata, as the Hub's library reads it."""
    return ModelCard(text).data


def own_words(text: str) -> str:
    """The card without its tables, whose words are of one opponent each."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def test_the_hub_reads_it(sound: Run, tmp_path: Path) -> None:
    """The real card of a real export, by the Hub's own library; what needs its server is not asked."""
    told = whet.export(sound, "adapter", out=tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    found = ModelCard(text)
    data = data_of(text)
    assert data.to_dict() == metadata_load(tmp_path / "out" / "README.md")
    assert data.library_name == "peft" and data.eval_results is None, "it was not measured"
    assert str(found).endswith(found.text), "the library finds metadata and text, and puts them together again"
    stored = json.loads((tmp_path / "out" / "release.json").read_text("utf-8"))
    assert stored["commands"]["peft"].strip() in text and "whet export made --to gguf" in text
    assert evidence.NOT_MEASURED in text and not CLAIM.search(own_words(text))
    assert f"{told['proofs'][0]['measured']['fraction']:.4f}" in text
    assert data_of(card(sound)).library_name == "peft"


def test_scores_are_the_hubs_results(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1", {"base": "owner/base"}, base="owner/base", data="owner/set:config:train")
    data = data_of(card(run, released()))
    evaluation = run.read_json("evaluation.json")
    (result,) = data.eval_results or []
    assert (result.metric_type, result.metric_value) == (evaluation["metric"]["name"], evaluation["tuned"]["score"])
    assert (result.dataset_type, data.datasets, data.base_model) == ("owner/set", ["owner/set"], "owner/base")
    relations = {"merged": "finetune", "adapter": "adapter", "gguf": "finetune"}
    for form, relation in relations.items():
        told = data_of(card(run, released(form))).to_dict()
        assert told["base_model_relation"] == relation, form


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("evaluation.json", lambda told: told["tuned"].update(score=0.4321), "43.2%"),
    ("evaluation.json", lambda told: told["verdict"].update(sentence="Nobody knows."), "**Nobody knows.**"),
    ("evaluation.json", lambda told: told["verdict"]["against"][0].update(difference_interval=[-0.111, 0.2]), "-11.1"),
    ("evaluation.json", lambda told: told["forgetting"]["measures"][0].update(loss=0.0777), "+7.8%"),
    ("evaluation.json", lambda told: told.update(seconds=7321), format_duration(7321)),
    ("ledger.json", lambda told: told["dropped"].update({"too-long": 4321}), "4,321"),
    ("environment.json", lambda told: told.update(devices=["A GPU of ours"]), "A GPU of ours"),
]


@pytest.mark.parametrize(("file", "change", "wanted"), CHANGES, ids=[one[2] for one in CHANGES])
def test_a_figure_of_the_files_is_a_figure_of_the_card(
    tmp_path: Path, file: str, change: Callable[[dict[str, Any]], Any], wanted: str
) -> None:
    run = made_up(tmp_path / "tickets-1")
    told = run.read_json(file)
    change(told)
    assert wanted not in card(run, released())
    write_json(run.folder / file, told)
    assert wanted in card(run, released())


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("fraction", 0.8765, "0.8765"),
        ("ids_equal", 17, "17 of 24"),
        ("largest_difference", 0.33, "0.33 at most"),
        ("ended", 19, "19 of 21"),
        ("answers_changed", 11, "11 of 24"),
    ],
)
def test_the_proofs_numbers_are_the_cards(tmp_path: Path, key: str, value: float, shown: str) -> None:
    run, told = made_up(tmp_path / "tickets-1"), released()
    assert shown not in card(run, told) and "58.0% against 61.0% (json, 77 rows)" in card(run, told)
    told["proofs"][0]["measured"][key] = value
    assert shown in card(run, told)


def test_every_row_has_its_line(tmp_path: Path) -> None:
    text = card(made_up(tmp_path / "tickets-1"), released())
    _, _, rows = text.partition("| rows read |")
    counts = [int(number.replace(",", "")) for number in re.findall(r"\| ([\d,]+) \|", rows)[:5]]
    assert sum(counts) == 2412 and "2,412" in rows.splitlines()[0]


def test_only_a_verdict_of_better_says_better(tmp_path: Path) -> None:
    for name, skill in (("worse", 0.1), ("undecided", 0.56), ("better", 0.97)):
        run = made_up(tmp_path / name)
        write_run(run.folder, tuned_skill=skill)
        evaluation, text = run.read_json("evaluation.json"), card(run, released())
        assert f"**{evaluation['verdict']['sentence']}**".replace("<", "&lt;") in text
        assert (evaluation["verdict"]["word"] == "better") == (name == "better")
        assert bool(CLAIM.search(own_words(text))) == (name == "better"), own_words(text)


def test_what_was_not_measured_is_not_said(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1")
    for name in ("evaluation.json", "ledger.json", "environment.json"):
        (run.folder / name).unlink(missing_ok=True)
    text = card(run, released())
    assert evidence.NOT_MEASURED in text and not CLAIM.search(own_words(text)) and "model-index" not in text
    assert "| training | not recorded |" in text and "rows read" not in text and "| energy | not measured |" in text


def test_a_release_by_force_says_so(tmp_path: Path) -> None:
    run = made_up(tmp_path / "tickets-1")
    text = card(run, failed(forced=True))
    assert "the proof failed, and it was released by force" in text and "It is the base that answers." in text
    assert "said what the trained model had said" not in text and "| failed |" in text


def test_a_later_proof_replaces_the_first(tmp_path: Path) -> None:
    text = card(made_up(tmp_path / "tickets-1"), released())
    later = with_proof(text, failed(forced=False))
    assert "**No: the proof failed.**" in later and "said what the trained model had said" not in later
    assert later.count(PROOF) == 1 and with_proof(later, released()) == text
    assert with_proof("# no card of ours\n", released()) == "# no card of ours\n"


def test_a_failed_proof_of_an_export_reaches_its_card(sound: Run, tmp_path: Path) -> None:
    whet.export(sound, "adapter", out=tmp_path / "out")
    (tmp_path / "out" / "generation_config.json").write_text('{"eos_token_id": 7}', "utf-8")
    with pytest.raises(ProofError):
        whet.prove(tmp_path / "out")
    assert "**No: the proof failed.**" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_others_work_has_no_lineage(tmp_path: Path) -> None:
    run = made_run(tmp_path, adapter={"kind": "lora", "rank": 2})
    run.write_json("imported.json", {"from": "/home/somebody/theirs", "lineage": "unknown"})
    write_run(tmp_path / "other")
    run.write_json("evaluation.json", json.loads((tmp_path / "other" / "evaluation.json").read_text("utf-8")))
    text = card(run, released("adapter"))
    assert "Its lineage is unknown" in text and evidence.NOT_MEASURED in text and "model-index" not in text
    for word in ("tuned with Whet", "## Data", "## Settings", "held against", "somebody", "learning_rate"):
        assert word not in text, word
    assert not CLAIM.search(own_words(text))


def test_licences_are_those_that_files_state(tmp_path: Path) -> None:
    assert "| the base | Apache-2.0, as Whet's own |" in evidence.licences("nano")
    base = tmp_path / "base"
    base.mkdir()
    unstated = "| the base | not stated |"
    assert unstated in evidence.licences(str(base)) and unstated in evidence.licences("owner/base")
    (base / "README.md").write_text("---\nlicense: mit\n---\n# base\n", "utf-8")
    assert "| the base | mit, as its README.md states |" in evidence.licences(str(base))
    for text in ("# base\nlicense: mit\n", "---\n[broken\n---\n", "---\nlicense:\n---\n"):
        (base / "README.md").write_text(text, "utf-8")
        assert unstated in evidence.licences(str(base)), text
