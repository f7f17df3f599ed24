"""A conversation, or any value of a row, as plain text."""

from __future__ import annotations

import json
from typing import Any


def prompt_text(prompt: Any) -> Any:
    """A conversation as `role: content` paragraphs; a plain prompt as it is."""
    if isinstance(prompt, list) and all(isinstance(turn, dict) for turn in prompt):
        if len(prompt) == 1:
            return prompt[0].get("content")
        return "\n\n".join(f"{turn.get('role', '')}: {plain(turn.get('content'))}" for turn in prompt)
    return prompt


def plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
