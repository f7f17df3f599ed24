"""A model that was tuned with passages is served as it was evaluated: the same passages, the same prompts token by
token, the same answers, and the same grounding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from openai import OpenAI

from tests.encoders import static_encoder
from tests.release.made_runs import made_run
from whet import api
from whet.data.prepare import Prepared, prepared_of
from whet.data.render.renderer import Renderer
from whet.data.retrieval.documents import read_documents
from whet.data.retrieval.retrievers import BM25
from whet.evaluation.facts import RetrievalFacts
from whet.evaluation.retrieval.measure import measure_retrieved
from whet.generation.serving.request import AnswerRequest
from whet.methods import method_of
from whet.observer import Silent
from whet.recipe.sections.retrieval import By
from whet.server.application import create_app
from whet.server.inference.hosting.host import Host
from whet.server.settings import Settings
from whet.store.run import Run
from whet.training.session import open_session

NAMES = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hal", "Ida", "Jon", "Kim", "Leo"]
COLOURS = ["red", "blue", "green", "gold"]
TEMPLATE = "Read this.\n\n{passages}\n\nThen say: {question}"


def documents_and_rows(folder: Path) -> tuple[Path, Path]:
    documents = folder / "handbook"
    (documents / "more").mkdir(parents=True)
    rows = []
    for place, name in enumerate(NAMES):
        colour = COLOURS[place % 4]
        text = (
            f"{name} has a {colour} bag. {name} came in {1990 + place}. The bag of {name} is kept in room {place}.\n\n"
        )
        where = documents / ("more" if place % 3 == 0 else "") / f"{name.lower()}.md"
        where.write_text(text + f"Nothing else is known of {name}, and of the others even less is known.")
        rows.append({"q": f"Which colour is the bag of {name}?", "a": colour, "doc": f"{name.lower()}"})
        rows.append({"q": f"When did {name} come?", "a": str(1990 + place), "doc": ""})
        rows.append({"q": f"What does {name} eat?", "a": "not stated", "doc": ""})
    data = folder / "questions.jsonl"
    data.write_text("".join(json.dumps({"q": row["q"], "a": row["a"]}) + "\n" for row in rows))
    return documents, data


def keys_of(folder: Path, by: By = "bm25") -> dict[str, Any]:
    """A recipe of few questions about a folder of documents."""
    documents, data = documents_and_rows(folder)
    retrieval = {"documents": str(documents), "passages": 2, "words": 12, "refusal": "not stated", "template": TEMPLATE}
    if by != "bm25":
        retrieval |= {"by": by, "encoder": str(static_encoder(folder / "encoder"))}
    columns, evaluate = {"prompt": "q", "completion": "a"}, {"forgetting": False, "max_new_tokens": 16}
    return {
        "data": str(data),
        "retrieval": retrieval,
        "evaluate": evaluate,
        "columns": columns,
        "split": {"test": 0.25},
    }


def serve_run(run: Run, home: Path) -> TestClient:
    assert run.recipe.retrieval is not None
    documents = Path(run.recipe.retrieval.documents)
    models = ("nano", str(run.folder))
    return TestClient(create_app(Settings(home=home, workers=0, auth=False, models=models, documents=documents)))


def rows_of(run: Run) -> tuple[Prepared, Renderer]:
    session = open_session(run.recipe, run, method_of, Silent())
    return prepared_of(session.source), session.renderer


@dataclass(frozen=True)
class Served:
    """What the service said of one row."""

    prompt: list[int]
    answer: str
    passages: list[dict[str, Any]]
    grounding: dict[str, Any]


def ask(http: TestClient, model: str, rows: Prepared, prompts: list[list[int]], **more: Any) -> list[Served]:
    url = "http://testserver/v1"
    client = OpenAI(api_key="x", base_url=url, http_client=http, max_retries=0, _strict_response_validation=True)
    said = []
    for shown in rows.shown:
        messages: Any = shown.plain.prompt
        answer = client.chat.completions.create(
            model=model, messages=messages, temperature=0, max_tokens=16, extra_body=more
        )
        choice = answer.choices[0]
        facts = (answer.model_extra or {}), (choice.model_extra or {})
        text = choice.message.content or ""
        said.append(Served(prompts.pop(), text, facts[0]["passages"], facts[1]["grounding"]))
    return said


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The prompts that reached the engine, the last one at the end."""
    seen: list[list[int]] = []
    enter = Host.enter

    def spied(host: Host, request: AnswerRequest, **how: Any) -> Any:
        seen.append(request.prompt)
        return enter(host, request, **how)

    monkeypatch.setattr(Host, "enter", spied)
    return seen


def check(said: list[Served], rows: Prepared, renderer: Renderer) -> None:
    """Row by row what the evaluation shows."""
    assert len(said) == len(rows.shown) >= 6
    for served, shown in zip(said, rows.shown, strict=True):
        assert [each["passage"] for each in served.passages] == [passage.id for passage in shown.passages]
        assert [each["text"] for each in served.passages] == [passage.text for passage in shown.passages]
        assert served.prompt == renderer.prompt_ids(shown.row.prompt)


def ids_of(said: list[Served]) -> list[list[str]]:
    return [[each["passage"] for each in served.passages] for served in said]


def ids_by_words(run: Run, rows: Prepared) -> list[list[str]]:
    """What BM25 finds for the same questions."""
    assert run.recipe.retrieval is not None
    found = BM25(read_documents(Path(run.recipe.retrieval.documents), 12))
    return [[hit.passage.id for hit in hits] for hits in found.search([one.question for one in rows.shown], 2)]


def facts_of(said: list[Served], rows: Prepared, run: Run) -> RetrievalFacts:
    """The evaluation's own words about the answers of the service."""
    assert run.recipe.retrieval is not None
    answers = [served.answer for served in said]
    return measure_retrieved(rows.shown, {"base": answers, "tuned": answers}, run.recipe.retrieval, None)


@pytest.mark.parametrize("by", get_args(By))
def test_passages_prompts_and_grounding_are_those_of_the_evaluation(
    tmp_path: Path, prompts: list[list[int]], by: By
) -> None:
    """The service is told nothing: the recipe of the run says how passages are found."""
    run = made_run(tmp_path, **keys_of(tmp_path, by))
    rows, renderer = rows_of(run)
    with serve_run(run, tmp_path / "home") as http:
        said = ask(http, run.name, rows, prompts)
        without = ask_plainly(http, run.name, rows.shown[0].plain.prompt)
    check(said, rows, renderer)
    assert "passages" not in without

    assert (ids_of(said) == ids_by_words(run, rows)) == (by == "bm25"), "the ways to find passages find the same"
    facts = facts_of(said, rows, run)["tuned"]
    for measure in ("k_precision", "bigrams", "supported"):
        values = [served.grounding[measure] for served in said if served.grounding[measure] is not None]
        rate = facts[measure]
        assert (rate["mean"] if rate else None) == (pytest.approx(sum(values) / len(values)) if values else None)
    assert facts["refused"] == sum(served.grounding["refused"] for served in said)


def ask_plainly(http: TestClient, model: str, messages: Any) -> dict[str, Any]:
    """With documents: false, a model that was tuned with passages answers without."""
    body = {"model": model, "messages": messages, "max_tokens": 2, "documents": False}
    return http.post("/v1/chat/completions", json=body).raise_for_status().json()


@pytest.mark.slow
@pytest.mark.parametrize("by", get_args(By))
def test_answers_recall_and_grounding_are_those_of_a_real_tune(
    tmp_path: Path, prompts: list[list[int]], by: By
) -> None:
    recipe = {"base": "nano", "dtype": "float32", "steps": 30, "keep": {"replay": "none"}, **keys_of(tmp_path, by)}
    result = api.tune(recipe, run_root=tmp_path / "runs")
    run = Run.open(result["run"], tmp_path / "runs")
    rows, renderer = rows_of(run)
    with serve_run(run, tmp_path / "home") as http:
        said = ask(http, run.name, rows, prompts)
    check(said, rows, renderer)

    lines = [json.loads(line) for line in (run.folder / "answers.jsonl").read_text().splitlines()]
    assert [served.answer for served in said] == [line["tuned"] for line in lines]
    measured = run.read_json("evaluation.json")["retrieval"]
    facts = facts_of(said, rows, run)
    assert measured["found"] == facts["found"] and measured["tuned"] == facts["tuned"]
