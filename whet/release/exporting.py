"""An export from beginning to end: checked, written beside its place, proved through its consumers, and then there.

Interrupted at any instant it leaves what stood there before, or the whole new export; the same command begins again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from whet.errors import DiskFullError, InputError, ProofError
from whet.observer import Observer
from whet.release.folder_files import size_of
from whet.release.forms.protocol import Bound, ExportedFiles, Form
from whet.release.golden import Golden, write_golden
from whet.release.inspection.kept_proofs import PAGE, PROOF, RELEASE
from whet.release.proving import AskTask, Outcome, installed, prove_through
from whet.release.publishing.places import FOLDER, stored, with_places, without_places
from whet.release.target import clear_leftovers, refuse_rival, refuse_target
from whet.release.tuned import Tuned
from whet.reports.card.release import with_proof
from whet.reports.model_card import CARD, card
from whet.reports.proof_facts import ExportFacts, ProofFacts, ProvedModel, ReleaseFacts, ServedFacts
from whet.reports.proof_page import write_proof_page
from whet.store.atomic import free_bytes, new_folder, write_json, write_text
from whet.store.checksums import seal, weights_digest
from whet.store.run import Run

PROVED = ("form", "type", "run", "base", "base_revision", "base_fingerprint", "weights", "notes", "proved", "forced")
"""What proof.json says of the model, in this order, of all that release.json holds."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to leave, and how."""

    run: Run
    model: Tuned
    form: Form
    kind: str | None
    """One of the form's types; None where it has none."""
    out: Path
    proofs: Path
    """Where the proof of a refused export is kept."""
    force: bool = False
    ask_task: AskTask | None = None

    @property
    def own(self) -> list[Path]:
        """What the export is made of."""
        base = Path(self.model.base)
        return [self.model.folder, base] if base.is_dir() else [self.model.folder]


def kind_of(form: Form, wanted: str | None, model: Tuned) -> str | None:
    """Which of the form's types is meant. Raises InputError for one that it has not."""
    if wanted is None:
        if not form.types:
            return None
        if model.dtype in form.types:
            return model.dtype
        return form.types[0]
    if wanted not in form.types:
        if form.types:
            choice = f"its types are: {', '.join(form.types)}"
        else:
            choice = "leave it out"

        choice = form.refusal(model, wanted) or choice
        raise InputError(f"the form {form.name} has no such type", where="--type", value=wanted, fix=choice)

    return wanted


def refuse_early(order: Order) -> None:
    """Before anything is written. Raises InputError, RunFolderError, DiskFullError."""
    if why := order.form.refusal(order.model, order.kind):
        raise InputError(f"this model cannot leave as {order.form.name}: {why}", where=f"run {order.model.name}")

    out = order.out
    refuse_target(out, order.own)

    needed, free = order.form.bytes_needed(order.model, order.kind), free_bytes(out)
    if needed > free:
        what = f"there is no room for it: {needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free"
        raise DiskFullError(what, where=str(out), fix="free some space, or give a folder on another disk: --out FOLDER")

    installed(order.form.consumers(order.model, order.kind))


def export(order: Order, golden: Golden, observer: Observer) -> ExportFacts:
    """Writes and proves the release, which `refuse_early` has let pass; gives what `whet export --json` prints. Raises
    ProofError for a release that is not what was trained, unless `force` says to keep it."""
    model, form, kind = order.model, order.form, order.kind
    clear_leftovers(order.out)

    with new_export(order.out) as folder:
        observer.phase(f"writing {form.name}")
        files = form.export(model, kind, folder, observer)
        bound = form.bound(model, kind)

        outcomes: list[Outcome] = []
        served: dict[str, ServedFacts] = {}
        for name in installed(form.consumers(model, kind)):
            place = form.served(model, folder, files, name, golden.dtype)
            outcomes.append(prove_through(golden, name, place, bound, observer, order.ask_task))
            served[name] = stored(place, model)

        facts = release_facts(order, files, bound, served, outcomes)
        write_golden(golden, folder)
        write_json(folder / RELEASE, facts)
        told = write_proof(folder, facts, outcomes)
        write_text(folder / CARD, card(order.run, {**facts, "proofs": told["proofs"]}))

        if not facts["proved"]:
            refuse_unproved(order, facts, outcomes)
        seal(folder)
        size = size_of(folder)

    observer.done()
    return {
        **facts,
        "commands": with_places(files.commands, str(order.out.absolute()), model.base),
        "bytes": size,
        "proofs": [outcome.facts() for outcome in outcomes],
        "folder": str(order.out),
        "page": str(order.out / PAGE),
    }


@contextmanager
def new_export(out: Path) -> Iterator[Path]:
    """A folder that takes the place of `out` when the block ends well. Raises RunFolderError where another process
    writes there too, DiskFullError where the disk is full by then."""
    try:
        with new_folder(out) as folder:
            refuse_rival(out, folder)
            yield folder
    except DiskFullError as error:
        fix = "free some space, or give a folder on another disk: --out FOLDER; then run the same command again"
        raise DiskFullError(error.what, where=error.where, fix=fix) from error


def release_facts(
    order: Order, files: ExportedFiles, bound: Bound, served: dict[str, ServedFacts], outcomes: Sequence[Outcome]
) -> ReleaseFacts:
    """For release.json: what this folder is, how it is opened, and how it was proved."""
    identity = order.model.identity
    proved = all(one.passed for one in outcomes)
    return {
        "form": order.form.name,
        "type": order.kind,
        "run": order.model.name,
        **identity.facts(),
        "weights": weights_digest(order.model.facts),
        "main": files.main,
        "notes": without_places(files.notes),
        "facts": files.facts,
        "commands": with_places(files.commands, FOLDER, identity.reference),
        "bound": {"mean": bound.mean, "largest": bound.largest, "fraction": bound.fraction},
        "served": served,
        "proved": proved,
        "forced": bool(order.force and not proved),
    }


def write_proof(folder: Path, facts: ProvedModel, outcomes: Sequence[Outcome]) -> ProofFacts:
    """proof.json, a page for people, and what the model card says of the proof, where there is one. `facts` say which
    weights were proved. Gives what proof.json holds."""
    held = dict(facts.items())
    kept = {key: held[key] for key in PROVED if key in held}
    told = cast(ProofFacts, kept | {"proofs": without_places([one.facts() for one in outcomes])})
    write_json(folder / PROOF, told)
    write_proof_page(folder / PAGE, told)

    if (folder / CARD).is_file():
        write_text(folder / CARD, with_proof((folder / CARD).read_text("utf-8"), told))
    return told


def refuse_unproved(order: Order, facts: ProvedModel, outcomes: Sequence[Outcome]) -> None:
    """Raises ProofError with the first fault of each consumer; with `force` it is written down instead."""
    if order.force:
        return
    kept = order.proofs / "-".join(part for part in (order.form.name, order.kind) if part)
    kept.mkdir(parents=True, exist_ok=True)
    write_proof(kept, facts, outcomes)
    fault = next(fault for one in outcomes for fault in one.faults)
    asked = next(one.consumer for one in outcomes if one.faults)
    raise ProofError(
        f"what {asked} reads is not what was trained, so it was not released ({fault.name}). {fault.looks_like}",
        where=str(order.out),
        fix=f"{fault.fix}; the numbers are in {kept / PAGE}. --force releases it all the same, and writes that down",
    )
