"""Graders against the libraries that OpenAI names, and through the official client."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import sacrebleu
from nltk.translate.gleu_score import sentence_gleu
from rouge_score.rouge_scorer import RougeScorer

from tests.chat_server import Server, said, serving
from tests.server.serving import Served, served
from whet.errors import RunError
from whet.evaluation.metrics.rouge import common_subsequence
from whet.rewards.user_function import load_function
from whet.server.jobs.graders.build import Means, grader_of, read_grader
from whet.server.jobs.graders.formula import BadFormula, Formula
from whet.server.jobs.graders.reward import GraderReward, reward_file
from whet.server.jobs.graders.similarity import MARK, METRICS
from whet.server.jobs.graders.templates import Sample, UnknownVariable, fill, item_columns, unknown_names

WORDS = "the cat sat on a mat , and the dog did not . it's 3 o'clock".split()
EXACT = {"type": "string_check", "name": "exact", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
PYTHON = {
    "type": "python",
    "name": "code",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['n']",
}


judge = pytest.fixture(serving)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home"), code_graders=True) as made:
        yield made


def texts(count: int = 60) -> list[tuple[str, str]]:
    draw = random.Random(3)
    return [tuple(" ".join(draw.choices(WORDS, k=draw.randint(1, 9))) for _ in range(2)) for _ in range(count)]  # type: ignore[misc]


def test_bleu_is_sacrebleus() -> None:
    for text, reference in texts():
        given, wanted = (" ".join(MARK.findall(one)) for one in (text, reference))
        expected = sacrebleu.sentence_bleu(given, [wanted], tokenize="none", use_effective_order=True).score / 100
        assert METRICS["bleu"](text, reference) == pytest.approx(expected, abs=1e-9), (text, reference)


def test_gleu_is_nltks() -> None:
    for text, reference in texts():
        expected = sentence_gleu([MARK.findall(reference)], MARK.findall(text))
        assert METRICS["gleu"](text, reference) == pytest.approx(expected, abs=1e-12)


def test_rouge_is_rouge_scores() -> None:
    names = [f"rouge{n}" for n in range(1, 6)] + ["rougeL"]
    scorer = RougeScorer(names, use_stemmer=False)
    for text, reference in texts():
        expected = scorer.score(reference, text)
        for name in names:
            own = name.lower().replace("rouge", "rouge_")
            assert METRICS[own](text, reference) == pytest.approx(expected[name].fmeasure, abs=1e-12), (name, text)


def test_fuzzy_match_is_the_ratio_of_rapidfuzz() -> None:
    """Values of rapidfuzz.fuzz.ratio 3.x / 100, from its own documentation and by hand."""
    assert METRICS["fuzzy_match"]("this is a test", "this is a test!") == pytest.approx(0.9655172413793104)
    assert METRICS["fuzzy_match"]("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear") == pytest.approx(
        0.9090909090909091
    )
    assert METRICS["fuzzy_match"]("", "") == 1.0 and METRICS["fuzzy_match"]("a", "b") == 0.0


def test_the_longest_common_subsequence_is_that_of_a_plain_table() -> None:
    draw = random.Random(5)
    for _ in range(200):
        one, other = ("".join(draw.choices("abc", k=draw.randint(0, 12))) for _ in range(2))
        rows = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
        for i, a in enumerate(one):
            for j, b in enumerate(other):
                rows[i + 1][j + 1] = rows[i][j] + 1 if a == b else max(rows[i][j + 1], rows[i + 1][j])
        assert common_subsequence(one, other) == rows[-1][-1]


@pytest.mark.parametrize(
    ("text", "value"), [("0.5*a + b", 2.5), ("min(a, b)^2 - -1", 2.0), ("max(a,b,9)/3", 3.0), ("floor(b/a)", 2.0),
    ("2 ^ 3 * a", 8.0), ("sqrt(b*b)", 2.0), ("exp(0) + log(a)", 1.0), ("abs(a - b) + ceil(0.1)", 2.0)],
)  # fmt: skip
def test_formulas_compute(text: str, value: float) -> None:
    assert Formula(text, ["a", "b"])({"a": 1.0, "b": 2.0}) == value


@pytest.mark.parametrize(
    "text",
    ["c", "a.real", "a if b else 1", "(lambda: 1)()", "__import__('os')", "a[0]", "'x'", "a; b", "", "a == b", "True",
     "min()", "open(a)", "a(1)", "min(a, key=b)", "f'{a}'", "1+" * 400 + "1", "a := 2"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_no_formula(text: str) -> None:
    with pytest.raises(BadFormula):
        Formula(text, ["a", "b"])


def test_a_formula_says_where_it_has_no_value() -> None:
    for text in ("a / 0", "log(0)", "9 ^ 9 ^ 9 ^ 9", "exp(10000)", "(0 - 8) ^ 0.5"):
        with pytest.raises((ArithmeticError, ValueError)):
            Formula(text, ["a"])({"a": 1.0})


def test_templates_are_filled_from_item_and_sample() -> None:
    sample = Sample('{"a": [1, {"b": "x"}]}', {"q": "Why?", "deep": {"list": ["zero", 1.5]}, "flag": True})
    assert fill("{{item.q}} {{ sample.output_json.a[1].b }} {{item.deep.list[0]}}", sample) == "Why? x zero"
    assert fill("{{item.deep}} {{item.flag}}", sample) == '{"list": ["zero", 1.5]} true'
    for text in ("{{item.none}}", "{{item.q.x}}", "{{sample.output_json.z}}", "{{item.deep.list[7]}}"):
        with pytest.raises(UnknownVariable):
            fill(text, sample)
    assert list(unknown_names("{{item.x}}{{sample.output_tools}}{{other.x}}{{item}}")) == [
        "sample.output_tools",
        "other.x",
        "item",
    ]
    assert item_columns("{{item.a.b}} {{item.c[0]}} {{sample.output_text}}") == {"a", "c"}


@pytest.mark.parametrize(
    ("operation", "answer", "score"),
    [("eq", "Paris", 1), ("eq", "paris", 0), ("ne", "Rome", 1), ("ne", "Paris", 0), ("like", "In Paris.", 1),
     ("like", "in paris", 0), ("ilike", "in PARIS", 1), ("ilike", "Rome", 0)],
)  # fmt: skip
def test_string_checks(operation: str, answer: str, score: float) -> None:
    assert _graded({**EXACT, "operation": operation}, answer, {"answer": "Paris"}).score == score


def test_python_is_run_for_many_answers_and_each_fails_alone() -> None:
    spec = {"type": "python", "name": "p", "source": (
        "def grade(sample, item):\n"
        "    if item['n'] == 3: return 'x'\n"
        "    if item['n'] == 4: raise KeyError('no')\n"
        "    if item['n'] == 5: return float('nan')\n"
        "    return len(sample['output_text']) + (sample['output_json'] or {}).get('a', 0)\n")}  # fmt: skip
    samples = [Sample("ab", {"n": 1}), Sample('{"a": 7}', {"n": 2}), *(Sample("", {"n": n}) for n in (3, 4, 5))]
    grades = grader_of(read_grader(spec), Means(True, "", None))(samples)
    assert [grade.score for grade in grades] == [2.0, 15.0, None, None, None]
    assert {grade.flag for grade in grades[2:]} == {"python_grader_runtime_error"} and "KeyError" in grades[3].why


def test_python_reaches_nothing_and_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whet.server.jobs.graders.python_code.START_SECONDS", 4.0)
    monkeypatch.setattr("whet.server.jobs.graders.python_code.ANSWER_SECONDS", 0.5)
    for body in (
        "__import__('socket').socket()",
        "open('/tmp/x', 'w')",
        "__import__('os').fork()",
        "[0 for _ in iter(int, 1)]",
    ):
        spec = {"type": "python", "name": "p", "source": f"def grade(sample, item):\n    {body}\n    return 1.0"}
        assert _graded(spec, "x", {}).score is None, body


def test_a_multi_grader_joins_scores_and_tells_what_failed() -> None:
    spec = {"type": "multi", "name": "both", "graders": {"exact": {**EXACT, "operation": "eq"}, "code": PYTHON},
            "calculate_output": "0.5 * exact + min(code, 1)"}  # fmt: skip
    grade = _graded(spec, "Paris", {"answer": "Paris", "n": 10})
    assert (grade.score, grade.parts) == (1.0, {"exact": 1.0, "code": 0.5})
    grade = _graded(spec, "Paris", {"answer": "Paris", "n": 0})
    assert grade.score is None and grade.flag == "python_grader_runtime_error"


JUDGED = {"type": "score_model", "name": "judge", "model": "big", "range": [0, 10], "input": [
    {"role": "user", "content": "Rate {{sample.output_text}} for {{item.q}}"}],
    "sampling_params": {"temperature": 0.5, "seed": 3}}  # fmt: skip


ALIKE = {"type": "text_similarity", "name": "t", "input": "a", "reference": "b"}


def test_a_score_model_is_asked_once_for_each_answer(judge: Server, tmp_path: Path) -> None:
    judge.reply = lambda number: (
        200,
        {**said("7.5"), "usage": {"total_tokens": 9, "prompt_tokens": 8, "completion_tokens": 1}},
    )
    means, samples = Means(False, judge.url, None), [Sample("A", {"q": "Q"}), Sample("B", {"q": "Q"})]
    grades = grader_of(read_grader(JUDGED), means, tmp_path)(samples)
    assert [(grade.score, grade.tokens, grade.model) for grade in grades] == [(7.5, 9, "big")] * 2
    body = judge.asked[0][2]
    assert (body["model"], body["temperature"], body["seed"]) == ("big", 0.5, 3)
    assert {asked[2]["messages"][0]["content"] for asked in judge.asked} == {"Rate A for Q", "Rate B for Q"}

    again = grader_of(read_grader(JUDGED), means, tmp_path)(samples)  # as after a resume
    assert [grade.score for grade in again] == [7.5, 7.5]
    assert len(judge.asked) == 2


def test_a_score_model_that_gives_no_number_of_the_range_is_no_score(judge: Server) -> None:
    replies = iter(["eleven", "11", "between 3 and 4"])
    judge.reply = lambda number: (200, said(next(replies)))
    grade = grader_of(read_grader(JUDGED), Means(False, judge.url, None))([Sample("A", {"q": "Q"})])[0]
    assert grade.score is None and grade.flag == "model_grader_parse_error" and len(judge.asked) == 3
    judge.reply = lambda number: (400, {"error": "no"})
    grade = grader_of(read_grader(JUDGED), Means(False, judge.url, None))([Sample("A", {"q": "Q"})])[0]
    assert grade.flag == "model_grader_server_error" and grade.errors()["model_grader_server_error_details"]


def test_run_and_validate_through_the_client(service: Served) -> None:
    graders = service.client().fine_tuning.alpha.graders
    ran = graders.run(grader={**EXACT, "operation": "ilike"}, model_sample="paris!", item={"answer": "Paris"})  # type: ignore[typeddict-item]
    assert ran.reward == 1.0 and ran.metadata.scores == {"exact": 1.0} and not ran.metadata.errors.other_error
    ran = graders.run(grader={**EXACT, "operation": "eq"}, model_sample="x", item={})  # type: ignore[typeddict-item]
    assert ran.reward == 0.0 and ran.metadata.errors.invalid_variable_error
    ran = graders.run(grader=PYTHON, model_sample="abc", item={"n": 6})  # type: ignore[arg-type]
    assert ran.reward == 0.5 and ran.metadata.type == "python"

    checked = graders.validate(grader=PYTHON)  # type: ignore[arg-type]
    assert checked.to_dict() == {"grader": PYTHON}
    single = {"type": "multi", "name": "m", "graders": {**EXACT, "operation": "eq"}, "calculate_output": "exact"}
    assert graders.validate(grader=single).to_dict() == {"grader": single}  # type: ignore[arg-type]
    named = {**single, "graders": {"a": {**EXACT, "operation": "eq"}}, "calculate_output": "a * 2"}
    loose = service.client(strict=False).fine_tuning.alpha.graders  # the client's type knows one grader only
    assert loose.validate(grader=named).to_dict() == {"grader": named}  # type: ignore[arg-type]
    assert loose.run(grader=named, model_sample="x", item={"answer": "x"}).sub_rewards == {"a": 1.0}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        ({**EXACT, "operation": "eq", "input": "{{sample.output_tools}}"}, "grader.input"),
        ({**ALIKE, "evaluation_metric": "cosine"}, "grader.evaluation_metric"),
        ({**ALIKE, "evaluation_metric": "meteor"}, "grader.evaluation_metric"),
        ({"type": "label_model", "name": "l", "labels": ["a"], "passing_labels": ["a"]}, "grader.type"),
        ({**PYTHON, "image_tag": "2025-05-08"}, "grader.image_tag"),
        ({**PYTHON, "source": "def other(): pass"}, "grader.source"),
        ({**PYTHON, "source": "def grade("}, "grader.source"),
        ({**JUDGED, "sampling_params": None}, "grader.type"),
        ({"type": "multi", "name": "m", "graders": {}, "calculate_output": "1"}, "grader.graders"),
        ({"type": "multi", "name": "m", "graders": {"a": PYTHON}, "calculate_output": "b"}, "grader.calculate_output"),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_refused_by_name(service: Served, spec: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        service.client().fine_tuning.alpha.graders.validate(grader=spec)
    assert told.value.param == param


def test_python_is_refused_where_it_is_switched_off(tmp_path: Path) -> None:
    with served(tmp_path) as service, pytest.raises(openai.BadRequestError) as told:
        service.client().fine_tuning.alpha.graders.run(grader=PYTHON, model_sample="x")  # type: ignore[arg-type]
    assert told.value.code == "unsupported_parameter" and told.value.param == "grader.type"


def test_a_reward_file_scores_rows_and_abstains_where_the_grader_fails(tmp_path: Path) -> None:
    spec = {**EXACT, "operation": "eq"}
    (tmp_path / "grader.py").write_text(reward_file(spec, Means(False, "", None)))
    reward = load_function(f"{tmp_path / 'grader.py'}:reward", ["prompts", "answers", "rows"], "reward")
    assert isinstance(reward, GraderReward)
    prompts = [[{"role": "user", "content": "?"}]] * 3
    assert reward(prompts, ["a", "b", "c"], [{"answer": "a"}, {"answer": "a"}, {}]) == [1.0, 0.0, None]
    with pytest.raises(RunError, match="invalid_variable_error"):
        reward(prompts[:1], ["a"], [{}])


def _graded(spec: Any, answer: str, item: dict[str, Any]) -> Any:
    return grader_of(read_grader(spec), Means(True, "", None))([Sample(answer, item)])[0]
