"""Names of the chat templates that texts may already be written in; whet/data/rows/dialects.py knows how each is
written."""

from __future__ import annotations

from typing import Literal, get_args

Dialect = Literal[
    "alpaca",
    "chatml",
    "command-r",
    "deepseek",
    "gemma",
    "glm",
    "granite",
    "guanaco",
    "headings",
    "human-ai",
    "inst",
    "kimi",
    "llama-3",
    "llama-4",
    "oig",
    "openchat",
    "phi-3",
    "phi-4",
    "questions",
    "stablelm",
    "transcript",
    "tulu",
    "user-transcript",
    "vicuna",
    "zephyr",
]
DIALECTS: tuple[str, ...] = get_args(Dialect)
