"""Passages in the prompts: which documents, how many, and how the model learns to use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from whet.recipe.external import Url
from whet.recipe.file_key import FileKey
from whet.recipe.sections.judges import JudgeAt
from whet.recipe.strict import Conflict, Name, Strict, refuse_first

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

TEMPLATE = "Use the text to answer.\n\n{passages}\n\n{question}"
"""One of the forms that the bundled base was pre-trained on (nano/tasks_passage.py)."""


def _whole(template: str) -> str:
    if template.count("{passages}") != 1 or "{question}" not in template:
        raise PydanticCustomError("template", "a text with {passages} once, and {question}")
    return template


By = Literal["bm25", "dense", "both"]
"""How passages are found: by shared words, by the nearness of vectors, or by the ranks of both joined."""


class EncoderAt(Strict):
    """Where an encoder is asked for vectors: any OpenAI-compatible URL with /v1/embeddings."""

    model_config = ConfigDict(frozen=True)

    url: Url = Field(description="As far as /v1, as in http://localhost:8000/v1.")
    key: Name | None = Field(default=None, description="Environment variable that holds the API key.")
    seconds: float = Field(default=60.0, gt=0, description="Longest wait for one answer.")
    retries: int = Field(default=4, ge=0, description="How often a failed request is sent again.")


class SupportJudge(JudgeAt):
    """A language model behind any OpenAI-compatible URL that is asked whether passages support an answer."""


class Retrieval(Strict):
    """Passages in every prompt. Training rows get their own passage among distractors, or distractors alone (RAFT);
    test rows get what the retriever finds."""

    documents: Annotated[Name, FileKey("documents", counts=True)] = Field(
        description="A file or a folder: text, Markdown, HTML, or records with a column of text."
    )
    column: Name | None = Field(default=None, description="The column that holds the text; default: text, content...")
    by: By = Field(
        default="bm25",
        exclude_if=lambda by: by == "bm25",
        description="How passages are found: by words, by vectors (dense), or by both.",
    )
    encoder: Annotated[Name | None, FileKey("encoder", counts=True)] = Field(
        default=None,
        exclude_if=lambda name: name is None,
        description="Sentence encoder for dense and both: a folder, a model of the Hub, or its name at encoder_at.",
    )
    encoder_at: EncoderAt | None = Field(
        default=None, exclude_if=lambda at: at is None, description="Where the encoder answers, if it is not here."
    )
    words: int = Field(default=200, ge=8, description="Longest passage, in words.")
    passages: int = Field(default=3, ge=1, description="Passages in a prompt.")
    oracle_share: float = Field(
        default=0.8, ge=0, le=1, description="Share of the training rows that see the passage with their answer."
    )
    refusal: Name | None = Field(
        default=None,
        description="What is learned where that passage is left out; default: the row's own answer, as RAFT does.",
    )
    template: Annotated[Name, AfterValidator(_whole)] = Field(
        default=TEMPLATE, description="How {passages} and {question} stand in the prompt."
    )
    judge: SupportJudge | None = Field(default=None, description="Says whether passages support the answers.")


def refuse_retrieval_contradictions(recipe: Recipe, where: str) -> None:
    """Raises RecipeError for passages in rows that have no question to look up, and for vectors without an encoder."""
    method, asked = recipe.method, recipe.retrieval is not None
    refuse_first(method.refuses(recipe, "retrieval", asked, f"method: {method.kind}"), where)
    if recipe.retrieval is not None:
        refuse_first(_encoder_conflicts(recipe.retrieval), where)


def _encoder_conflicts(asked: Retrieval) -> list[Conflict]:
    return [
        (
            asked.by != "bm25" and asked.encoder is None,
            "passages are to be found by vectors, and no encoder is named that would make them",
            f"retrieval.by: {asked.by}",
            "name one in retrieval.encoder, or leave retrieval.by out: BM25 needs none",
        ),
        (
            asked.by == "bm25" and asked.encoder is not None,
            "an encoder is named, and passages are found by words alone",
            f"retrieval.encoder: {asked.encoder}",
            "set retrieval.by: dense or both, or leave the encoder out",
        ),
        (
            asked.encoder_at is not None and asked.encoder is None,
            "a URL is given, and not which of its encoders is meant",
            f"retrieval.encoder_at: {asked.encoder_at.url if asked.encoder_at else None}",
            "name the model in retrieval.encoder",
        ),
    ]
