"""Passages in the prompts: which documents, how many, and how the model learns to use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from whet.recipe.file_key import FileKey
from whet.recipe.sections.judges import JudgeAt
from whet.recipe.strict import Name, Strict, refuse_first

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

TEMPLATE = "Use the text to answer.\n\n{passages}\n\n{question}"
"""One of the forms that the bundled base was pre-trained on (nano/tasks_passage.py)."""


def _whole(template: str) -> str:
    if template.count("{passages}") != 1 or "{question}" not in template:
        raise PydanticCustomError("template", "a text with {passages} once, and {question}")
    return template


class SupportJudge(JudgeAt):
    """A language model behind any OpenAI-compatible URL that is asked whether passages support an answer."""


class Retrieval(Strict):
    """Passages in every prompt. Training rows get their own passage among distractors, or distractors alone (RAFT);
    test rows get what the retriever finds."""

    documents: Annotated[Name, FileKey("documents", counts=True)] = Field(
        description="A file or a folder: text, Markdown, HTML, or records with a column of text."
    )
    column: Name | None = Field(default=None, description="The column that holds the text; default: text, content...")
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
    """Raises RecipeError for passages in rows that have no question to look up."""
    method, asked = recipe.method, recipe.retrieval is not None
    refuse_first(method.refuses(recipe, "retrieval", asked, f"method: {method.kind}"), where)
