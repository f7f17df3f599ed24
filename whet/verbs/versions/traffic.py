"""A version beside the live one: it answers a share of those who ask, or is asked the same and told to nobody.

What is tried is an event in the list of models, so that a service that reads it follows at its next request, without a
restart. Who meets which version is the service's to say (whet/server/traffic/sharing.py).
"""

from __future__ import annotations

import math
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whet.errors import InputError, RunFolderError
from whet.recipe.keywords import in_python
from whet.reports.result import Result, Table
from whet.store import model_registry
from whet.store.model_registry import NamedModel, Trial, Trying
from whet.store.reading import iter_lines
from whet.store.run import DEFAULT_ROOT, Run
from whet.text.dates import now
from whet.verbs.versions.promotion import refuse_another_model, who

if TYPE_CHECKING:
    from whet.monitoring.trials import SeenTrial

CALLED: dict[Trying, str] = {"canary": "canary", "shadow": "shadow", "ab": "A/B test"}
IS: dict[Trying, str] = {"canary": "the canary of", "shadow": "the shadow of", "ab": "in an A/B test with"}
USUAL: dict[Trying, float] = {"canary": 0.1, "shadow": 1.0, "ab": 0.5}
"""Shares where none is given."""


@in_python
def begin(
    kind: Trying,
    name: str,
    version: int,
    share: float | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    by: str | None = None,
) -> Result:
    """As ModelList.canary, ModelList.shadow and ModelList.ab; `by` is who does it, where that is not who runs this."""
    share = USUAL[kind] if share is None else share
    refuse_share(kind, share)
    model = model_registry.find_model(name, run_root)
    live = _live(model)
    _refuse_same(model, version, live)
    run = model_registry.run_of(model, version, run_root)
    refuse_another_model(run, model.version(version), name)

    with model_registry.registry_lock(run_root):
        model = model_registry.find_model(name, run_root)
        if _live(model) != live:
            fix = "look at it (whet models), and give the command again"
            raise RunFolderError(f"another version of {name} became live meanwhile", value=model.current, fix=fix)
        _refuse_second(model, kind, version, share)
        before = model.trial
        if before is None:
            trial = Trial(f"try_{secrets.token_hex(8)}", kind, version, live, share, now(), by or who())
        else:
            trial = Trial(before.id, kind, version, live, share, before.began, by or who())
        if trial.share != (before and before.share):
            model_registry.append(run_root, {"event": "try", "name": name, **asdict(trial)})

    decision = model.version(version).facts.get("ship") or {}
    weights = {model.version(number).weights for number in (version, live)}
    return BegunTrial(
        name=name,
        **asdict(trial),
        was=before.share if before else None,
        verdict=decision.get("answer"),
        same_weights=len(weights) == 1 and weights != {""},
    )


class BegunTrial(Result):
    """`was` is the share that it had before; `verdict` whether its own evaluation says that it should be used;
    `same_weights`: it is the live one under another number, so that no difference can be found but by chance."""

    def title(self) -> str:
        return describe(self["name"], self)

    def facts(self) -> list[tuple[str, str]]:
        facts = [("share", percent(self["share"]))]
        if self["same_weights"]:
            facts.append(("note", f"it has the weights of {self['name']}@{self['live']}"))
        if self["verdict"] != "yes":
            facts.append(("note", f"its own verdict is {self['verdict'] or 'not known'}"))
        return facts


@in_python
def end(name: str, run_root: Path | str = DEFAULT_ROOT, by: str | None = None) -> Result:
    """As ModelList.end."""
    model_registry.find_model(name, run_root)
    with model_registry.registry_lock(run_root):
        model = model_registry.find_model(name, run_root)
        if model.trial is None:
            fix = f"begin with: whet models canary {name} VERSION"
            raise RunFolderError(f"no version of {name} is tried beside the live one", fix=fix)
        model_registry.append(run_root, {"event": "try_end", "name": name, "id": model.trial.id, "by": by or who()})
        return Result(name=name, current=model.current, ended=asdict(model.trial))


@in_python
def traffic(name: str, seen: SeenTrial | None = None, run_root: Path | str = DEFAULT_ROOT) -> TrialState:
    """As ModelList.traffic."""
    model = model_registry.find_model(name, run_root)
    trial = model.trial
    state = TrialState(name=name, current=model.current, trial=asdict(trial) if trial else None)
    if trial is None or seen is None:
        return state

    from whet.monitoring.trials import look_at_trial  # with numpy, for which a list of models has no time

    labels = labels_of(model_registry.run_of(model, trial.live, run_root))
    state |= look_at_trial(seen, labels, trial.share, tested=trial.kind == "ab")
    state["sides"]["live"]["version"] = trial.live
    state["sides"]["new"]["version"] = trial.version
    state["to_do"] = _to_do(name, trial, state)
    return state


class TrialState(Result):
    """The trial of a model, and what came of it; a model without one has `trial` None, and one that no service was
    asked about has no `sides`."""

    def title(self) -> str:
        if self["trial"] is None:
            return f"{self['name']}: no version is tried; {self['name']}@{self['current']} is live"
        return describe(self["name"], self["trial"])

    def facts(self) -> list[tuple[str, str]]:
        if self["trial"] is None:
            return []
        facts = [("since", self["trial"]["began"])]
        if "sides" not in self:
            return facts
        if self["instead"]:
            facts.append(("could not answer", f"{self['instead']:,}, which the live version answered"))
        if self["shadow"]:
            facts.append(("shadow", shadow_words(self["shadow"])))
        if self["word"]:
            facts += [("feedback", self["sentence"]), ("capital", capital_words(self["comparison"]))]
            facts.append(("result", self["word"]))
        return [*facts, ("to do", self["to_do"])]

    def table(self) -> Table | None:
        if "sides" not in self:
            return None
        rows = []
        for side in self["sides"].values():
            numbers = (side["requests"], side["clients"], side["failed"], side["spoke"])
            content = percent(side["content"])
            if side["interval"]:
                content += f" ({percent(side['interval'][0])} to {percent(side['interval'][1])})"
            rows.append((f"{self['name']}@{side['version']}", *(f"{number:,}" for number in numbers), content))
        return ("version", "requests", "clients", "failed", "spoke", "content"), rows


def refuse_share(kind: Trying, share: float) -> None:
    """Raises InputError for what is no share of 1 that this kind can have."""
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if not is_number or not math.isfinite(share) or not 0 <= share <= 1:
        fix = "give a number from 0 to 1"
        if is_number and 1 < share <= 100:
            fix = f"for {share:g}% give {share / 100:g}"
        raise InputError("a share is a part of 1", where="--share", value=share, fix=fix)
    if kind == "ab" and not 0.01 <= share <= 0.99:
        fix = "give a share from 0.01 to 0.99; one that everybody meets is a canary with --share 1"
        raise InputError("an A/B test needs clients of both versions", where="--share", value=share, fix=fix)


def describe(name: str, trial: dict[str, Any]) -> str:
    """`support@3 is the canary of support@2: 20% of clients`."""
    tried = f"{name}@{trial['version']} is {IS[trial['kind']]} {name}@{trial['live']}"
    return f"{tried}: {percent(trial['share'])} of clients"


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.4g}%"


def shadow_words(shadow: dict[str, Any]) -> str:
    words = f"{shadow['answers']:,} answers, {shadow['failed']:,} failed"
    if shadow["same"] is None:
        return f"{words}; texts are not kept, so they cannot be compared"
    low, high = shadow["same_interval"]
    return f"{words}; {percent(shadow['same'])} ({percent(low)} to {percent(high)}) say the same as the live one"


def capital_words(comparison: dict[str, Any]) -> str:
    return f"{comparison['capital']:.3g} of {comparison['needed']:g} that a decision needs"


def labels_of(run: Run) -> list[str]:
    """What the answers of its test rows may be, where they are labels: feedback may name one."""
    answers = iter_lines(run.folder / "answers.jsonl")
    return sorted({str(line["reference"]) for line in answers if line.get("reference") is not None})


def _live(model: NamedModel) -> int:
    if model.current is None:
        fix = f"make one live: whet models promote {model.name} VERSION"
        raise RunFolderError(f"no version of {model.name} is live, so none can be tried beside it", fix=fix)
    return model.current


def _refuse_same(model: NamedModel, version: int, live: int) -> None:
    """Traces name the run that answered, so two versions that are one run could not be told apart."""
    if version == live:
        fix = f"name another version of {model.name} (whet models)"
        raise RunFolderError(f"{model.name}@{version} is the live version itself", value=version, fix=fix)
    if model.version(version).run == model.version(live).run:
        fix = f"name a version of another run (whet models lineage {model.name}@{version})"
        raise RunFolderError(f"{model.name}@{version} is the same run as {model.name}@{live}, which is live", fix=fix)


def _refuse_second(model: NamedModel, kind: Trying, version: int, share: float) -> None:
    """A canary and a shadow may get another share; whose feedback is compared must not change sides."""
    trial = model.trial
    if trial is None:
        return
    end_it = f"end it first: whet models end {model.name}"
    if (trial.kind, trial.version) != (kind, version):
        raise RunFolderError(f"{describe(model.name, asdict(trial))} already, and one is tried at a time", fix=end_it)
    if kind == "ab" and trial.share != share:
        what = "the share of an A/B test stays as it began, because clients must not change sides"
        raise InputError(what, where="--share", value=share, fix=end_it)


def _to_do(name: str, trial: Trial, state: dict[str, Any]) -> str:
    promote, stop = f"whet models promote {name} {trial.version}", f"whet models end {name}"
    if trial.kind == "shadow":
        return f"look at its answers (GET /v1/traces?shadow=true); then end it: {stop}"
    if trial.kind == "canary":
        return f"grow its share, or make it live: {promote}; or end it: {stop}"
    if state["word"] == "better" and state["instead"]:
        return f"find out why it could not answer {state['instead']:,}, then make it live: {promote}"
    if state["word"] == "better":
        return f"make it live: {promote}"
    if state["word"] == "worse":
        return f"end it: {stop}"
    if state["feedback"]["no_client"] > state["feedback"]["counted"]:
        return "go on, and send with each request who asks (user): feedback on requests without it does not count"
    return "go on; you may look as often as you like"
