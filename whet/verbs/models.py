"""Named models with versions: list, register, try, make live, roll back, compare, trace, prune. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from whet.errors import RunFolderError, count
from whet.recipe.keywords import in_python
from whet.reports.result import Result, Table
from whet.store import model_registry
from whet.store.atomic import plain
from whet.store.model_registry import ModelVersion, NamedModel, Trial, list_models
from whet.store.run import DEFAULT_ROOT, Run
from whet.verbs.listing import Listing
from whet.verbs.versions.difference import VersionDifference, diff
from whet.verbs.versions.lineage import Lineage, lineage
from whet.verbs.versions.promotion import pin, promote, roll_back
from whet.verbs.versions.pruning import PrunedVersions, prune
from whet.verbs.versions.traffic import CALLED, TrialState, begin, end, percent, traffic

if TYPE_CHECKING:
    from whet.monitoring.trials import SeenTrial

R = TypeVar("R", bound=Result)
HEAD = ("model", "version", "stage", "verdict", "ship it?", "run", "registered")


@in_python
def models(run_root: Path | str = DEFAULT_ROOT) -> ModelList:
    """The named models of a folder of runs, by name: a list with their versions, whose methods register, try, promote,
    roll back, compare, trace and prune."""
    return ModelList(list_models(run_root), run_root)


class ModelList(Listing[NamedModel]):
    """Models with `name`, `current` (the live version, or None), `way_back`, `trial` and `versions`, each with
    `version`, `run`, `registered`, `facts`, `stage`, `pinned` and `promotion`."""

    def __init__(self, models: Iterable[NamedModel], run_root: Path | str) -> None:
        super().__init__(models)
        self.run_root = run_root

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.run_root)

    def title(self) -> str:
        return f"{count(len(self), 'named model')} in {self.run_root}"

    def table(self) -> Table:
        return HEAD, [self._cells(model, version) for model in self for version in model.versions]

    def _cells(self, model: NamedModel, version: ModelVersion) -> tuple[str, ...]:
        verdict, decision = version.facts.get("verdict") or {}, version.facts.get("ship") or {}
        return (
            model.name,
            f"{version.version:,}",
            stage(version, model_registry.is_there(version, self.run_root), model.trial),
            verdict.get("word", "not measured"),
            decision.get("answer", ""),
            version.run,
            version.registered,
        )

    def told(self) -> list[dict[str, Any]]:
        """What `--json` prints of each model."""
        return [
            {
                "name": model.name,
                "current": model.current,
                "way_back": model.way_back,
                "stands_for": model_registry.meant(model, self.run_root),
                "trial": plain(model.trial) if model.trial else None,
                "versions": [self._told(one) for one in model.versions],
            }
            for model in self
        ]

    def _told(self, version: ModelVersion) -> dict[str, Any]:
        return plain(version) | {"there": model_registry.is_there(version, self.run_root)}

    def register(self, name: str, run: Run | str) -> Result:
        """Makes the model of a finished run the next version of a named model, new or known: a candidate."""
        return self._anew(register(name, run, self.run_root))

    def promote(self, name: str, version: int, force: bool = False, why: str | None = None) -> Result:
        """Makes a version live, and the one that was live retired. Raises RunFolderError for an unknown name or
        version, for one without a verdict that says yes or without a proved release (unless `force` with a reason
        `why`, which are written down), and, force or not, for one whose weights are not those that were registered."""
        return self._anew(promote(name, version, self.run_root, force, why))

    def roll_back(self, name: str) -> Result:
        """Makes the version live that was before, and the other retired; what was tried beside it has ended. Raises
        RunFolderError where there is none."""
        return self._anew(roll_back(name, self.run_root))

    def canary(self, name: str, version: int, share: float | None = None) -> Result:
        """Has a version answer a share (0 to 1; default 0.1) of the clients who ask for `name`, each client always by
        the same version; again with another share it only adds or removes clients. Raises InputError for a share that
        is none; RunFolderError for an unknown name or version, where none is live, for the live version itself, for one
        that is gone or has other weights than were registered, and while another one is tried."""
        return self._anew(begin("canary", name, version, share, self.run_root))

    def shadow(self, name: str, version: int, share: float | None = None) -> Result:
        """Has a version answer the requests of a share of the clients (default: all), too, for its traces alone. Raises
        as `canary`."""
        return self._anew(begin("shadow", name, version, share, self.run_root))

    def ab(self, name: str, version: int, share: float | None = None) -> Result:
        """A canary (share from 0.01 to 0.99, default 0.5, which stays) whose feedback is compared with that of the live
        version; `traffic` tells the state. Raises as `canary`."""
        return self._anew(begin("ab", name, version, share, self.run_root))

    def end(self, name: str) -> Result:
        """Ends canary, shadow or A/B test: the live version answers everybody. Raises RunFolderError where there is
        none."""
        return self._anew(end(name, self.run_root))

    def traffic(self, name: str, seen: SeenTrial | None = None) -> TrialState:
        """What is tried beside the live version, and, with what a service has `seen` of it
        (whet/server/traffic/seen.py: read_seen), requests, clients and feedback by version; of an A/B test the
        difference with its confidence sequence, and a word: `better`, `worse` or `go on`."""
        return traffic(name, seen, self.run_root)

    def pin(self, name: str, version: int) -> Result:
        """Holds a version: it is never pruned."""
        return self._anew(pin(name, version, self.run_root))

    def unpin(self, name: str, version: int) -> Result:
        """Lets a pinned version go."""
        return self._anew(pin(name, version, self.run_root, pinned=False))

    def diff(self, one: str, other: str) -> VersionDifference:
        """What differs between two versions (`name@2`) or runs: recipe, data, scores, verdict, forgetting, card,
        releases; every pair is of the one that was named first, and of the other."""
        return diff(one, other, self.run_root)

    def lineage(self, model: str) -> Lineage:
        """Where a version (`name@2`) or run comes from: data with the fate of its rows, base, the runs that it was made
        from; and its releases with their proofs."""
        return lineage(model, self.run_root)

    def prune(self, name: str | None = None, days: float = 0.0, yes: bool = False) -> PrunedVersions:
        """The versions, of one model or of all, that nothing holds on to and that are older than so many days, under
        `would_go`; why others stay, under `kept`. Only with `yes` their runs are removed."""
        return self._anew(prune(name, self.run_root, days, yes))

    def _anew(self, done: R) -> R:
        """What was done, with this list as it is now."""
        self[:] = list_models(self.run_root)
        return done


def stage(version: ModelVersion, there: bool, trial: Trial | None = None) -> str:
    """The stage of a version, with what else is to know of it."""
    more = []
    if trial and trial.version == version.version:
        more.append(f"{CALLED[trial.kind]} {percent(trial.share)}")
    if version.stage == "live" and version.promotion and version.promotion.forced:
        more.append("forced")
    if version.pinned:
        more.append("pinned")
    if not there:
        more.append("gone")
    return ", ".join([version.stage, *more])


@in_python
def register(name: str, run: Run | str, run_root: Path | str = DEFAULT_ROOT) -> Result:
    """As ModelList.register. Raises RunFolderError for a run without a model, or a name that no model can have."""
    run = model_registry.find_run(run, run_root)
    if not run.model.is_dir():
        fix = "finish it: run the command that made it again"
        run.refuse_elsewhere()
        raise RunFolderError(f"run {run.name!r} has no model yet, it is {run.status}", fix=fix)

    if (run.folder / "evaluation.json").exists():
        facts = model_registry.facts_of(run.read_json("evaluation.json"))
    else:
        facts = {}

    version = model_registry.register(name, run, facts, run_root)
    return Result(name=name, version=version, run=run.name)
