"""Rows made by hand for the checks."""

from __future__ import annotations

from whet.types import Row


def pair(index: int, prompt: str, chosen: str, rejected: str) -> Row:
    asked = {"role": "user", "content": prompt}
    sides = [[asked, {"role": "assistant", "content": words}] for words in (chosen, rejected)]
    return Row(index, f"pairs.jsonl:{index + 1}", sides[0], rejected=sides[1])


def mark(index: int, prompt: str, answer: str, desirable: bool) -> Row:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return Row(index, f"marks.jsonl:{index + 1}", messages, desirable=desirable, label="good" if desirable else "bad")


def answered(index: int, prompt: str, answer: str) -> Row:
    return Row(index, f"x:{index}", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}])
