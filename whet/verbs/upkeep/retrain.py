"""The next version of a model in use, from its data and from what was seen since, held against the live version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch

from whet.data.render.renderer import Renderer
from whet.errors import InputError, ModelError, count
from whet.methods import method_of
from whet.model.base import load_base, load_tokenizer
from whet.model.precision import device
from whet.model.saved_model import read_facts
from whet.monitoring.expected import Expected, answered
from whet.monitoring.feedback_rows import feedback_rows
from whet.monitoring.looking import look_at
from whet.monitoring.memory.source import Source
from whet.monitoring.trace import Trace, asked_first
from whet.observer import Observer, Silent, watched_by
from whet.recipe.keywords import in_python
from whet.recipe.schema import Recipe
from whet.reports.result import Result
from whet.retraining.against_live import brief, compare_versions, first_base, split_lines
from whet.retraining.changes import (
    Known,
    digest_text,
    follow_first,
    known_rows,
    other_files,
    rows_of_feedback,
    rows_of_file,
    why_left_out,
)
from whet.retraining.merging import Merged, merge, write
from whet.retraining.row_forms import data_rows, refuse_unmergeable
from whet.retraining.starts import Asked, Beginning, Start, choose, measure_beginning, no_warm_start
from whet.retraining.verdict import judge, judge_part
from whet.store.atomic import json_text, sha256_text, write_text
from whet.store.lock import Lock
from whet.store.model_registry import weights_of
from whet.store.reading import read_json_file, read_lines
from whet.store.run import DEFAULT_ROOT, MADE_FROM, Run
from whet.training.session import open_session
from whet.verbs.monitor import form_for, labels_in, of_model, read_requests
from whet.verbs.plan import plan as planned
from whet.verbs.releases.export import export
from whet.verbs.steps.main_job import finish_run, open_run
from whet.verbs.steps.stages import train_once
from whet.verbs.upkeep.next_version import (
    LiveVersion,
    find_live,
    make_live,
    note_origin,
    register_next,
    versions_before,
)

FOLDER = "retraining"
"""Beside the runs: merged rows, results, and live versions that were merged to begin from."""
PATIENCE = 600.0
"""Seconds that another process may take to merge the same weights."""
NOTHING = "Nothing new: no row was added, changed or corrected since {live} was tuned."
NOTHING_USABLE = "Nothing new to learn: of {rows} that came, none can be learned."


@dataclass(slots=True)
class Seen:
    """What came since the live version was tuned."""

    known: Known
    base: dict[str, Any]
    from_files: int = 0
    feedback: dict[str, Any] | None = None
    alarms: list[dict[str, Any]] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        rows = {**self.known.changed, "from_files": self.from_files}
        return {"rows": rows, "feedback": self.feedback, "alarms": self.alarms, "base": self.base}


@in_python
def retrain(
    model: Run | str | Path,
    log: Path | str | Iterable[Trace] | Source | None = None,
    rows: Sequence[Path | str] = (),
    start: Asked = "auto",
    plan: bool = False,
    promote: bool = False,
    force: bool = False,
    served_as: str | None = None,
    newest: int | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> Result:
    """The next version of a named model: its own rows with those that changed, those of the files `rows`, and what
    people said in a `log` (as for monitor), by the same recipe; then the verdict against the live version.

    Without anything new nothing is done, unless by `force`. With `plan` it ends once it is known what would be done.
    It begins from the base or from the live version, whichever is better on validation rows, unless `start` says. With
    `promote` it is made live where it is better and nothing was lost. The same call again goes on, or gives the
    finished result. Raises InputError for a model whose rows cannot be merged, ModelError where its base is another.
    """
    root, observer = Path(run_root), observer or Silent()
    if start not in get_args(Asked):
        raise InputError("this is no start", where="--start", value=start, fix=f"one of {', '.join(get_args(Asked))}")
    live = find_live(model, root)
    refuse_unmergeable(live.run.recipe, live.run.name)
    seen = _look(live, root, log, newest, rows, served_as, observer)
    if not seen.base["same"]:
        raise ModelError(
            f"the base {seen.base['name']!r} has other weights than when {live.name}@{live.version} was tuned",
            where=str(live.run.folder),
            fix=f"restore it; or tune on the new one, in a folder of its own: whet rebase {live.name} --base FOLDER",
        )

    digest = sha256_text(live.run.name + weights_of(live.run) + digest_text(seen.known))[:8]
    folder = (root / FOLDER / f"{live.name}-{digest}").absolute()
    merged = merge(seen.known, live.run.requested, folder, live.name)
    told = {"model": live.name, "live": live.facts(), "changed": seen.facts(), "data": merged.facts()}
    new = len(merged.new) + len(merged.fresh) + seen.known.changed["removed"]
    if not new and not force:
        return _nothing(told, seen, live)

    write(merged)
    if plan:
        return _planned(told, merged, start, root, observer)
    result_file = folder / f"result-{start}.json"
    if result_file.exists() and (root / read_json_file(result_file, "run")["run"] / "run.json").exists():
        observer.note("this was done already; here is its result")
        made = read_json_file(result_file)
    else:
        made = _make(live, seen.known, merged, start, root, observer)
        write_text(result_file, json_text(made))

    run = Run.open(made["run"], root)
    promoted = make_live(live, made["version"], run, made["against_live"]["word"], promote, root, observer)
    observer.done()
    return Result({**told, **made, "promoted": promoted, "sentence": made["against_live"]["sentence"]})


def _look(
    live: LiveVersion,
    root: Path,
    log: Path | str | Iterable[Trace] | Source | None,
    newest: int | None,
    files: Sequence[Path | str],
    served_as: str | None,
    observer: Observer,
) -> Seen:
    run, recipe = live.run, live.run.recipe
    with watched_by(observer):
        observer.phase("reading what it learned, and what is new")
        renderer = Renderer(load_tokenizer(recipe.base, recipe.trust_remote_code))
        rows, shape = data_rows(recipe, renderer.control_tokens)
        known = known_rows(run, rows, shape)
        versions = versions_before(run, root)
        first = versions[-1] if versions else run
        if other_files(first.recipe, recipe):  # a version on another base reads the files of the first
            follow_first(known, first, data_rows(first.recipe, renderer.control_tokens)[0], [run, *versions[:-1]], rows)
        seen = Seen(known, _base_of(run))
        for file in files:
            seen.from_files += known.bring(rows_of_file(file, recipe, shape), recipe)

        if log is not None:
            observer.phase("looking at the requests")
            _hear(of_model(read_requests(log, newest), served_as), run, seen)
    return seen


def _base_of(run: Run) -> dict[str, Any]:
    """Whether the base still is what the run was trained on, bit for bit."""
    facts = read_facts(run.model)
    dtype, trust = getattr(torch, facts["dtype"]), run.recipe.trust_remote_code
    base = load_base(facts["base"], dtype, trust, facts.get("quantise"), device())
    return {"name": facts["base"], "same": base.fingerprint == facts.get("base_fingerprint")}


def _hear(traces: list[Trace], run: Run, seen: Seen) -> None:
    """Alarms, and what people said as rows."""
    known, recipe = seen.known, run.recipe
    labels = dict.fromkeys(label for row in known.learned for label in labels_in(row))
    prompts = [asked_first(row.prompt) for row in known.learned]
    lines = list(read_lines(run.folder / "answers.jsonl"))
    metric = run.read_json("evaluation.json", "metric")["metric"]["name"]
    expected: Expected = answered(lines, metric, [text for text in prompts if text.strip()], list(labels))
    seen.alarms = [
        {"question": alarm.question, "sentence": alarm.sentence, "suggestion": alarm.suggestion}
        for alarm in look_at(traces, expected).alarms
    ]

    form = form_for(recipe.method)
    said = feedback_rows(traces, form, [row.messages for row in known.tests], list(labels))
    conversations = {trace.id: trace.conversation for trace in traces}
    new = known.bring(rows_of_feedback(said.rows, recipe, known.shape, conversations), recipe)
    seen.feedback = {"form": form, "rows": len(said.rows), "new": new, "left_out": why_left_out(said.left_out)}


def _nothing(told: dict[str, Any], seen: Seen, live: LiveVersion) -> Result:
    came = len(seen.known.new) + len(seen.known.left_out)
    if came:
        sentence = NOTHING_USABLE.format(rows=count(came, "row"))
    else:
        sentence = NOTHING.format(live=f"{live.name}@{live.version}")
    done = {"starts": [], "run": None, "version": None, "against_live": None}
    promoted = {"done": False, "why": "nothing was made", "command": None}
    return Result({**told, **done, "promoted": promoted, "sentence": sentence})


def _planned(told: dict[str, Any], merged: Merged, start: Asked, root: Path, observer: Observer) -> Result:
    """What would be done, and what it costs by the planner; nothing is trained. Both starts cost the same."""
    names = _starts(merged.recipe, start)
    facts = planned(merged.recipe, run_root=root, observer=observer)
    starts = [{"start": name, "why": why, "chosen": None} for name, why in names]
    tunes = count(sum(not why for _, why in names), "tune")
    sentence = (
        f"Planned: {tunes} on {count(len(merged.learned), 'old row')} and {count(len(merged.new), 'new one')}; the "
        f"verdict on {count(len(merged.tests), 'old test row')} and {count(len(merged.fresh), 'fresh one')}."
    )
    return Result({**told, "starts": starts, "plan": dict(facts), "sentence": sentence})


def _starts(recipe: Recipe, start: Asked) -> list[tuple[Start, str]]:
    """(start, why it cannot be taken), each that is asked for. Raises InputError where none is left."""
    why = no_warm_start(recipe)
    if start == "warm" and why:
        raise InputError(why, where="--start", value=start, fix="begin from the base: --start base")
    reasons: dict[Start, str] = {"base": "", "warm": why}
    return [(name, reason) for name, reason in reasons.items() if start in ("auto", name)]


def _make(
    live: LiveVersion, known: Known, merged: Merged, start: Asked, root: Path, observer: Observer
) -> dict[str, Any]:
    """Trains, chooses, measures and registers; every part of it goes on where it stopped."""
    beginnings, absent = [], []
    for name, why in _starts(merged.recipe, start):
        if why:
            absent.append(Beginning(name, merged.recipe, why=why))
            continue
        recipe = merged.recipe
        if name == "warm":
            recipe = recipe.model_copy(update={"base": merged_weights(live, root, observer)})
        else:
            recipe = from_the_base(recipe, live.run)
        run = Run.create(root, recipe)
        note_origin(run, live, "retrained")
        beginnings.append(Beginning(name, recipe, run))

    if len(beginnings) > 1:
        for beginning in beginnings:
            _train(beginning, observer)
            measure_beginning(beginning, known, observer)
    chosen = choose(beginnings)
    run = chosen.run
    assert run is not None
    result, _ = finish_run(run, observer)
    against = _against(live, run, merged, observer)
    version = register_next(live, run, result, root)
    observer.note(f"registered as {live.name}@{version}, a candidate")
    starts = [one.facts() for one in (*beginnings, *absent)]
    return {
        "starts": starts,
        "run": run.name,
        "version": version,
        "against_live": against,
        "report": str(run.folder / "report.html"),
    }


def from_the_base(recipe: Recipe, live: Run) -> Recipe:
    """Of a live version that began from the one before it, the base that the first of them began from."""
    if not (live.folder / MADE_FROM).exists():
        return recipe
    return recipe.model_copy(update={"base": first_base(live)})


def merged_weights(live: LiveVersion, root: Path, observer: Observer) -> str:
    """The folder of the live version's weights as a base of their own, made and proved where they are not yet."""
    folder = (root / FOLDER / "bases" / weights_of(live.run)[:16] / live.run.name).absolute()
    with Lock(folder.with_name(f"{folder.name}.lock"), f"the base {folder.name}", PATIENCE):
        if not folder.is_dir():
            observer.note(f"merging {live.name}@{live.version} into a base to begin from")
            export(live.run, "merged", folder, run_root=root, observer=observer)
    return str(folder)


def _train(beginning: Beginning, observer: Observer) -> None:
    run = beginning.run
    assert run is not None
    if (run.folder / "evaluation.json").exists():
        return
    with run.working(), watched_by(observer):
        observer.note(f"training from {'the base' if beginning.start == 'base' else 'the live version'}")
        session = open_run(run, observer, verdict=True)
        train_once(session, observer)
        run.set_status("done")


def _against(live: LiveVersion, run: Run, merged: Merged, observer: Observer) -> dict[str, Any]:
    with live.run.reading(), run.reading(), watched_by(observer):
        session = open_session(run.recipe, run, method_of, observer)
        compared = compare_versions(live.run, session, observer)
        parts = split_lines(compared.lines, session, merged.fresh_hashes)

    judged = {name: judge_part(lines, run.recipe.seed) for name, lines in parts.items()}
    word, sentence = judge(judged, compared.lost_to_live, compared.lost_to_base)
    if merged.fresh and merged.too_small:
        sentence += f" The fresh part is too small to say much alone: {count(len(merged.fresh), 'row')}."
    elif not merged.fresh:
        sentence += " There is no fresh part: no new row could be held out."
    forgetting = {"live": brief(compared.lost_to_live), "base": brief(compared.lost_to_base)}
    return {"word": word, "sentence": sentence, "metric": compared.metric, **judged, "forgetting": forgetting}
