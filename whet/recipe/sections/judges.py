"""Language models as judges: where they are, and the one that compares the answers of base and tuned."""

from __future__ import annotations

from pydantic import Field

from whet.recipe.external import Url
from whet.recipe.strict import Name, Strict


class JudgeAt(Strict):
    """A language model behind any OpenAI-compatible URL that judges, and how it is asked."""

    url: Url = Field(description="As far as /v1, as in http://localhost:8000/v1.")
    model: Name = Field(description="The judge's name there.")
    key: Name | None = Field(default=None, description="Environment variable that holds the API key.")
    seconds: float = Field(default=60.0, gt=0, description="Longest wait for one verdict.")
    retries: int = Field(default=4, ge=0, description="How often a failed request is sent again.")


class PairJudge(JudgeAt):
    """A language model behind any OpenAI-compatible URL says which of two answers is better, asked in both orders."""

    rubric: Name = Field(description="What makes an answer better, in words.")
