"""One verdict, wherever the training ran: base and tuned model answer the held-out rows over an API, and are held
against each other, and against the same opponents, by the code of a local run."""

from __future__ import annotations

from whet.evaluation.content import state_content
from whet.evaluation.contest import HeldOut
from whet.evaluation.facts import AnswerLine, Evaluation, Measured, add_keys
from whet.evaluation.goal import judge_goal
from whet.evaluation.judges.language_model import measure_judge
from whet.evaluation.judges.win_rate import measure_wins
from whet.evaluation.methods.answers import written_facts
from whet.evaluation.opponents.budget import LEARN
from whet.evaluation.opponents.opposition import judge_lines, written_opponents
from whet.evaluation.transcript import FILE as TRANSCRIPT
from whet.evaluation.transcript import Transcript
from whet.launcher.answers import RemoteModel
from whet.launcher.opposing import Questions, setting_at
from whet.launcher.place import Place
from whet.launcher.record import JobRecord
from whet.launcher.row_reader import RowReader
from whet.observer import Observer, counted
from whet.rewards.combine import build_rewards
from whet.store.run import JUDGED
from whet.training.session import Session
from whet.types import Completion

NOT_MEASURED = (
    "An API gives answers and nothing else, so these were not measured: the loss on the references, what the tune cost "
    "elsewhere (forgetting), and how likely the base finds each label; nor could the training be proved (self-check, "
    "golden answers)."
)


def measure(
    session: Session,
    questions: Questions,
    reader: RowReader,
    place: Place,
    record: JobRecord,
    observer: Observer,
) -> Measured:
    """The part of evaluation.json that concerns the test rows, and the lines of answers.jsonl. Raises InputError,
    RunError; what was answered by then is kept."""
    recipe, run = session.recipe, session.run
    held = HeldOut(recipe, run, session.source, observer)
    base, tuned = models_at(session, place, record)

    written: dict[str, list[Completion]] = {}
    asked = questions.turns.rows
    for model in (base, tuned):
        observer.phase(f"asking {model.client.model} at {place.url}", len(asked))
        written[model.side] = model.answer_rows(asked, questions.tokens, counted(observer, len(asked)))

    wanted = recipe.evaluate
    facts, lines = written_facts(
        questions.name, questions.reason, written, questions.rows, questions.turns, wanted, recipe.seed
    )
    facts["answer_limit"] = questions.tokens
    if facts["verdict"]["content"] is not None:
        facts["verdict"]["sentence"] += state_content(facts, questions.tokens)

    oppose(facts, lines, session, questions, reader, base, record, observer)
    if wanted.wins:
        winning = build_rewards(wanted.wins, run.folder / JUDGED)
        facts["wins"] = measure_wins(lines, questions.rows, winning, recipe.seed)
    if wanted.judge:
        observer.phase("judging")
        facts["judge"], lines = measure_judge(lines, held, [place.model])
    facts["verdict"]["goal"] = judge_goal(recipe.goal, facts, lines, held.prepared)
    tell_same(facts, written, base, tuned, observer)
    return facts, lines


def models_at(session: Session, place: Place, record: JobRecord) -> tuple[RemoteModel, RemoteModel]:
    """(base, tuned); what they answer is kept in the run."""
    transcript = Transcript(session.run.folder / TRANSCRIPT)
    client = place.client()
    tuned = place.client()
    tuned.model = record.get("tuned_model", "")
    return RemoteModel("base", client, transcript), RemoteModel("tuned", tuned, transcript)


def oppose(
    facts: Evaluation,
    lines: list[AnswerLine],
    session: Session,
    questions: Questions,
    reader: RowReader,
    base: RemoteModel,
    record: JobRecord,
    observer: Observer,
) -> None:
    """Writes the verdict over all opponents into `facts`, and their answers into `lines`."""
    recipe, source = session.recipe, session.source
    prepared = HeldOut(recipe, session.run, source, observer).prepared
    setting = setting_at(questions, recipe, prepared, reader, observer, base.answer_prompts)
    turns = questions.turns if questions.turns.many else None
    learned = LEARN * float(record.get("trained_tokens") or source.tokens)
    opponents = written_opponents(setting, lines, learned, session.run, turns)
    judge_lines(facts, lines, opponents, recipe.seed)


def tell_same(
    facts: Evaluation,
    written: dict[str, list[Completion]],
    base: RemoteModel,
    tuned: RemoteModel,
    observer: Observer,
) -> None:
    """A service that answers as the base under the tuned model's name is told of, loudly."""
    warning = ""
    pairs = list(zip(written["base"], written["tuned"], strict=True))
    if all(one.text == other.text for one, other in pairs):
        warning = f"the tuned model answered all {len(pairs):,} rows exactly as its base: it is probably not there"
    elif tuned.said_to_be and tuned.said_to_be == base.said_to_be:
        names = ", ".join(sorted(tuned.said_to_be))
        warning = f"the service says that {names} answered in the place of the tuned model"

    if warning:
        observer.note(f"WARNING: {warning}")
        facts["verdict"]["sentence"] += f" Beware: {warning}."
        add_keys(facts, {"caution": warning})
