"""What others trained becomes a run and a named model, after the checks that our own go through."""

from __future__ import annotations

from pathlib import Path

from whet.errors import ProofError, RunFolderError
from whet.model.base_identity import base_identity
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.release.consumers.protocol import Served
from whet.release.exporting import write_proof
from whet.release.forms.protocol import ROUNDING
from whet.release.golden_of_run import golden_of
from whet.release.importing import Foreign, foreign, recipe_of_import, take_in
from whet.release.inspection.kept_proofs import FOLDER, PAGE
from whet.release.opening import tuned_of
from whet.release.proving import Outcome, prove_through
from whet.reports.proof_facts import ProvedModel
from whet.reports.result import Result
from whet.store import model_registry
from whet.store.atomic import remove
from whet.store.checksums import weights_digest
from whet.store.run import DEFAULT_ROOT, Run


@in_python
def import_model(
    folder: Path | str,
    name: str | None = None,
    base: str | None = None,
    force: bool = False,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> Result:
    """Weights or an adapter of safetensors in `folder` become the run `name` and a version of the model `name`, of
    unknown lineage. `base` is what an adapter lies over, where it does not tell, or what weights were made from.

    It is asked golden prompts through PEFT or transformers; what they read must be what Whet reads, and answers must
    end where the template says. Raises ProofError where not, unless `force`.
    """
    found, observer = foreign(Path(folder), base), observer or Silent()
    name = name or found.folder.name
    if (Path(run_root) / name).exists():
        raise RunFolderError("there is a run of this name", where=str(Path(run_root) / name), fix="give another --name")
    run = Run.create(run_root, recipe_of_import(found), name)
    with watched_by(observer):
        try:
            with run.working():
                observer.phase("checking weights and template")
                take_in(found, run)
                run.write_recipe(run.recipe)
                run.set_status("done")
            outcome = _proved(run, found, observer)
        except BaseException:
            remove(run.folder)
            raise
    page = _written(run, outcome)
    if not outcome.passed and not force:
        fault = outcome.faults[0]
        remove(run.folder)
        raise ProofError(
            f"what {outcome.consumer} reads is not what Whet reads ({fault.name}). {fault.looks_like}",
            where=str(found.folder),
            fix=f"{fault.fix}; --force takes it all the same",
        )
    version = model_registry.register(name, run, {"lineage": "unknown", "forced": not outcome.passed}, run_root)
    observer.done()
    return Result(name=name, version=version, run=run.name, proved=outcome.passed, page=page, proofs=[outcome.facts()])


def _proved(run: Run, found: Foreign, observer: Observer) -> Outcome:
    model = tuned_of(run)
    golden = golden_of(run, observer)
    served = Served(folder=run.model, base=model.base, dtype=model.dtype, compute=golden.dtype)
    name = "peft" if found.is_adapter else "transformers"
    return prove_through(golden, name, served, ROUNDING["float32"], observer)


def _written(run: Run, outcome: Outcome) -> str:
    folder = run.folder / FOLDER / "imported"
    folder.mkdir(parents=True, exist_ok=True)
    facts = run.read_json("model/whet.json")
    model: ProvedModel = {
        "form": "imported",
        "type": None,
        "run": run.name,
        "notes": [],
        **base_identity(facts).facts(),
        "weights": weights_digest(facts),
        "proved": outcome.passed,
        "forced": not outcome.passed,
    }
    write_proof(folder, model, [outcome])
    return str(folder / PAGE)
