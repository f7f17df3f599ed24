"""`whet tune RECIPE --at URL`: prepared here, trained by a service, measured here. It reads downwards in the order in
which things happen, and goes on from any of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whet.data.prepare import prepared_of
from whet.errors import InputError, RunFolderError
from whet.evaluation import decision
from whet.evaluation.facts import Evaluation
from whet.evaluation.leaks import with_leaks
from whet.evaluation.preflight.refusals import refuse_before_data, refuse_before_training
from whet.launcher.following import follow
from whet.launcher.measuring import NOT_MEASURED, measure
from whet.launcher.opposing import Questions, questions_of, setting_at
from whet.launcher.place import Place, name_at, place_of
from whet.launcher.prices import bill_of, read_prices, refuse_dear
from whet.launcher.record import JobRecord, give_up, keep, open_record, read_record, refuse_other_place
from whet.launcher.request import hyperparameters
from whet.launcher.row_reader import RowReader, limited, reader_of, renderer_of
from whet.launcher.service import Service
from whet.launcher.submitting import make_job, send_rows, write_rows
from whet.launcher.untaken import refuse_other_method, refuse_own_words, refuse_untaken
from whet.launcher.whet_service import is_whet, own_words
from whet.methods import method_of
from whet.observer import Observer, Silent, watched_by
from whet.recipe.rules import Choice
from whet.recipe.schema import Recipe
from whet.reports.report import write_report
from whet.reports.result import RunResult
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import Session, begin, read_rows
from whet.verbs.inputs import CACHE, Input, recipe_of
from whet.verbs.steps.findings import leaks_of_run, report_findings
from whet.verbs.steps.main_job import RESULT_KEYS
from whet.verbs.steps.stages import report_power, run_header

NO_NEARER = "its weights are at a service"
SERVED_TRIES = 4
"""A service may take a while to serve what it has just trained."""


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """What is known of a run before anything is sent."""

    session: Session
    reader: RowReader
    questions: Questions
    numbers: dict[str, Any]
    """Hyperparameters, in the API's words."""


def tune_at(
    data: Input,
    url: str,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    key: str | None = None,
    model: str | None = None,
    prices: Path | str | None = None,
    most_dollars: float | None = None,
    accept_changed: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> RunResult:
    """The main job, trained at a service. The same call again goes on, or gives the finished result.

    `key` names the environment variable with the API key, `model` is what the service calls the base, `prices` a price
    list (whet/launcher/prices.py). Raises InputError before anything is sent, RunError for what fails at the service.
    """
    recipe, observer = recipe_of(data, {}, run_root), observer or Silent()
    place = place_of(recipe, url, key, model)
    refuse_untaken(recipe)
    _refuse_bound(recipe, prices, most_dollars)

    run = Run.create(Path(run_root), recipe, name or name_at(recipe, place), accept_changed)
    refuse_other_place(run, place)
    with run.working(), watched_by(observer):
        record = open_record(run, place)
        if run.status == "done" and (run.folder / "evaluation.json").exists():
            observer.note("this run is finished already; here is its result")
            return RunResult(run.read_json("evaluation.json", *RESULT_KEYS), run.folder)

        ready, service = prepare_here(run, recipe, record, observer), Service(place, sleep)
        if "job" not in record:
            tell_price(ready, record, place, prices, most_dollars, observer)
            settle_own_words(run, recipe, ready, record, service)
            write_rows(run, ready.session.recipe, prepared_of(ready.session.source), record)

        if "tuned_model" not in record:
            train_there(run, ready, record, place, service, observer, sleep)
        result = evaluate_here(ready, record, place, service, observer)
        run.set_status("done")
        observer.done()

    observer.note("it is not in the list of models, which holds weights of this machine: use it by its name there")
    return RunResult(result, run.folder)


def cancel_at(
    data: Input, url: str, run_root: Path | str = DEFAULT_ROOT, name: str | None = None, key: str | None = None,
    model: str | None = None,
) -> str:  # fmt: skip
    """Cancels the job of the run that the same call would make; what it says of it. Raises InputError, RunError."""
    recipe = recipe_of(data, {}, run_root)
    place = place_of(recipe, url, key, model)
    run = Run.open(name or name_at(recipe, place), run_root)
    record = read_record(run)
    if (job := record.get("job")) is None or "tuned_model" in record:
        what = f"run {run.name!r} has no job that could be cancelled"
        raise RunFolderError(what, where=str(run.folder), fix=f"see: whet runs show {run.name}")
    told = Service(place).cancel(job)
    if not run.lock.busy:  # else whoever follows the job sees its end, and writes it down
        with run.lock:
            keep(run, record, status=str(told.get("status")))
            give_up(run, record)
            run.set_status("stopped", reason=f"job {job} was cancelled")
    return f"job {job}: {told.get('status')}"


def prepare_here(run: Run, recipe: Recipe, record: JobRecord, observer: Observer) -> Prepared:
    """Check, split, ledger and findings, as of a local run. Raises InputError."""
    refuse_before_data(recipe, method_of(recipe), run.folder.parent, base=False)
    begin(run)
    observer.phase("reading the data")
    reader = reader_of(recipe)
    notes = [] if reader.known else [f"the base {recipe.base!r} is not known here: tokens are {reader.counted}"]
    whole = limited(recipe, reader)
    session, choices = read_rows(recipe, whole, run, method_of, renderer_of(reader, run), observer, notes)
    refuse_other_method(session.recipe)
    refuse_before_training(session.recipe, session.source, method_of, run.folder.parent / CACHE, base=False)

    prepared = prepared_of(session.source)
    questions = questions_of(session.recipe, prepared, reader)
    numbers, chosen = hyperparameters(session.recipe, prepared, reader)
    report_findings(session, observer)
    report_power(session, observer)

    if not (run.folder / "recipe.resolved.yaml").exists():
        if reader.known:
            session.recipe.max_tokens = whole.max_tokens
        _write_choices(run, [*choices, *chosen])
        run.write_recipe(session.recipe)
    return Prepared(session, reader, questions, numbers)


def tell_price(
    ready: Prepared,
    record: JobRecord,
    place: Place,
    prices: Path | str | None,
    most_dollars: float | None,
    observer: Observer,
) -> None:
    """Before anything is sent. Raises InputError for a run that may cost more than is allowed."""
    if prices is None:
        return
    recipe, prepared = ready.session.recipe, prepared_of(ready.session.source)
    listed = read_prices(Path(prices), place.model)
    setting = setting_at(ready.questions, recipe, prepared, ready.reader, observer)
    bill = bill_of(listed, recipe, prepared, ready.reader, ready.questions, setting)
    for line in bill.lines():
        observer.note(line)
    refuse_dear(bill, most_dollars)
    keep(ready.session.run, record, price=bill.facts())


def settle_own_words(run: Run, recipe: Recipe, ready: Prepared, record: JobRecord, service: Service) -> None:
    """Asks once who answers there. Raises RecipeError for keys that it cannot be asked for."""
    if "own_words" not in record and "files" not in record and is_whet(service):
        keep(run, record, own_words=own_words(recipe, prepared_of(ready.session.source)))
    if "own_words" not in record:
        refuse_own_words(recipe)


def train_there(
    run: Run,
    ready: Prepared,
    record: JobRecord,
    place: Place,
    service: Service,
    observer: Observer,
    sleep: Callable[[float], None],
) -> None:
    """Sends the rows, makes the job and follows it to its end. Raises InputError, RunError."""
    run.set_status("training")
    send_rows(run, record, service, observer)
    job = make_job(run, ready.session.recipe, record, place, service, ready.numbers, observer)
    try:
        follow(run, record, service, observer, sleep)
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C, or told to stop
            observer.note(
                f"job {job} goes on at {place.url}: the same command follows it again, and with --cancel ends it"
            )
        raise


def evaluate_here(ready: Prepared, record: JobRecord, place: Place, service: Service, observer: Observer) -> Evaluation:
    """Measure, decide, and write evaluation.json, answers.jsonl and the report."""
    session, began = ready.session, time.perf_counter()
    run, tuned = session.run, record.get("tuned_model", "")
    run.set_status("evaluating")
    for attempt in range(SERVED_TRIES):
        if service.serves(tuned):
            break
        service.sleep(2.0**attempt)

    measured, lines = measure(session, ready.questions, ready.reader, place, record, observer)
    run.write_lines("answers.jsonl", lines)
    measured = with_leaks(measured, lines, leaks_of_run(session, observer), session.recipe.seed)

    observer.phase("writing the report")
    there = {
        key: record.get(key) for key in ("url", "job", "tuned_model", "trained_tokens", "hyperparameters", "price")
    }
    there |= {"files": {part: file["id"] for part, file in record.get("files", {}).items()}}
    result: dict[str, Any] = {
        **run_header(session),
        "model": place.model,
        "method": f"{session.recipe.method.kind} (at {place.url})",
        "no_nearer": NO_NEARER,
        **measured,
        "seconds": record.get("seconds", 0.0),
        "evaluation_seconds": time.perf_counter() - began,
        "elsewhere": {**there, "not_measured": NOT_MEASURED},
    }
    result["ship"] = decision.decide(result)
    result["report"] = str(run.folder / "report.html")
    run.write_json("evaluation.json", result)
    write_report(run)
    return run.read_json("evaluation.json")


def _write_choices(run: Run, choices: list[Choice]) -> None:
    run.write_json("choices.json", [dataclasses.asdict(choice) for choice in choices])


def _refuse_bound(recipe: Recipe, prices: Path | str | None, most: float | None) -> None:
    """Raises InputError for a bound that nothing would keep."""
    if most is None:
        return
    if recipe.epochs is None:
        what = "the service would choose the epochs, and so the price: nothing could be promised"
        raise InputError(what, where="--most-dollars", value=most, fix="set epochs")
    if prices is None:
        raise InputError("a bound in dollars needs prices", where="--most-dollars", value=most, fix="add --prices FILE")
    if not 0 <= most < float("inf"):
        raise InputError("a bound is a number of dollars", where="--most-dollars", value=most)
