"""The verbs for Python; the command line calls the same functions.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

Each verb takes a Recipe, the path of a recipe, the path of data, or rows that the program holds (a list of
dictionaries, a table of pandas or polars, a set of `datasets`), and returns the dictionary that `--json` prints, which
says in a few lines what is in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from whet.data.prepare import Prepared
from whet.data.read.in_memory import holds_rows, written
from whet.data.render.inspect import coloured, first_paths
from whet.data.render.renderer import Renderer
from whet.data.source import Source
from whet.doctor.check import Check
from whet.doctor.checks.held_out.contamination import Contamination
from whet.doctor.registry import all_checks
from whet.doctor.repair import refuse_target
from whet.errors import InputError
from whet.evaluation.goal import provable
from whet.evaluation.preflight.forecast import forecast, target_of
from whet.evaluation.preflight.refusals import refuse_before_data, refuse_before_training
from whet.evaluation.studies.curve_runs import drawn_curve
from whet.generation.collection.collector import Pace, read_prompts, refuse_unreadable_name, requests_of
from whet.generation.collection.collector import collect as collect_answers
from whet.generation.collection.rows_file import Asking
from whet.generation.collection.spending import Budget
from whet.generation.engine import Sampling, stream
from whet.generation.teacher import answering
from whet.methods import method_of
from whet.model.base import load_base, load_config, saved_tokenizer, told_base
from whet.model.folder import prove_template, prove_weights, read_facts
from whet.model.open import open_model
from whet.model.precision import choose_dtype, device
from whet.observer import Observer, Silent
from whet.planning.public_models import find_public
from whet.recipe.bases import is_base, refuse_missing_base
from whet.recipe.conflicts.keep import refuse_no_nearer
from whet.recipe.keywords import in_python, worded
from whet.recipe.schema import Pretrain, Recipe
from whet.reports.result import CheckResult, PlanResult, Result, RunResult, ShowResult
from whet.stats.paired import cluster_sizes
from whet.stats.power import power_facts
from whet.store import registry
from whet.store.registry import is_run
from whet.store.run import DEFAULT_ROOT, Run
from whet.training.session import walls, with_context
from whet.types import Message
from whet.verbs import tune as job
from whet.verbs.findings import found_in, repaired
from whet.verbs.studies import compare, curve, failures, frontier, take
from whet.verbs.studies import until_kept as nearer_until_kept
from whet.verbs.tune import CACHE, Input, evaluate, gathered, recipe_of, train

__all__ = [
    "chat",
    "check",
    "collect",
    "compare",
    "curve",
    "evaluate",
    "failures",
    "frontier",
    "plan",
    "prepare_view",
    "show",
    "take",
    "train",
    "tune",
]


@in_python
def tune(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    name: str | None = None,
    observer: Observer | None = None,
    until_kept: bool = False,
    accept_changed: bool = False,
    out: Path | str | None = None,
    **overrides: Any,
) -> RunResult:
    """Check, train, evaluate, verdict, register. The same call again resumes, or returns the finished result.

    Keys of the recipe are keywords (`base`, `method`, `epochs`, `learning_rate`, `seed`, ...); `out` is another name of
    `run_root`.

    With `until_kept` a model that is better at its task and over a budget elsewhere is tried again at a point nearer to
    its base, without training, at most twice; the result is that of the last try, with all of them under `tries`.
    With `accept_changed` a stopped run goes on though a file that the recipe names, such as a reward, has changed; the
    change is noted in the ledger.
    """
    run_root = run_root if out is None else out
    if not until_kept:
        return job.tune(data, run_root, name, observer, accept_changed, **overrides)
    recipe = recipe_of(data, overrides, run_root)
    refuse_no_nearer(recipe, "--until-kept")  # not after the training
    return nearer_until_kept(job.tune(recipe, run_root, name, observer, accept_changed), run_root, observer)


@in_python
def check(
    data: Input,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    fix: Path | str | None = None,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    against: Collection[str] = (),
    out: Path | str | None = None,
    **overrides: Any,
) -> CheckResult:
    """What is wrong with the data, where every row would go, and what the test rows could prove. Nothing is trained.

    `fix` names a new file for the rows without what can be repaired. `only` and `skip` choose among the checks.
    `against` names benchmark files that the data must not hold; the result's `against` says of how many rows of each a
    row to be learned holds a text. `apart` holds the prompts and frames of templates that so many rows share that they
    stand on both sides of the split. `curve` holds what `whet curve` found on this data
    before: what twice the rows would bring.
    Rows that cannot be used are counted, however many they are: `drop_budget` does not stop this. `refused` says why
    a tune would be refused for these rows, before it trains; None where it would not. What is refused before rows can
    be looked at is raised, as by `tune`. `out` is another name of `run_root`.
    """
    run_root = run_root if out is None else out
    asked, observer = recipe_of(data, overrides, run_root), observer or Silent()
    recipe = asked.model_copy(update={"drop_budget": 1.0})
    checks = all_checks(only, skip)
    if against and not any(isinstance(check, Contamination) for check in checks):
        what = f"nothing would be compared with these files: the check {Contamination.code} is left out"
        raise InputError(what, where="--against", value=list(against), fix="do not leave it out, or name no files")
    if fix is not None:
        refuse_target(Path(fix))
    refuse_before_data(recipe, method_of(recipe), run_root)
    recipe = with_context(recipe, load_config(recipe.base, recipe.trust_remote_code))
    source = gathered(recipe, run_root, observer)
    ledger = source.ledger.summary()
    prepared = source if isinstance(source, Prepared) else None
    kind = prepared.shape.kind if prepared else "text"
    sizes = cluster_sizes(prepared.test_rows) if prepared else (1,) * ledger["held_out"]["test"]
    findings = found_in(recipe, source, checks, observer, tuple(against))
    result = {
        "rows": ledger["rows_in"],
        "kind": kind,
        "findings": [asdict(finding) for finding in findings],
        "refused": refused_by(recipe.model_copy(update={"drop_budget": asked.drop_budget}), source, run_root),
        "against": held_of_benchmarks(checks),
        "ledger": ledger,
        "power": power_facts(sizes) | goal_facts(recipe, prepared),
        "apart": prepared.apart if prepared else [],
        "notes": told_base(recipe.base) + walls(recipe, method_of(recipe)) + source.notes,
        "curve": drawn_curve(recipe, Path(run_root)),
    }
    if fix is not None:
        result["fixed"] = asdict(repaired(recipe, source, checks, Path(fix), observer))
    observer.done()
    return CheckResult(result)


def goal_facts(recipe: Recipe, prepared: Prepared | None) -> dict[str, Any]:
    """What the test rows could prove of each share that the recipe's goal asks for."""
    if recipe.goal is None or prepared is None or not prepared.test_rows:
        return {}
    return {"goal": provable(recipe.goal, prepared.test_rows)}


def held_of_benchmarks(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Of each benchmark that the data was compared with: its name, its rows, and how many rows to be learned hold."""
    sources = [source for check in checks if isinstance(check, Contamination) for source in check.sources]
    return [
        {"name": source.name, "rows": source.rows, "held": len(source.known())}
        for source in sources
        if source.kind == "benchmark"
    ]


def refused_by(recipe: Recipe, source: Source, run_root: Path | str) -> dict[str, str] | None:
    """`what`, `where` and `fix` of the error with which a tune would stop for this data; None where it would not."""
    try:
        source.ledger.enforce_budget(recipe.drop_budget)
        refuse_before_training(recipe, source, method_of, Path(run_root) / CACHE)
    except InputError as error:
        return {"what": worded(error.what), "where": error.where, "fix": worded(error.fix)}
    return None


@in_python
def collect(
    prompts: str | Path | Iterable[Any],
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
) -> Result:
    """A teacher's answers to the prompts of a file, or of rows, as rows in `out`. The same call again goes on where it
    stopped."""
    observer, out, budget = observer or Silent(), Path(out), Budget(budget_tokens, budget_usd, price_in, price_out)
    sampling, pace = Sampling(max_tokens, temperature), Pace(per_minute)
    refuse_unreadable_name(out)
    observer.phase("reading the prompts")
    if holds_rows(prompts):
        prompts = written(prompts, run_root, "prompts")
    read = read_prompts(str(prompts), system)
    observer.phase("opening the teacher")
    asked, name = answering(teacher, model, run_root)
    asking = Asking(teacher, name, system, samples, sampling.temperature, sampling.max_new_tokens)
    wanted = requests_of(read, asking)
    observer.phase("collecting answers", len(wanted))
    result = collect_answers(wanted, asked, asking, out, budget, pace, lambda n, of: observer.step(n, of, {}))
    observer.done()
    return Result(result)


@in_python
def plan(
    data: Input,
    memory: str | None = None,
    gpu: str | None = None,
    calibrate: bool = False,
    run_root: Path | str = DEFAULT_ROOT,
    observer: Observer | None = None,
    out: Path | str | None = None,
    **overrides: Any,
) -> PlanResult:
    """Memory by cause, time, and settings that fit `memory` ("24GB"), a GPU by name, or what is free here.

    `data` may be a run: its recipe is planned with the pace of the steps that it has made. `out` is another name of
    `run_root`.
    """
    observer, run_root = observer or Silent(), run_root if out is None else out
    run = Run.open(data, run_root) if isinstance(data, str | Path) and is_run(data, run_root) else None
    if run is not None and overrides:
        fix = "plan its data and recipe instead"
        raise InputError("a run is planned as it is", where=f"run {run.name}", value=sorted(overrides), fix=fix)
    if run is not None:
        run.refuse_changed_data()
    recipe = run.recipe if run is not None else recipe_of(data, overrides, run_root)
    seen = [float(line["seconds"]) for line in run.metrics() if "seconds" in line] if run is not None else []
    refuse_before_data(recipe, method_of(recipe), run_root, base=find_public(recipe.base) is None)
    result = forecast(recipe, method_of, target_of(memory, gpu), Path(run_root) / CACHE, observer, calibrate, seen)
    observer.done()
    return PlanResult(result)


@in_python
def show(
    data: Input,
    rows: int = 3,
    run_root: Path | str = DEFAULT_ROOT,
    out: Path | str | None = None,
    **overrides: Any,
) -> ShowResult:
    """The first rows as the model will see them: pieces of (text, supervised), and the ledger. `out` is another name
    of `run_root`."""
    run_root = run_root if out is None else out
    recipe = recipe_of(data, overrides, run_root)
    if isinstance(recipe.method, Pretrain):
        raise InputError("pretrain learns every token, so there is nothing to colour", fix="use it on rows for sft")
    source = gathered(recipe, run_root, Silent())
    assert isinstance(source, Prepared)
    tokenizer = source.renderer.tokenizer
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
    facts = {"kind": source.shape.kind, "model": recipe.base, "rows": shown, "ledger": source.ledger.summary()}
    return ShowResult(facts | {"notes": source.notes})


prepare_view = show
"""The name that `show` had first."""


@dataclass(slots=True)
class ChatSession:
    """A model to talk to."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    renderer: Renderer = field(repr=False)
    context: int

    def reply(self, messages: list[Message], sampling: Sampling | None = None, **options: Any) -> Iterator[str]:
        """The answer to the conversation, piece by piece. `options` are those of a Sampling (`temperature`, `top_p`,
        `top_k`, `max_new_tokens`, `seed`). Raises InputError for what the model can not be asked."""
        sampling = sampling or Sampling(**options)
        self.renderer.refuse_foreign(messages, None)
        prompt = self.renderer.prompt_ids(messages, None)
        yield from stream(self.model, self.tokenizer, prompt, self.renderer.stop_ids, sampling, self.context)


@in_python
def chat(model: str, run_root: Path | str = DEFAULT_ROOT) -> ChatSession:
    """Open a run, a named model, or a base (nano, a folder, a Hub name). The template must be the trained one."""
    if is_base(model):
        refuse_missing_base(model)
        dtype, _ = choose_dtype("auto", load_config(model).hidden_size, device())
        base = load_base(model, dtype, where=device())
        return ChatSession(base.model, base.tokenizer, Renderer(base.tokenizer), base.context)
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
