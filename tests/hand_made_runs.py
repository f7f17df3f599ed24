"""Finished runs written by hand, with releases and their proofs: for tests of what is said of them, where nothing is
opened or trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whet.recipe.schema import Recipe
from whet.store.atomic import sha256_text, write_json
from whet.store.checksums import seal, weights_digest
from whet.store.run import Run

FATES = ("trained", "trained", "trained", "validation", "test", "dropped")


def hand_made(
    root: Path | str,
    name: str | None = None,
    weights: str = "weights",
    answer: str = "yes",
    score: float = 0.75,
    fates: Sequence[str] = FATES,
    **keys: Any,
) -> Run:
    """A run that was measured, on data `d.jsonl` where `keys` name no other. `answer` is its decision."""
    asked = {"data": "d.jsonl", **keys}
    run = Run.create(root, Recipe.model_validate(asked), name)
    run.write_text("recipe.yaml", json.dumps(asked))  # without the other keys, which take most of a second to read
    lines = [{"row": n, "where": f"d.jsonl:{n + 1}", "fate": fate, "hash": f"{n:016x}"} for n, fate in enumerate(fates)]
    run.write_lines("rows.jsonl", lines)
    held = {part: fates.count(part) for part in ("validation", "test")}
    dropped = {"empty": fates.count("dropped")}
    ledger = {"rows_in": len(fates), "trained": fates.count("trained"), "held_out": held, "dropped": dropped}
    run.write_json("ledger.json", ledger)
    run.write_json("evaluation.json", evaluation(answer, score))
    write_weights(run, weights, base=keys.get("base", "nano"))
    run.set_status("done")
    return run


def evaluation(answer: str = "yes", score: float = 0.75) -> dict[str, Any]:
    broken = ["General text"] if answer == "no" else []
    return {
        "model": "nano",
        "metric": {"name": "exact"},
        "base": {"score": 0.25, "low": 0.2, "high": 0.3, "rows": 100},
        "tuned": {"score": score, "low": score - 0.05, "high": score + 0.05, "rows": 100},
        "difference": {"estimate": score - 0.25, "low": 0.1, "high": 0.9, "p": 0.001, "rows": 100, "scale": None},
        "verdict": {"word": "undecided" if answer == "not yet" else "better", "sentence": "Made by hand."},
        "forgetting": {
            "word": "lost" if broken else "kept",
            "broken": broken,
            "measures": [{"what": "General text", "word": "lost" if broken else "kept"}],
        },
        "ship": {"answer": answer},
    }


def write_weights(run: Run, weights: str, base: str = "nano") -> None:
    """A model folder, sealed."""
    run.model.mkdir(exist_ok=True)
    (run.model / "adapter_model.safetensors").write_text(weights)
    facts = {
        "base": base, "base_fingerprint": "f" * 64, "quantise": None, "method": "sft", "from_scratch": False,
        "weights_sha256": {"adapter_model.safetensors": sha256_text(weights)},
    }  # fmt: skip
    write_json(run.model / "whet.json", facts)
    seal(run.model)


def release(run: Run, form: str = "merged", passed: bool = True, forced: bool = False, **other: Any) -> Path:
    """A release in the run's folder with its proof; `other` takes the place of what the proof says."""
    folder = run.folder / "release" / form
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"{form} of {run.name}")
    weights = weights_digest(run.read_json("model/whet.json"))
    facts = {"form": form, "type": None, "run": run.name, "base": "nano", "weights": weights, "notes": []}
    facts |= {"proved": passed, "forced": forced}
    write_json(folder / "release.json", facts)
    write_json(folder / "proof.json", facts | {"proofs": [{"consumer": "transformers", "passed": passed}]} | other)
    seal(folder)
    return folder


def events(root: Path | str) -> list[dict[str, Any]]:
    """All lines of the list of models."""
    return [json.loads(line) for line in (Path(root) / "models.jsonl").read_text("utf-8").splitlines()]
