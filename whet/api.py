"""The verbs for Python; the command line calls the same functions.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

Each verb takes a Recipe, the path of a recipe or the path of data, and returns the dictionary that `--json` prints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from whet.data.corpus import Corpus
from whet.data.prepare import Prepared
from whet.data.show import coloured, first_paths
from whet.data.template import Renderer
from whet.doctor.power import detectable_gain
from whet.doctor.registry import all_checks
from whet.doctor.repair import refuse_target
from whet.errors import InputError
from whet.evaluate.compared import compared, needs_training, refuse_other_recipe, refuse_too_late, refuse_uncomparable
from whet.evaluate.curve import SHARES
from whet.evaluate.curve_picture import svg
from whet.evaluate.curve_runs import measure_curve, of_share, refuse_no_curve
from whet.evaluate.heldout import clusters_of
from whet.evaluate.validated import refuse_without_answers
from whet.generate.budget import Budget
from whet.generate.collect import Pace, read_prompts, refuse_unreadable_name, requests_of
from whet.generate.collect import collect as collect_answers
from whet.generate.collected import Asking
from whet.generate.engine import Sampling, stream
from whet.model.base import load_base, load_config, load_tokenizer, saved_tokenizer
from whet.model.load import open_model
from whet.model.precision import choose_dtype, device
from whet.recipe.load import load_recipe
from whet.recipe.schema import Pretrain, Recipe
from whet.stages import (
    effort_so_far,
    evaluated,
    failed_on_validation,
    found_in,
    frontier_of,
    head,
    refuse_unmeasurable,
    refuse_without_test,
    register,
    repaired,
    state_findings,
    state_power,
    trained,
)
from whet.store import registry
from whet.store.atomic import write_text
from whet.store.run import DEFAULT_ROOT, Run
from whet.train.forecast import forecast, target_of
from whet.train.material import gather
from whet.train.observer import Observer, Silent
from whet.train.release import prove_template, prove_weights, read_facts
from whet.train.rescaled import copy_at_scale
from whet.train.session import open_session, with_context
from whet.train.teacher import answering, is_base
from whet.types import Message

Input = Recipe | str | Path
RESULT_KEYS = ("run", "ledger", "base", "tuned", "verdict", "report")


def tune(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Check, train, evaluate, verdict, register. The same call again resumes, or returns the finished result."""
    run, observer = _start(data, run_root, name, observer, overrides)
    result, fresh = _finished(run, observer)
    if fresh:
        register(run, result, Path(run_root), observer)
    return result


def curve(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Tune on an eighth, a quarter, half and all of the training rows, and forecast what twice as many would bring.

    Each share is a run of its own, and the smaller ones lie in the larger; all are measured on the same test rows. The
    run of all rows is the one that `tune` makes, and keeps curve.json and curve.svg.
    """
    recipe, observer = _recipe(data, overrides), observer or Silent()
    source = _gathered(recipe, run_root, observer)
    refuse_no_curve(recipe, source.ledger.summary()["trained"])
    assert isinstance(source, Prepared)
    whole = Run.create(Path(run_root), recipe, name)
    runs = []
    for share in sorted(SHARES, reverse=True):
        observer.note(f"training on {share:.3g} of the training rows")
        part = whole if share == 1 else Run.create(Path(run_root), of_share(recipe, share), f"{whole.name}-{share:g}")
        result, fresh = _finished(part, observer)
        runs.append((part, result))
        if part is whole and fresh:
            register(whole, result, Path(run_root), observer)
    facts = measure_curve(runs[::-1], clusters_of(source.test_rows), recipe.seed)
    whole.write_json("curve.json", facts)
    write_text(whole.folder / "curve.svg", svg(facts))
    return facts | {"run": whole.name, "picture": str(whole.folder / "curve.svg")}


def train(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Train only. The same call again resumes."""
    run, observer = _start(data, run_root, name, observer, overrides)
    with run.at_work():
        session = open_session(run.recipe, run, observer)
        state_power(session, observer)
        effort = trained(session, observer)
        run.set_status("done")
        observer.done()
    return head(session) | effort


def evaluate(
    run: Run | str | Path, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> dict[str, Any]:
    """Measure a trained run on its held-out rows; writes evaluation.json, answers.jsonl and report.html."""
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    observer = observer or Silent()
    read_facts(found.model)
    found.refuse_changed_data()
    with found.at_work():
        session = open_session(found.recipe, found, observer)
        result = evaluated(session, effort_so_far(found), observer)
        found.set_status("done")
        observer.done()
    return result


def failures(
    run: Run | str | Path, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> dict[str, Any]:
    """Where a tuned model fails on the validation rows, and what to collect; writes failures.json and collect.md.

    The test rows are not looked at. Raises InputError for runs that learn no answers.
    """
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    observer = observer or Silent()
    refuse_without_answers(found.recipe)
    read_facts(found.model)
    found.refuse_changed_data()
    with found.lock:
        before = found.status_facts()
        try:
            result = failed_on_validation(open_session(found.recipe, found, observer), observer)
        finally:
            found.write_json("status.json", before)
    observer.done()
    return result


def compare(
    data: Input,
    run: Run | str | Path | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Prompting, examples, retrieval, tuning and other models on the same test rows, and what to do.

    `run` is a finished run of the same data; without it, the run that `tune` makes of this recipe, tuned first where it
    is not yet. The same call again asks only for answers that are missing.
    """
    recipe, observer = _recipe(data, overrides), observer or Silent()
    refuse_uncomparable(recipe)
    source = _gathered(recipe, run_root, observer)
    assert isinstance(source, Prepared)
    refuse_too_late(recipe, source)
    if run is None:
        found = Run.create(run_root, recipe, name)
        if needs_training(recipe) and not (found.folder / "evaluation.json").exists():
            tune(recipe, run_root, name, observer)
    else:
        found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
        refuse_other_recipe(recipe, found)
    with found.at_work():
        session = open_session(found.recipe, found, observer)
        result = compared(session, recipe.compare, observer)
        found.set_status("done")
        observer.done()
    return result


def frontier(
    run: Run | str | Path,
    prompts: str | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Task score against general score on the way from base to tuned; writes frontier.json and frontier.svg."""
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    observer = observer or Silent()
    if "scale" in read_facts(found.model):
        what, fix = "this run stands on the way already", "take the run that it was made from"
        raise InputError(what, where=f"run {found.name}", value=f"scale {read_facts(found.model)['scale']}", fix=fix)
    found.refuse_changed_data()
    with found.at_work():
        session = open_session(found.recipe, found, observer)
        session.recipe.keep.prompts = prompts or session.recipe.keep.prompts
        result = frontier_of(session, observer)
        found.set_status("done")
        observer.done()
    return result


def take(
    run: Run | str | Path, scale: float, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None
) -> dict[str, Any]:
    """The run at `scale` of the way from base to tuned, as a run of its own: nothing is trained, all is measured."""
    found = run if isinstance(run, Run) else registry.find_run(str(run), run_root)
    found.refuse_changed_data()
    recipe = found.asked.model_copy(deep=True)
    recipe.keep.scale = scale
    made = Run.create(run_root, recipe)
    with made.at_work():
        copy_at_scale(found, made, scale)
    return tune(recipe, run_root, observer=observer)


def check(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    fix: Path | str | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    against: Collection[str] = (),
    **overrides: Any,
) -> dict[str, Any]:
    """What is wrong with the data, where every row would go, and what the test rows could prove. Nothing is trained.

    `fix` names a new file for the rows without what can be repaired. `only` and `skip` choose among the checks.
    `against` names benchmark files that the data must not hold.
    Rows that cannot be used are counted, however many they are: `drop_budget` does not stop this.
    """
    recipe, observer = _recipe(data, overrides).model_copy(update={"drop_budget": 1.0}), observer or Silent()
    checks = all_checks(only, skip)
    if fix is not None:
        refuse_target(Path(fix))
    recipe = with_context(recipe, load_config(recipe.base, recipe.trust_remote_code))
    source = _gathered(recipe, run_root, observer)
    ledger = source.ledger.summary()
    test_rows = ledger["held_out"]["test"]
    kind = source.shape.kind if isinstance(source, Prepared) else "text"
    findings = found_in(recipe, source, checks, observer, tuple(against))
    result = {
        "rows": ledger["rows_in"],
        "kind": kind,
        "findings": [asdict(finding) for finding in findings],
        "ledger": ledger,
        "power": {"test_rows": test_rows, "detectable_gain": detectable_gain(test_rows) if test_rows else None},
    }
    if fix is not None:
        result["fixed"] = asdict(repaired(recipe, source, checks, Path(fix), observer))
    observer.done()
    return result


def collect(
    prompts: str | Path,
    teacher: str,
    out: Path | str,
    model: str | None = None,
    system: str | None = None,
    samples: int = 1,
    temperature: float = 0.0,
    max_tokens: int = 512,
    budget_tokens: int | None = None,
    budget_usd: float | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    per_minute: float | None = None,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """A teacher's answers to the prompts of a file, as rows in `out`. The same call again goes on where it stopped."""
    observer, out, budget = observer or Silent(), Path(out), Budget(budget_tokens, budget_usd, price_in, price_out)
    sampling, pace = Sampling(max_tokens, temperature), Pace(per_minute)
    refuse_unreadable_name(out)
    observer.phase("reading the prompts")
    read = read_prompts(str(prompts), system)
    observer.phase("opening the teacher")
    asked, name = answering(teacher, model, run_root)
    asking = Asking(teacher, name, system, samples, sampling.temperature, sampling.max_new_tokens)
    wanted = requests_of(read, asking)
    observer.phase("collecting answers", len(wanted))
    result = collect_answers(wanted, asked, asking, out, budget, pace, lambda n, of: observer.step(n, of, {}))
    observer.done()
    return result


def plan(
    data: Input,
    memory: str | None = None,
    gpu: str | None = None,
    calibrate: bool = False,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """Memory by cause, time, and settings that fit `memory` ("24GB"), a GPU by name, or what is free here."""
    recipe, observer = _recipe(data, overrides), observer or Silent()
    result = forecast(recipe, target_of(memory, gpu), Path(run_root) / "cache", observer, calibrate)
    observer.done()
    return result


def prepare_view(data: Input, rows: int = 3, run_root: Path | str = DEFAULT_ROOT) -> dict[str, Any]:
    """The first rows as the model will see them: pieces of (text, supervised), and the ledger."""
    recipe = _recipe(data, {})
    if isinstance(recipe.method, Pretrain):
        raise InputError("pretrain learns every token, so there is nothing to colour", fix="use it on rows for sft")
    source = _gathered(recipe, run_root, Silent())
    assert isinstance(source, Prepared)
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    shown = [
        {
            "where": source.ledger.entry(segment.row).where,
            "tokens": len(segment.ids),
            "supervised": segment.supervised,
            "pieces": coloured(segment, tokenizer),
        }
        | ({"answer": answer} if answer else {})
        for answer, segment in first_paths(source.segments, rows)
    ]
    return {"kind": source.shape.kind, "model": recipe.base, "rows": shown, "ledger": source.ledger.summary()}


@dataclass(slots=True)
class ChatSession:
    """A model to talk to."""

    model: Any
    tokenizer: Any
    renderer: Renderer
    context: int

    def reply(self, messages: list[Message], sampling: Sampling = Sampling()) -> Iterator[str]:
        """The answer to the conversation, piece by piece. Raises InputError for what the model can not be asked."""
        self.renderer.refuse_foreign(messages, None)
        prompt = self.renderer.prompt_ids(messages, None)
        yield from stream(self.model, self.tokenizer, prompt, self.renderer.stop_ids, sampling, self.context)


def chat(model: str, run_root: Path | str = DEFAULT_ROOT) -> ChatSession:
    """Open a run, a named model, or a base (nano, a folder, a Hub name). The template must be the trained one."""
    if is_base(model):
        dtype, _ = choose_dtype("auto", load_config(model).hidden_size, device())
        base = load_base(model, dtype)
        return ChatSession(base.model.to(device()), base.tokenizer, Renderer(base.tokenizer), base.context)
    run = registry.find_run(model, run_root)
    facts = read_facts(run.model)
    if "head" in facts:
        what = "this model gives scores, not words"
        raise InputError(what, value=model, fix="use it with transformers: AutoModelForSequenceClassification")
    prove_weights(facts, run.model)
    opened = open_model(run.model, facts, run.recipe.trust_remote_code)
    tokenizer = saved_tokenizer(run.model)
    renderer = Renderer(tokenizer, clock=datetime.fromisoformat(facts["clock"]))
    prove_template(facts, renderer)
    return ChatSession(opened.model, tokenizer, renderer, opened.base.context)


def _finished(run: Run, observer: Observer) -> tuple[dict[str, Any], bool]:
    """The result of a run, trained and evaluated where it is not yet; and whether it was made just now."""
    with run.at_work():
        if run.status == "done" and (run.folder / "evaluation.json").exists():
            observer.note("this run is finished already; here is its result")
            return run.read_json("evaluation.json", *RESULT_KEYS), False
        session = open_session(run.recipe, run, observer)
        refuse_without_test(session)
        refuse_unmeasurable(session)
        state_findings(session, observer)
        state_power(session, observer)
        effort = trained(session, observer)
        result = evaluated(session, effort, observer)
        run.set_status("done")
        observer.done()
    return result, True


def _gathered(recipe: Recipe, run_root: Path | str, observer: Observer) -> Prepared | Corpus:
    """The data as the recipe's base sees it, without its weights."""
    tokenizer = load_tokenizer(recipe.base, recipe.trust_remote_code)
    recipe = with_context(recipe, load_config(recipe.base, recipe.trust_remote_code))
    observer.phase("reading the data")
    return gather(recipe, tokenizer, Renderer(tokenizer), Path(run_root) / "cache", observer).source


def _recipe(data: Input, overrides: dict[str, Any]) -> Recipe:
    if isinstance(data, Recipe) and not overrides:
        return data
    source = data.model_dump(mode="json", exclude_none=True) if isinstance(data, Recipe) else data
    return load_recipe(source, [f"{key}={value}" for key, value in overrides.items()])  # overrides are checked, too


def _start(
    data: Input, root: Path | str, name: str | None, observer: Observer | None, overrides: dict[str, Any]
) -> tuple[Run, Observer]:
    return Run.create(Path(root), _recipe(data, overrides), name), observer or Silent()
