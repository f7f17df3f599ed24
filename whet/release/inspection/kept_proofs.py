"""The releases of a run with what became of their proofs, and whether each still counts for the run as it is now.

A proof counts where it held, was not released by force, is of the weights that the run has, and the files that were
proved are still those. Torch-free: nothing is proved here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from whet.errors import RunFolderError
from whet.reports.proof_facts import ProofFacts
from whet.store.atomic import append_line, sha256_file
from whet.store.checksums import SUMS
from whet.store.model_registry import weights_of
from whet.store.reading import read_json_file, read_lines
from whet.store.run import Run

FOLDER = "release"
"""In a run's folder: its exports, where no other place was asked for."""
RELEASE = "release.json"
PROOF = "proof.json"
PAGE = "proof.html"
ELSEWHERE = "elsewhere.jsonl"
"""In the folder of a run's exports: where those are that were written to another place."""
REWRITTEN = {PROOF, PAGE}
"""Files that each proof writes anew."""
PROVE_AGAIN = "prove it again"
EXPORT_AGAIN = "export it again"


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """An export, a server that was proved, or what was imported."""

    folder: str
    form: str
    type: str | None
    proved: bool
    forced: bool
    counts: bool
    """Whether its proof is one of the run as it is now."""
    why: str
    """Why it does not count; empty where it does."""


def note_elsewhere(run: Run, folder: Path) -> None:
    """So that an export that lies in another place is found with those in the run's own folder."""
    if folder.absolute().is_relative_to((run.folder / FOLDER).absolute()):
        return
    place = str(folder.absolute())
    if place not in _elsewhere(run):
        append_line(run.folder / FOLDER / ELSEWHERE, json.dumps({"folder": place}))


def _elsewhere(run: Run) -> list[str]:
    return [line["folder"] for line in read_lines(run.folder / FOLDER / ELSEWHERE)]


def releases_of(run: Run) -> list[KeptRelease]:
    """All of them that are still there, in alphabetical order of their folders; those in other places last."""
    weights = weights_of(run)
    if not weights:
        return []
    here = sorted(file.parent for file in (run.folder / FOLDER).glob(f"*/{PROOF}"))
    there = [Path(place) for place in _elsewhere(run) if (Path(place) / PROOF).is_file()]
    return [_release(folder, run, weights) for folder in (*here, *there)]


def _release(folder: Path, run: Run, weights: str) -> KeptRelease:
    try:
        proof = read_json_file(folder / PROOF, "form", "type", "run", "proved", "forced", "proofs")
    except RunFolderError as error:
        return KeptRelease(str(folder), "unknown", None, False, False, False, error.what)
    why = _why_not(folder, proof, weights)
    kept = (str(folder), proof["form"], proof["type"], bool(proof["proved"]), bool(proof["forced"]))
    return KeptRelease(*kept, counts=not why, why=why)


def _why_not(folder: Path, proof: ProofFacts, weights: str) -> str:
    """Why a proof is none of these weights; empty where it is one."""
    if not proof["proved"] or not proof["proofs"] or not all(one.get("passed") for one in proof["proofs"]):
        return "it failed, and was released by force" if proof["forced"] else "it failed"
    if "weights" not in proof:
        return f"it does not say which weights it is of, as those of earlier versions of Whet: {PROVE_AGAIN}"
    if proof["weights"] != weights:
        return f"it is of other weights than the run has: {EXPORT_AGAIN}"
    if (folder / RELEASE).is_file() and not is_as_written(folder):
        return f"a file of the export is not the one that was proved: {EXPORT_AGAIN}"
    return ""


def is_as_written(folder: Path) -> bool:
    """Whether every file of an export has the checksum that it was given."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        sums = dict(line.split("  ", 1)[::-1] for line in lines)
        return all(sha256_file(folder / name) == digest for name, digest in sums.items() if name not in REWRITTEN)
    except (OSError, ValueError):
        return False
