"""How answers that the model writes itself are scored: one class a reward. The code is in whet/rewards/."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from whet.recipe.external import FunctionPlace, Pattern
from whet.recipe.file_key import FileKey
from whet.recipe.sections.judges import JudgeAt
from whet.recipe.strict import Name, Strict

Weight = Annotated[float, Field(description="What it counts for in the sum of all rewards.")]


class Exact(Strict):
    """1 where the answer is the row's reference answer, apart from case, spaces and a final period; else 0."""

    kind: Literal["exact"] = "exact"
    weight: Weight = 1.0
    part: Literal["answer", "final"] = Field(
        default="answer", description="final: only the results after the last #### are compared, as in GSM8K."
    )


class Regex(Strict):
    """1 where the pattern is found in the answer, else 0."""

    kind: Literal["regex"] = "regex"
    weight: Weight = 1.0
    pattern: Pattern = Field(description="A regular expression of Python; ^ and $ are the ends of the answer.")


class JsonObject(Strict):
    """0 for what is not a JSON object (of the given schema); else how well it matches the reference."""

    kind: Literal["json"] = "json"
    weight: Weight = 1.0
    match: Literal["exact", "fields", "none"] = Field(
        default="exact",
        description="exact: 1 for the same object; fields: F1 over fields; none: 1 for any that is valid.",
    )
    schema_file: Annotated[Name | None, FileKey("schema", confined=True)] = Field(
        default=None, description="A JSON Schema, in a file beside the recipe."
    )


class UnitTests(Strict):
    """1 where the row's Python tests pass on the answer's code, in processes without network; else 0."""

    kind: Literal["tests"] = "tests"
    weight: Weight = 1.0
    column: Name = Field(default="tests", description="The column of the data that holds the test code.")
    seconds: float = Field(default=5.0, gt=0, le=600, description="Longest time of one answer.")
    memory_mb: int = Field(default=512, ge=64, description="Most memory of one answer, in megabytes.")
    as_root: bool = Field(
        default=False,
        description="Root may run answers where a seccomp filter alone holds them (no rule can decide it).",
    )


class Length(Strict):
    """1 for an answer of at most `most` characters, then falling to 0 at twice as many."""

    kind: Literal["length"] = "length"
    weight: Weight = 1.0
    most: int = Field(ge=1, description="Characters that an answer may have.")


class Function(Strict):
    """A Python function of yours: `def reward(prompts, answers, rows)` returns one number an answer."""

    kind: Literal["function"] = "function"
    weight: Weight = 1.0
    function: Annotated[FunctionPlace, FileKey("code", confined=True)] = Field(
        description="`file.py:name`; the file stands beside the recipe or in a folder there."
    )


class Judge(JudgeAt):
    """A language model behind any OpenAI-compatible URL gives 0 to 10 points; they count as 0 to 1."""

    kind: Literal["judge"] = "judge"
    weight: Weight = 1.0
    question: Name = Field(description="What makes an answer good, in words.")


class LearnedReward(Strict):
    """What a reward model of yours, a run with method: reward, says of the answer."""

    kind: Literal["model"] = "model"
    weight: Weight = 1.0
    model: Annotated[Name, FileKey("model")] = Field(description="The folder of the run, or its model/ folder.")


AnyReward = Annotated[
    Exact | Regex | JsonObject | UnitTests | Length | Function | Judge | LearnedReward,
    Field(discriminator="kind"),
]


def _as_list(value: Any) -> Any:
    """`rewards: exact` means `rewards: [{kind: exact}]`."""
    if isinstance(value, list):
        items = value
    else:
        items = [value]
    return [{"kind": item} if isinstance(item, str) else item for item in items]


SomeRewards = Annotated[list[AnyReward], BeforeValidator(_as_list), Field(min_length=1)]
