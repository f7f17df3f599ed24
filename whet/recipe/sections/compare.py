"""What `whet compare` asks: which arms, how many examples and passages, which documents, which other models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from whet.recipe.external import Url
from whet.recipe.file_key import FileKey
from whet.recipe.strict import Name, Strict

Framing = Literal["zero-shot", "system", "few-shot", "few-shot-nearest", "retrieval"]
"""What stands in a prompt beside the question."""
ArmName = Literal[
    "constant",
    "zero-shot",
    "prompted",
    "system",
    "few-shot",
    "few-shot-nearest",
    "retrieval",
    "tuned",
    "tuned-retrieval",
]
Price = Annotated[float | None, Field(ge=0)]


def _template(text: str) -> str:
    if "{passages}" not in text or "{question}" not in text:
        raise PydanticCustomError("template", "a text with {passages} and {question} in it")
    return text


class RemoteModel(Strict):
    """A model behind any OpenAI-compatible URL, asked the same rows."""

    model: Name = Field(description="Its name there.")
    url: Url = Field(description="As far as /v1, as in http://localhost:8000/v1.")
    key: Name | None = Field(default=None, description="Environment variable that holds the API key.")
    prompt: Framing = Field(default="zero-shot", description="What stands beside the question, as for the base.")
    price_in: Price = Field(default=None, description="Dollars a million tokens of prompts.")
    price_out: Price = Field(default=None, description="Dollars a million tokens of answers.")
    concurrency: int = Field(default=4, ge=1, le=64, description="Requests on their way at the same time.")
    seconds: float = Field(default=60.0, gt=0, description="Longest wait for one answer.")
    retries: int = Field(default=4, ge=0, description="How often a failed request is sent again.")


class Compare(Strict):
    """The rivals of a tune, on the same test rows: prompts, examples, passages, other models (whet compare)."""

    arms: Literal["auto"] | Annotated[list[ArmName], Field(min_length=1)] = Field(
        default="auto", description="auto: all for which there is what they need."
    )
    system: Annotated[Name | None, FileKey("prompt", confined=True, inlined=True, everywhere=True)] = Field(
        default=None, description="Your instruction, or a .txt or .md file beside the recipe, for the untuned arms."
    )
    shots: Annotated[
        list[Annotated[int, Field(ge=1)]],
        BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
        Field(min_length=1, description="Examples in a few-shot prompt; of several, validation rows choose."),
    ] = [3]
    documents: Annotated[Name | None, FileKey("documents", everywhere=True)] = Field(
        default=None, description="File or folder to look answers up in."
    )
    words: int = Field(default=200, ge=8, description="Words of a passage that documents are cut into.")
    encoder: Name | None = Field(
        default=None, description="Sentence encoder that finds passages by meaning; default: by words (BM25)."
    )
    passages: int = Field(default=3, ge=1, description="Passages in a prompt.")
    template: Annotated[str, AfterValidator(_template)] = Field(
        default="{passages}\n\n{question}", description="How passages and the question make a prompt."
    )
    remote: list[RemoteModel] = Field(default_factory=list, description="Models at a URL.")
    margin: float = Field(default=0.02, gt=0, lt=1, description="How much worse than the best is good enough, a share.")
    price_per_hour: Price = Field(default=None, description="Dollars an hour of this machine, for costs.")
