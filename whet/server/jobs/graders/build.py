"""From the grader of a request to what gives numbers; and what of it is refused before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from whet.errors import InputError
from whet.server.errors import ApiError, of_whet, unsupported
from whet.server.jobs.graders.formula import BadFormula, Formula
from whet.server.jobs.graders.grades import Grade
from whet.server.jobs.graders.python_code import PythonGrader, refuse_source
from whet.server.jobs.graders.score_model import ScoreModelGrader
from whet.server.jobs.graders.similarity import METRICS, UNKNOWN
from whet.server.jobs.graders.spec import (
    Grader,
    LabelModel,
    Multi,
    Part,
    Python,
    ScoreModel,
    StringCheck,
    TextSimilarity,
)
from whet.server.jobs.graders.templates import Sample, UnknownVariable, fill, item_columns, unknown_names
from whet.server.settings import Settings

Graded = Callable[[Sequence[Sample]], list[Grade]]
READER: TypeAdapter[Any] = TypeAdapter(Grader)
CHECKS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


@dataclass(frozen=True, slots=True)
class Means:
    """What graders may use: whether Python may run, and whom a score_model asks."""

    code: bool
    url: str
    key: str | None

    @classmethod
    def of(cls, settings: Settings) -> Means:
        return cls(settings.code_graders, settings.grader_url, settings.grader_key or None)


def read_grader(values: Any) -> Any:
    """A checked grader. Raises ApiError 400."""
    try:
        return READER.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["grader", *(str(part) for part in first["loc"])])
        raise ApiError(400, f"{where}: {first['msg']}.", code="invalid_value", param=where) from error


def refuse_grader(grader: Any, means: Means, param: str) -> None:
    """Raises ApiError 400 for what has no equal here, names nothing that there is, or is not allowed."""
    match grader:
        case StringCheck(input=given, reference=reference):
            _refuse_names({"input": given, "reference": reference}, param)
        case TextSimilarity(input=given, reference=reference, evaluation_metric=metric):
            if metric in UNKNOWN:
                raise unsupported(f"{param}.evaluation_metric", f"{metric}: {UNKNOWN[metric]}.")
            _refuse_names({"input": given, "reference": reference}, param)
        case Python():
            _refuse_python(grader, means, param)
        case ScoreModel():
            _refuse_score_model(grader, means, param)
        case Multi():
            _refuse_multi(grader, means, param)
        case LabelModel():
            raise unsupported(f"{param}.type", "label_model; ask a score_model for a number instead.")


def columns_of(grader: Any) -> set[str]:
    """The columns of a row that it reads by name; Python graders may read others."""
    match grader:
        case StringCheck() | TextSimilarity():
            return item_columns(grader.input) | item_columns(grader.reference)
        case ScoreModel():
            return {column for text in _texts(grader) for column in item_columns(text)}
        case Multi():
            return {column for one in grader.named.values() for column in columns_of(one)}
    return set()


def grader_of(grader: Any, means: Means, cache: Path | None = None) -> Graded:
    """What scores answers by it. `cache` is a folder for what models said."""
    match grader:
        case StringCheck():
            check = CHECKS[grader.operation]
            return _compared(grader, lambda text, reference: float(check(text, reference)))
        case TextSimilarity():
            return _compared(grader, METRICS[grader.evaluation_metric])
        case Python():
            return PythonGrader(grader)
        case ScoreModel():
            place = None if cache is None else cache / "said.json"
            return ScoreModelGrader(grader, means.url, means.key, place)
        case Multi():
            inner = {}
            for number, (name, one) in enumerate(grader.named.items()):
                inner[name] = grader_of(one, means, None if cache is None else cache / str(number))
            return _Joined(inner, Formula(grader.calculate_output, inner))
    raise AssertionError("`refuse_grader` has looked at it")


class _Joined:
    def __init__(self, inner: dict[str, Graded], formula: Formula) -> None:
        self.inner, self.formula = inner, formula

    def __call__(self, samples: Sequence[Sample]) -> list[Grade]:
        columns = {name: grader(samples) for name, grader in self.inner.items()}
        return [self._joined({name: grades[n] for name, grades in columns.items()}) for n in range(len(samples))]

    def _joined(self, parts: dict[str, Grade]) -> Grade:
        scores = {name: grade.score for name, grade in parts.items()}
        tokens = sum(grade.tokens for grade in parts.values())
        models = [grade.model for grade in parts.values() if grade.model]
        model = models[0] if models else None
        for grade in parts.values():
            if grade.score is None:
                return Grade(None, grade.flag, grade.why, scores, tokens, model)
        try:
            known = {name: score for name, score in scores.items() if score is not None}
            return Grade(self.formula(known), parts=scores, tokens=tokens, model=model)
        except (ArithmeticError, ValueError) as error:
            return Grade(None, "formula_parse_error", str(error), scores, tokens, model)


def _compared(grader: StringCheck | TextSimilarity, score: Callable[[str, str], float]) -> Graded:
    def graded(samples: Sequence[Sample]) -> list[Grade]:
        grades = []
        for sample in samples:
            try:
                grades.append(Grade(score(fill(grader.input, sample), fill(grader.reference, sample))))
            except UnknownVariable as error:
                grades.append(Grade(None, "invalid_variable_error", f"there is no {error}"))
        return grades

    return graded


def _texts(grader: ScoreModel) -> Iterator[str]:
    for turn in grader.input:
        parts = turn.content if isinstance(turn.content, list) else [turn.content]
        yield from (part.text or "" if isinstance(part, Part) else part for part in parts)


def _refuse_names(texts: dict[str, str], param: str) -> None:
    for key, text in texts.items():
        for name in unknown_names(text):
            what = f"{param}.{key}: {{{{{name[:80]}}}}} is nothing that a grader sees here: it has item.COLUMN, "
            what += "sample.output_text and sample.output_json."
            raise ApiError(400, what, code="invalid_value", param=f"{param}.{key}")


def _refuse_python(grader: Python, means: Means, param: str) -> None:
    if not means.code:
        raise unsupported(f"{param}.type", "python: graders that are code are switched off here.")
    if grader.image_tag is not None:
        raise unsupported(f"{param}.image_tag", "graders run with Python's own library alone.")
    try:
        refuse_source(grader.source)
    except InputError as error:
        raise of_whet(error, f"{param}.source") from error


def _refuse_score_model(grader: ScoreModel, means: Means, param: str) -> None:
    if not means.url:
        raise unsupported(f"{param}.type", "score_model: no model that could be asked is set up here (grader_url).")
    for number, turn in enumerate(grader.input):
        parts = turn.content if isinstance(turn.content, list) else [turn.content]
        for part in parts:
            if isinstance(part, Part) and (part.text is None or part.type not in ("input_text", "output_text", "text")):
                raise unsupported(f"{param}.input.{number}.content", f"parts of the type {part.type}.")
    _refuse_names({f"input.{number}": text for number, text in enumerate(_texts(grader))}, param)

    low, high = grader.range or (0.0, 1.0)
    if not low < high:
        raise ApiError(
            400, f"{param}.range: {low:g} is not below {high:g}.", code="invalid_value", param=f"{param}.range"
        )
    effort = grader.sampling_params and grader.sampling_params.reasoning_effort
    if effort:
        raise unsupported(f"{param}.sampling_params.reasoning_effort", "a grader's model is asked as it is.")


def _refuse_multi(grader: Multi, means: Means, param: str) -> None:
    if not grader.named:
        raise ApiError(400, f"{param}.graders: there is none.", code="invalid_value", param=f"{param}.graders")
    for name, one in grader.named.items():
        refuse_grader(one, means, f"{param}.graders.{name}")
    try:
        Formula(grader.calculate_output, grader.named)
    except BadFormula as error:
        what = f"{param}.calculate_output: {error}."
        raise ApiError(400, what, code="invalid_value", param=f"{param}.calculate_output") from error
