"""The graders of a request, as OpenAI's clients write them. What has no equal here is refused by its name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=256 * 1024)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StringCheck(Spec):
    type: Literal["string_check"]
    name: Name
    input: Text
    reference: Text
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(Spec):
    type: Literal["text_similarity"]
    name: Name
    input: Text
    reference: Text
    evaluation_metric: Literal[
        "fuzzy_match", "bleu", "gleu", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l", "cosine",
        "meteor",
    ]  # fmt: skip


class Python(Spec):
    type: Literal["python"]
    name: Name
    source: Text
    image_tag: str | None = None


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: str
    text: Text | None = None


class Turn(Spec):
    role: Literal["user", "assistant", "system", "developer"]
    content: Text | Part | list[Text | Part]
    type: Literal["message"] | None = None


class Sampling(Spec):
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    max_completions_tokens: Annotated[int, Field(ge=1)] | None = None
    reasoning_effort: str | None = None


class ScoreModel(Spec):
    type: Literal["score_model"]
    name: Name
    model: Name
    input: Annotated[list[Turn], Field(min_length=1, max_length=64)]
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    sampling_params: Sampling | None = None


class LabelModel(BaseModel):
    model_config = ConfigDict(extra="allow")
    type: Literal["label_model"]
    name: Name


SingleGrader = Annotated[StringCheck | TextSimilarity | Python | ScoreModel | LabelModel, Field(discriminator="type")]


class Multi(Spec):
    """`graders` is a dictionary of names, as OpenAI's guides have it, or one grader, as its clients' types have it."""

    type: Literal["multi"]
    name: Name
    graders: dict[str, SingleGrader] | SingleGrader
    calculate_output: Annotated[str, Field(min_length=1, max_length=4096)]

    @property
    def named(self) -> dict[str, Any]:
        if isinstance(self.graders, dict):
            return self.graders
        return {self.graders.name: self.graders}


Grader = Annotated[StringCheck | TextSimilarity | Python | ScoreModel | LabelModel | Multi, Field(discriminator="type")]
