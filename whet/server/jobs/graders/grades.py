"""What a grader says of one answer, with what went wrong, as OpenAI's clients read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FLAGS = (
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
)
DETAILS = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)


@dataclass(slots=True)
class Grade:
    score: float | None
    """None where it could not be told."""
    flag: str | None = None
    """One of FLAGS."""
    why: str = ""
    parts: dict[str, float | None] = field(default_factory=dict)
    """By the name of a part, of a grader that has several."""
    tokens: int = 0
    """Read and written by a model that was asked."""
    model: str | None = None

    def errors(self) -> dict[str, Any]:
        flags: dict[str, Any] = {flag: flag == self.flag for flag in FLAGS}
        details: dict[str, Any] = dict.fromkeys(DETAILS)
        if self.flag is not None and f"{self.flag}_details" in details:
            details[f"{self.flag}_details"] = self.why
        return flags | details
