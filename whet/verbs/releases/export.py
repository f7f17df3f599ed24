"""A tuned model in a form that others read, proved through what will read it."""

from __future__ import annotations

from pathlib import Path

from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.release.catalogue import form_named
from whet.release.exporting import Order, kind_of, refuse_early
from whet.release.exporting import export as exported
from whet.release.golden_of_run import golden_of
from whet.release.inspection.kept_proofs import FOLDER, note_elsewhere
from whet.release.ollama.create import create as create_model
from whet.release.ollama.create import refuse_create
from whet.release.opening import tuned_of
from whet.release.publishing.hub import destination, pushed, refuse_without_token
from whet.release.target import place_of
from whet.release.task_score import task_asker
from whet.reports.result import Fact, Result
from whet.store import model_registry
from whet.store.run import DEFAULT_ROOT, Run


class ExportResult(Result):
    def facts(self) -> list[Fact]:
        form = " ".join(part for part in (self["form"], self["type"]) if part)
        proved = "proved" if self["proved"] else "not proved, released by force"
        return [("form", form), ("folder", self["folder"]), ("proof", proved), ("page", self["page"])]


@in_python
def export(
    run: Run | str | Path,
    to: str,
    out: Path | str | None = None,
    type: str | None = None,
    force: bool = False,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    create: bool = False,
    push: str | None = None,
    public: bool = False,
    dry_run: bool = False,
) -> ExportResult:
    """Writes the model of a run, or a named model, in the form `to`, and proves it: what its real consumer reads there
    must be what was trained. A failed proof refuses it, unless `force`, which is written down.

    `type` chooses the numbers of a form that has several (`bfloat16`, `q8_0`). The same call again replaces the export.
    `create` hands an export for Ollama to it, under the run's name. `push` sends it to the Hugging Face Hub as
    `owner/name`, private unless `public`; with `dry_run` it is made and proved here, and what would go is told. Raises
    RunError where Ollama or the Hub does not take it: the export stays.
    """
    hub = destination(push, public, dry_run)
    if hub and not dry_run:
        refuse_without_token()
    if create:
        refuse_create(to)
    found, observer = model_registry.find_run(run, run_root), observer or Silent()
    form, model = form_named(to), tuned_of(found)
    kind = kind_of(form, type, model)
    if out is None:
        out = found.folder / FOLDER / "-".join(part for part in (to, kind) if part)
    place, ask = place_of(Path(out)), task_asker(found) if form.lossy(kind) else None
    order = Order(found, model, form, kind, place, found.folder / FOLDER / "refused", force, ask)
    refuse_early(order)
    with watched_by(observer):
        golden = golden_of(found, observer)
        result = ExportResult(exported(order, golden, observer))
        note_elsewhere(found, place)
        if create:
            observer.phase("handing it to Ollama")
            create_model(model.name, place)
            observer.done()
        if hub:
            observer.phase(f"sending it to {hub.name}")
            result["pushed"] = pushed(place, hub, force, dry_run)
            observer.done()
        return result
