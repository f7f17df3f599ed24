"""The verbs for Python; the command line calls the same functions.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

Each verb takes a Recipe, the path of a recipe or the path of data, and returns the dictionary that `--json` prints.
"""

from __future__ import annotations

import gc
import re
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from whet.data.corpus import Corpus
from whet.data.prepare import Prepared
from whet.data.reading import understood
from whet.data.show import coloured, first_paths
from whet.data.template import Renderer
from whet.doctor.check import examine
from whet.doctor.registry import all_checks
from whet.errors import DataError, InputError
from whet.evaluate.baked import measure_baked
from whet.evaluate.distilled import measure_distilled
from whet.evaluate.headed import Measured, measure_headed
from whet.evaluate.heldout import measure_blocks, measure_forgetting, measure_rewards, measure_rows
from whet.evaluate.power import detectable_gain
from whet.evaluate.report import write_report
from whet.evaluate.sides import sides_of
from whet.generate.budget import Budget
from whet.generate.collect import Pace, read_prompts, refuse_unreadable_name, requests_of
from whet.generate.collect import collect as collect_answers
from whet.generate.collected import Asking
from whet.generate.engine import Sampling, stream
from whet.model.base import load_base, load_config, load_tokenizer, saved_tokenizer
from whet.model.load import open_model
from whet.model.precision import choose_dtype
from whet.recipe.load import load_recipe
from whet.recipe.rollouts import Rollouts
from whet.recipe.schema import Bake, Distil, HeadMethod, Pretrain, Recipe
from whet.reward.combine import build_rewards
from whet.store import registry
from whet.store.run import DEFAULT_ROOT, Run
from whet.train.forecast import forecast, target_of
from whet.train.material import gather
from whet.train.observer import Observer, Silent
from whet.train.release import prove_template, prove_weights, read_facts
from whet.train.session import Session, device, open_session, with_context
from whet.train.session import train as train_session
from whet.train.teacher import answering, is_base, teacher_of
from whet.types import Message

Input = Recipe | str | Path
KL_PROMPT_ROWS = 100
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
    with run.at_work():
        if run.status == "done" and (run.folder / "evaluation.json").exists():
            observer.note("this run is finished already; here is its result")
            return run.read_json("evaluation.json", *RESULT_KEYS)
        session = open_session(run.recipe, run, observer)
        _refuse_without_test(session)
        _state_findings(session, observer)
        _state_power(session, observer)
        effort = _trained(session, observer)
        result = _evaluated(session, effort, observer)
        run.set_status("done")
        observer.done()
    _register(run, result, Path(run_root), observer)
    return result


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
        _state_power(session, observer)
        effort = _trained(session, observer)
        run.set_status("done")
        observer.done()
    return _head(session) | effort


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
        result = _evaluated(session, _effort_so_far(found), observer)
        found.set_status("done")
        observer.done()
    return result


def check(
    data: Input, run_root: Path | str = DEFAULT_ROOT, observer: Observer | None = None, **overrides: Any
) -> dict[str, Any]:
    """What is wrong with the data, where every row would go, and what the test rows could prove. Nothing is trained.

    Rows that cannot be used are counted, however many they are: `drop_budget` does not stop this.
    """
    recipe, observer = _recipe(data, overrides).model_copy(update={"drop_budget": 1.0}), observer or Silent()
    source = _gathered(recipe, run_root, observer)
    ledger = source.ledger.summary()
    test_rows = ledger["held_out"]["test"]
    observer.phase("checking the rows")
    kind = source.shape.kind if isinstance(source, Prepared) else "text"
    findings = examine(understood(recipe, source.shape), all_checks()) if isinstance(source, Prepared) else []
    observer.done()
    return {
        "rows": ledger["rows_in"],
        "kind": kind,
        "findings": [asdict(finding) for finding in findings],
        "ledger": ledger,
        "power": {"test_rows": test_rows, "detectable_gain": detectable_gain(test_rows) if test_rows else None},
    }


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


def _refuse_without_test(session: Session) -> None:
    """Before anything is trained: without held-out rows there can be no verdict. Raises DataError."""
    source = session.material.source
    held_out = len(source.test) > 1 if isinstance(source, Corpus) else bool(source.test_rows)
    if not held_out:
        little = session.recipe.test is not None or session.recipe.split.test > 0
        raise DataError(
            "nothing is held out for the test, so tune could not say whether the model got better",
            where=str(session.recipe.data),
            fix="bring more text"
            if little
            else "set split.test above 0 or give a test file; or train without a verdict: whet train",
        )


def _state_findings(session: Session, observer: Observer) -> None:
    """Before anything is trained: what is wrong with pairs and marks."""
    source = session.material.source
    if isinstance(source, Prepared) and (source.shape.paired or source.shape.kind == "unpaired"):
        for finding in examine(understood(session.recipe, source.shape), all_checks()):
            observer.note(f"{finding.severity}: {finding.message} (whet check --explain {finding.code})")


def _state_power(session: Session, observer: Observer) -> None:
    """Before anything is trained: what the test rows will be able to show."""
    if isinstance(session.material.source, Corpus):
        return  # held-out text counts in blocks, of which there are many or the run was refused
    held_out = session.material.ledger.summary()["held_out"]["test"]
    gain = detectable_gain(held_out) if held_out else None
    if gain is None:
        observer.note(f"{held_out} test rows can hardly decide anything; a larger test part would")
    else:
        observer.note(f"{held_out} test rows can show a gain of {100 * gain:.0f} points or more (80% power)")


def _trained(session: Session, observer: Observer) -> dict[str, Any]:
    """Train and let go of the model: what is evaluated is what was saved, loaded afresh."""
    if (session.run.model / "whet.json").exists() and (session.run.folder / "training.json").exists():
        observer.note("trained already; the same recipe and data give the same weights")
        return _effort_so_far(session.run)
    trained = train_session(session, observer)
    stopped = {
        "reason": trained.progress.stopped,
        "step": trained.progress.step,
        "best_step": trained.progress.best_step,
        **_best(session.recipe, trained.progress.best_loss),
    }
    effort = {
        "stopped": stopped,
        "seconds": trained.seconds,
        "tokens_per_second": trained.tokens_per_second,
        "peak_memory_bytes": _peak_memory(),
    }
    session.run.write_json("training.json", effort)
    session.base = None
    del trained
    gc.collect()
    return effort


def _best(recipe: Recipe, value: float | None) -> dict[str, float | None]:
    """The best validation: a loss, or a reward, whose sign the loop turns."""
    if isinstance(recipe.method, Rollouts):
        return {"best_validation_reward": None if value is None else -value}
    return {"best_validation_loss": value}


def _effort_so_far(run: Run) -> dict[str, Any]:
    return run.read_json("training.json", "stopped", "seconds", "peak_memory_bytes")


def _evaluated(session: Session, effort: dict[str, Any], observer: Observer) -> dict[str, Any]:
    run, recipe, source = session.run, session.recipe, session.material.source
    began = time.perf_counter()
    run.set_status("evaluating")
    facts = read_facts(run.model)
    prove_weights(facts, run.model)
    prove_template(facts, session.renderer)
    path = run.read_json("selfcheck.json", "path")["path"]
    observer.phase("evaluating base and tuned")
    if isinstance(recipe.method, HeadMethod):
        assert isinstance(source, Prepared)
        measured, lines = measure_headed(run.model, facts, recipe, source, kernels=path == "fused")
    else:
        measured, lines = _measured_words(session, facts, path, observer)
    run.write_lines("answers.jsonl", lines)
    result = _head(session) | measured | effort | {"evaluation_seconds": time.perf_counter() - began}
    result["peak_memory_bytes"] = max(effort["peak_memory_bytes"], _peak_memory())
    result["report"] = str(run.folder / "report.html")
    run.write_json("evaluation.json", result)
    write_report(run)
    return run.read_json("evaluation.json")


def _measured_words(session: Session, facts: dict[str, Any], path: str, observer: Observer) -> Measured:
    """What a language model writes, or finds likely, beside its base."""
    run, recipe, source = session.run, session.recipe, session.material.source
    opened = open_model(run.model, facts, recipe.trust_remote_code, kernels=path == "fused")
    use_forest = opened.use_forest and path != "plain"
    base, tuned = sides_of(opened.model, use_forest, opened.base_model)
    lines: list[dict[str, Any]] = []
    prompts: list[list[int]] = []

    def progress(done: int, total: int) -> None:
        observer.step(done, total, {})

    if isinstance(source, Corpus):
        assert isinstance(recipe.method, Pretrain) and recipe.method.context
        measured = measure_blocks(base, tuned, source, recipe.method.context, recipe.seed)
    elif isinstance(recipe.method, Rollouts):
        rewards = build_rewards(recipe.method, run.folder / "judged")
        measured, lines = measure_rewards(base, tuned, opened.base, source, rewards, recipe, progress)
    elif isinstance(recipe.method, Distil):
        teacher = teacher_of(recipe, run, path)
        measured, lines = measure_distilled(base, tuned, opened.base, source, teacher, recipe, progress)
    elif isinstance(recipe.method, Bake):
        measured, lines = measure_baked(base, tuned, opened.base, source, recipe, progress)
    else:
        measured, lines = measure_rows(base, tuned, opened.base, source, recipe.evaluate, recipe.seed, progress)
    if isinstance(source, Prepared):
        prompts = [session.renderer.prompt_ids(row.prompt, row.tools) for row in source.test_rows[:KL_PROMPT_ROWS]]
    if recipe.evaluate.forgetting:
        observer.phase("measuring what was forgotten")
        measured["forgetting"] = measure_forgetting(base, tuned, opened.base, session.renderer, prompts, recipe.seed)
    return measured, lines


def _head(session: Session) -> dict[str, Any]:
    return {
        "run": session.run.name,
        "model": session.recipe.base,
        "method": f"{session.recipe.method.kind} ({session.recipe.adapter.kind})",
        "ledger": session.material.ledger.summary(),
    }


def _register(run: Run, result: dict[str, Any], root: Path, observer: Observer) -> None:
    """Every finished tune becomes a version of a named model; it is put in use only when it is better."""
    name = re.sub(r"-[0-9a-f]{8}$", "", run.name)
    facts = {key: result.get(key) for key in ("metric", "verdict")}
    version = registry.register(name, run, facts, root)
    if result["verdict"]["word"] == "better" and "caution" not in result:
        registry.promote(name, version, root)
        observer.note(f"registered and in use as {name}@{version}")
    else:
        why = "of the warning in its verdict" if "caution" in result else "it is not proved better"
        observer.note(f"registered as {name}@{version}; not put in use, because {why}")


def _peak_memory() -> int:
    """Bytes; the largest this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
