"""Is what is served what was trained? An export, or a server behind a URL, is asked the golden prompts again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TypedDict

from whet.data.render.renderer import Renderer
from whet.errors import InputError, ProofError, RunFolderError
from whet.model.base import saved_tokenizer
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.release.consumers.protocol import Served
from whet.release.consumers.template_date import of_other_days
from whet.release.exporting import write_proof
from whet.release.forms.protocol import ROUNDING, Bound
from whet.release.golden import Golden, read_golden
from whet.release.golden_of_run import golden_of
from whet.release.inspection.causes import with_causes
from whet.release.inspection.kept_proofs import FOLDER, PAGE, RELEASE
from whet.release.opening import tuned_of
from whet.release.proving import Outcome, installed, prove_through
from whet.release.publishing.places import opened
from whet.reports.proof_facts import ConsumerFacts, ProvedModel, ReleaseFacts
from whet.reports.result import Fact, Result
from whet.store import model_registry
from whet.store.checksums import weights_digest
from whet.store.reading import read_json_file
from whet.store.run import DEFAULT_ROOT, Run

BEHIND_URL = "url"


class ProvedExport(TypedDict):
    """One of the `exports` that `whet prove --json` prints."""

    folder: str
    form: str
    type: str | None
    page: str
    """The proof for people."""
    proved: bool
    proofs: list[ConsumerFacts]


class ProveResult(Result):
    def facts(self) -> list[Fact]:
        return [("model", self["model"]), ("proved", "yes" if self["proved"] else "no"), ("page", self["page"])]


@in_python
def prove(
    model: Run | str | Path,
    url: str | None = None,
    name: str | None = None,
    key: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    base: str | None = None,
) -> ProveResult:
    """Asks the golden prompts again: of the folder of an export, of all exports of a run, or of the server behind `url`
    that is said to serve a run's model under `name`. `key` names the environment variable that holds its key; `base` is
    what an exported adapter lies over, where no run of this disk tells.

    Raises ProofError where what answers is not what was trained; its page says what it looks like.
    """
    observer = observer or Silent()
    with watched_by(observer):
        if url is not None:
            return _behind_url(model, url, name or "", key or "", run_root, observer)
        if name is not None or key is not None:
            fix = "add --url http://..., or leave them out"
            raise InputError("a name and a key are of a server", where="--name" if name else "--key", fix=fix)
        folders = _exports(model, run_root)
        proofs = [_again(folder, run_root, base, observer) for folder in folders]
    observer.done()
    return _told(str(model), proofs)


def _exports(model: Run | str | Path, root: Path | str) -> list[Path]:
    """Raises RunFolderError for a run that was not exported yet."""
    if not isinstance(model, Run) and (Path(model) / RELEASE).is_file():
        return [Path(model)]
    run = model_registry.find_run(model, root)
    found = sorted(file.parent for file in (run.folder / FOLDER).glob(f"*/{RELEASE}"))
    if not found:
        fix = f"whet export {run.name} --to merged; or give the folder of an export, or a server's --url"
        raise RunFolderError("there is no export of this run in its folder to prove", where=run.name, fix=fix)
    return found


def _again(folder: Path, root: Path | str, base: str | None, observer: Observer) -> ProvedExport:
    needed = ("form", "type", "run", "base", "bound", "served", "notes", "forced")
    facts: ReleaseFacts = read_json_file(folder / RELEASE, *needed)
    golden = read_golden(folder)
    low, high = facts["bound"]["fraction"]
    bound = Bound(facts["bound"]["mean"], facts["bound"]["largest"], (low, high))
    outcomes = []
    for name in installed(list(facts["served"])):
        served = opened(facts["served"][name], folder, facts, root, base)
        outcome = prove_through(golden, name, served, bound, observer)
        outcomes.append(with_causes(outcome, served, facts, root, observer))
    proved = all(outcome.passed for outcome in outcomes)
    asked: ReleaseFacts = {**facts, "weights": _weights_of(golden), "proved": proved}
    return _written(folder, asked, outcomes)


def _behind_url(
    model: Run | str | Path, url: str, name: str, key: str, root: Path | str, observer: Observer
) -> ProveResult:
    run = model_registry.find_run(model, root)
    tuned, golden = tuned_of(run), golden_of(run, observer)
    renderer = Renderer(saved_tokenizer(run.model), clock=datetime.fromisoformat(tuned.facts["clock"]))
    more = {"stop_ids": golden.stop_ids, "of_other_days": of_other_days(golden, renderer)}
    served = Served(url=url, model=name, key=key, dtype=tuned.dtype, more=more)
    outcome = prove_through(golden, BEHIND_URL, served, ROUNDING["bfloat16"], observer)
    facts: ProvedModel = {
        "form": f"served at {url}",
        "type": None,
        "run": run.name,
        **tuned.identity.facts(),
        "weights": _weights_of(golden),
        "notes": [],
        "forced": False,
        "proved": outcome.passed,
    }
    folder = run.folder / FOLDER / BEHIND_URL
    folder.mkdir(parents=True, exist_ok=True)
    observer.done()
    return _told(str(model), [_written(folder, facts, [outcome])])


def _weights_of(golden: Golden) -> str:
    """The digest of the weights that these golden answers are of."""
    return weights_digest({"weights_sha256": golden.weights_sha256, "scale": golden.scale})


def _written(folder: Path, facts: ProvedModel, outcomes: list[Outcome]) -> ProvedExport:
    write_proof(folder, facts, outcomes)
    return {
        "folder": str(folder),
        "form": facts["form"],
        "type": facts["type"],
        "page": str(folder / PAGE),
        "proved": facts["proved"],
        "proofs": [outcome.facts() for outcome in outcomes],
    }


def _told(model: str, proofs: list[ProvedExport]) -> ProveResult:
    """Raises ProofError with the first fault."""
    failed = next((one for one in proofs if not one["proved"]), None)
    if failed is None:
        return ProveResult(model=model, proved=True, page=proofs[0]["page"], exports=proofs)
    asked = next(one for one in failed["proofs"] if not one["passed"])
    fault = asked["faults"][0]
    raise ProofError(
        f"what {asked['consumer']} reads is not what was trained ({fault['name']}). {fault['looks_like']}",
        where=failed["folder"],
        fix=f"{fault['fix']}; the numbers are in {failed['page']}",
    )
