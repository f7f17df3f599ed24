"""A choice from candidates to facts: looked at, asked, halved, recommended, and one of them judged on the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whet.data.prepare import Prepared, prepared_of
from whet.errors import DataError, InputError, OutOfMemoryError, count
from whet.methods import method_of
from whet.observer import watched_by
from whet.recipe.bases import NANO
from whet.recipe.schema import Recipe
from whet.selection.asking import Asked, RowAsker
from whet.selection.budget import BudgetSpent
from whet.selection.candidates import Candidate
from whet.selection.choice_facts import ChoiceFacts, ChoiceVerdict
from whet.selection.halving import halve, rungs_within
from whet.selection.recommendation import Option, Recommendation, recommend
from whet.selection.study import ASKED, FOLDER, Study
from whet.stats.paired import clusters_of
from whet.store.atomic import make_folder, sha256_text
from whet.store.run import Run
from whet.text.numbers import format_rough_duration
from whet.types import Row
from whet.verbs.choosing import telling
from whet.verbs.choosing.last_look import judge_tuned, judge_untuned, scorable
from whet.verbs.choosing.measuring import (
    Place,
    ask_ways,
    look,
    metric_of,
    open_server,
    open_untuned,
    recipe_with,
    run_of,
    tune_and_ask,
    validation_rows,
)
from whet.verbs.choosing.tries import Try
from whet.verbs.inputs import read_data
from whet.verbs.steps.main_job import open_run

RUNGS = "rungs"
"""The step that settles them."""


@dataclass(slots=True)
class Tournament:
    """`memory` as it was asked for."""

    recipe: Recipe
    candidates: Sequence[Candidate]
    study: Study
    place: Place
    memory: str | None
    answers_per_month: int | None
    tries: list[Try] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """The validation rows that every candidate has."""
    metric: tuple[str, str] = ("", "")
    constant: tuple[str, list[float]] = ("", [])
    reserve: float = 0.0
    """Seconds that the verdict at the end will take, as planned."""

    def play(self) -> ChoiceFacts:
        """Raises InputError for a budget too small for anything."""
        self.look()
        self.gather_rows()
        rungs, entrants = self.plan_rungs()
        self.ask(rungs[0] if rungs else 1.0)
        self.tune(rungs, entrants)

        found = self.recommend()
        verdict = self.judge(found.option)
        return telling.facts_of(self, found, verdict)

    # ---- what is known before anything is asked

    def look(self) -> None:
        for candidate in self.candidates:
            if candidate.remote is not None:
                self.tries.append(Try(candidate))
                continue

            self.place.observer.note(f"looking at {candidate.name}")
            seen = self.study.once(
                f"look {candidate.name}", lambda each=candidate: look(each, self.recipe, self.memory, self.place)
            )
            self.tries.append(Try(candidate, seen))

        for each in self.tries:
            if each.remote is None and (why := telling.why_unfit(each.seen)):
                each.leave(why)
        try:
            self._refuse_too_little_memory()
            self.reserve = max((each.verdict_seconds for each in self.alive), default=0.0)
            self._refuse_too_little_time()
        except InputError:
            self.study.forget()  # what is free on this machine may be another amount next time
            raise

    @property
    def alive(self) -> list[Try]:
        return [each for each in self.tries if not each.out]

    def _refuse_too_little_memory(self) -> None:
        if self.alive:
            return
        refused = [each for each in self.tries if "refused" in each.seen]
        if len(refused) == len(self.tries):
            raise DataError(refused[0].why, where=str(self.recipe.data), fix="see: whet check")

        least = min((each for each in self.tries if "refused" not in each.seen), key=lambda each: each.seen["memory"])
        needed, available = least.seen["memory"] / 1e9, least.seen["available"] / 1e9
        what = f"the budget is too small for any base: {least.name} takes least, about {needed:.2f} GB"
        raise InputError(
            what, where="--memory", value=f"{available:.2f} GB", fix="raise --memory, or name a smaller base"
        )

    def _refuse_too_little_time(self) -> None:
        left = self.study.purse.seconds_left
        local = [each for each in self.alive if each.remote is None]
        if self.study.knows(RUNGS) or len(local) < len(self.alive):
            return
        least = min(local, key=lambda each: each.asking_seconds)
        if least.asking_seconds > left:
            needed = format_rough_duration(least.asking_seconds)
            tuned = format_rough_duration(least.asking_seconds + least.verdict_seconds + least.estimate.rung(1))
            what = f"the budget is too small for any base: {least.name} takes least, about {needed} to be asked and "
            what += f"{tuned} with a tune on all rows"
            raise InputError(what, where="--hours", value=format_rough_duration(left), fix="raise the budget")

    # ---- rows

    def gather_rows(self) -> None:
        """Raises DataError without validation rows that every candidate has."""
        recipe, prepared = self._reference()
        usable = validation_rows(recipe, prepared)
        parts = [{row.index for row in usable}]
        parts += [set(each.seen["validation"]) for each in self.alive if each.remote is None]
        common = set.intersection(*parts)
        self.rows = [row for row in usable if row.index in common]
        if not self.rows:
            fix = "raise split.validation"
            raise DataError("no validation row is there for all candidates", where=str(self.recipe.data), fix=fix)
        self.metric = metric_of(recipe, self.rows, prepared)

    def _reference(self) -> tuple[Recipe, Prepared]:
        """The rows as the first base sees them, or nano where there is none: for servers, and to know the metric."""
        base = next((each.name for each in self.alive if each.remote is None), NANO)
        recipe = recipe_with(self.recipe, base)
        prepared = prepared_of(read_data(recipe, self.place.root, self.place.observer))
        return method_of(recipe).settle(recipe, prepared)[0], prepared

    # ---- as they are

    def plan_rungs(self) -> tuple[list[float], list[str]]:
        """Settled once, so that a call that goes on does the same."""
        local = {each.name: each.estimate for each in self.alive if each.remote is None}
        rows = min((each.seen["rows"] for each in self.alive if each.remote is None), default=0)

        def settle() -> dict[str, Any]:
            asking = sum(each.asking_seconds for each in self.alive)
            rungs, entrants = rungs_within(local, rows, self.study.purse.seconds_left - asking - self.reserve)
            return {"rungs": rungs, "entrants": list(entrants)}

        settled = self.study.once(RUNGS, settle)
        for each in self.alive:
            if each.remote is None and each.name not in settled["entrants"]:
                planned = format_rough_duration(each.estimate.rung(1))
                each.why = f"not tuned: a tune on all rows takes about {planned}, and the budget has no room for a part"
        return settled["rungs"], settled["entrants"]

    def ask(self, share: float) -> None:
        """All candidates, untuned. Raises InputError where the budget pays for none."""
        for each in self.alive:
            key = f"ask {each.name}"
            if each.asking_seconds > self.study.purse.seconds_left and not self.study.knows(key):
                each.leave(f"asking it takes about {format_rough_duration(each.asking_seconds)}, and less is left")
                continue
            run = None
            if each.remote is None:
                run = run_of(each.candidate, self.recipe, each.settings, share, self.place)
                each.run = run.name
            try:
                told = self.study.once(key, lambda each=each, run=run: self._ask(each, run))
            except BudgetSpent as refusal:
                each.leave(refusal.what)
                continue
            except OutOfMemoryError as refusal:
                each.leave(f"it does not fit: {refusal.what}")
                continue

            each.asked = {way: Asked(**asked) for way, asked in told["asked"].items()}
            each.not_asked = told["not_asked"]
            if not self.constant[1]:
                self.constant = (told["constant"][0], told["constant"][1])

        if not self.alive:
            whys = "; ".join(f"{each.name}: {each.why}" for each in self.tries)
            raise InputError(
                f"the budget is too small for any candidate: {whys}", where="--usd", fix="raise the budget"
            )

    def _ask(self, each: Try, run: Run | None) -> dict[str, Any]:
        observer, wanted = self.place.observer, {row.index for row in self.rows}
        observer.note(f"asking {each.name}")
        if run is None:
            asker = self._server(each, self.rows)
            return ask_ways(asker)

        with run.working(), watched_by(observer):
            session = open_run(run, observer, verdict=False)
            rows = validation_rows(session.recipe, prepared_of(session.source))
            asker = open_untuned(session, [row for row in rows if row.index in wanted], self.metric[0], observer)
            told = ask_ways(asker)
            run.set_status("done")
        return told

    def _server(self, each: Try, rows: Sequence[Row]) -> RowAsker:
        """Its answers are kept for other choices, too: nothing is paid twice."""
        assert each.remote is not None
        recipe, prepared = self._reference()
        told = f"{each.remote.url.rstrip('/')} {each.remote.model}"
        folder = self.place.root / FOLDER / ASKED / f"{each.candidate.slug}-{sha256_text(told)[:8]}"
        make_folder(folder)
        purse, observer = self.study.purse, self.place.observer
        return open_server(each.remote, recipe, prepared, rows, self.metric[0], folder, purse, observer)

    # ---- short tunes

    def tune(self, rungs: Sequence[float], entrants: Sequence[str]) -> None:
        racing = [each for each in self.alive if each.name in entrants]
        for number, share in enumerate(rungs):
            for each in racing:
                self._tune(each, share)
            racing = [each for each in racing if each.tuned is not None and each.share == share]
            if number + 1 < len(rungs) and len(racing) > 1:
                racing = self._stay(racing, rungs[number + 1])

    def _tune(self, each: Try, share: float) -> None:
        """One rung of one candidate, if what is left of the budget pays for it."""
        expected = each.expected_seconds(share)
        left = self.study.purse.seconds_left - self.reserve
        key = f"tune {share:g} {each.name}"
        if expected > left and not self.study.knows(key):
            duration, room = format_rough_duration(expected), format_rough_duration(max(0.0, left))
            each.leave(f"its tune on {share:.3g} of the rows takes about {duration}, and {room} of the budget is left")
            return

        run = run_of(each.candidate, self.recipe, each.settings, share, self.place)
        self.place.observer.note(f"tuning {each.name} on {share:.3g} of the training rows")
        wanted = {row.index for row in self.rows}
        try:
            told = self.study.once(key, lambda: tune_and_ask(run, self.metric[0], wanted, self.place.observer))
        except OutOfMemoryError as refusal:
            each.leave(f"its tune does not fit: {refusal.what}")
            return
        each.add_rung(run.name, share, told, self.recipe.seed, clusters_of(self.rows))

    def _stay(self, racing: Sequence[Try], share: float) -> list[Try]:
        """Who goes on to the next rung, of `share` of the rows."""
        by_name = {each.name: each for each in racing}
        values = {name: each.tuned.values for name, each in by_name.items() if each.tuned is not None}
        halved = halve(values, self.recipe.seed, clusters_of(self.rows))
        for name, why in halved.leave.items():
            by_name[name].leave(why)

        stay = [by_name[name] for name in halved.stay]
        left = self.study.purse.seconds_left - self.reserve
        left -= sum(each.expected_seconds(share) for each in stay)
        for name in halved.unsure:
            expected = by_name[name].expected_seconds(share)
            if expected > left:
                why = "not told apart from those that went on, and the budget has no room for its next tune"
                by_name[name].leave(f"{why}, of about {format_rough_duration(expected)}")
                continue
            left -= expected
            stay.append(by_name[name])
        return stay

    # ---- the end

    def options(self) -> list[Option]:
        found = []
        last = max((each.share for each in self.tries), default=0.0)
        for each in self.tries:
            found += each.options(self.study.purse.budget.price_per_hour, self.answers_per_month, last)
        return found

    def recommend(self) -> Recommendation:
        margin, clusters = self.recipe.compare.margin, clusters_of(self.rows)
        return recommend(self.options(), self.constant, margin, self.recipe.seed, clusters)

    def judge(self, option: Option | None) -> ChoiceVerdict | None:
        """The only place in which test rows are asked; None where nothing was chosen."""
        if option is None:
            return None
        return self.study.once("test", lambda: self._judge(option))

    def _judge(self, option: Option) -> ChoiceVerdict:
        observer, seed = self.place.observer, self.recipe.seed
        observer.note(f"the test rows: {option.label}")
        each = next(each for each in self.tries if each.name == option.base)
        if option.asked is None:
            assert option.run is not None
            return judge_tuned(Run.open(option.run, self.place.root), observer)

        if each.remote is not None:
            _, prepared = self._reference()
            return judge_untuned(self._server(each, scorable(prepared)), option.asked, option.label, seed)

        assert option.run is not None
        run = Run.open(option.run, self.place.root)
        with run.working(), watched_by(observer):
            session = open_run(run, observer, verdict=False)
            asker = open_untuned(session, scorable(prepared_of(session.source)), self.metric[0], observer)
            verdict = judge_untuned(asker, option.asked, option.label, seed)
            run.set_status("done")
        return verdict

    def notes(self) -> list[str]:
        """What a reader must know."""
        found = []
        planned = [each for each in self.tries if each.remote is None and "validation" in each.seen]
        most = max((len(each.seen["validation"]) for each in planned), default=len(self.rows))
        if most > len(self.rows):
            left = count(most - len(self.rows), "validation row")
            found.append(f"{left} left out, because not every base can read them")
        return found
