"""Turns without words: an empty question, an empty earlier answer, an empty system prompt.

Why: a question without words, or a conversation with a hole, teaches to answer nothing in particular; the model makes
up what was asked. Instructions without their input are among the first things that a cleaning of a well-known
instruction set mended (https://github.com/gururise/AlpacaDataCleaned). Rows with an empty question are dropped.

Example:
    {"prompt": "", "completion": "You can return it within 30 days."}

Fix: fill the turn, or let `--fix` leave the rows out.

Sure: yes.
"""

from __future__ import annotations

from whet.data.refused import RowRefused
from whet.doctor.text_checks import ExampleCheck
from whet.types import Row


class EmptyTurn(ExampleCheck):
    code = "empty-turn"
    says = "has|have a turn without words"
    remedy = "fill the turns, or leave the rows out: whet check DATA --fix OUT.jsonl"

    def inspect(self, row: Row) -> str | None:
        for number, message in enumerate(row.messages, start=1):
            content = message.get("content")
            if isinstance(content, str):
                wordless = not content.strip()
            else:
                wordless = not content

            if wordless and not message.get("tool_calls") and message["role"] != "tool":
                return f"message {number} ({message['role']})"

        return None

    def see_refused(self, index: int, refusal: RowRefused) -> None:
        if refusal.code == "empty-text":
            self.record(index, refusal.where, "dropped")

    def drops(self) -> list[int]:
        return self.rows
