"""Tokens to text while they are written: a piece never ends inside a character, or where a stop string may begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNFINISHED = "\ufffd"
"""What a tokenizer gives for the first bytes of a character."""


class TextStream:
    """The text of one answer, token by token. All pieces together are the text of all tokens.

    Some tokenizers write a token in another way at the beginning of a text (SentencePiece drops its space). So each
    token is read after those of the piece before, whose text is taken away again.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self.first, self.known = 0, 0
        """The tokens of the last piece are ids[first:known]."""

    def add(self, token: int) -> str:
        """The text that this token completes; empty within a character."""
        self.ids.append(token)
        before, text = self._before(), self._decode(self.ids[self.first :])
        if len(text) <= len(before) or text.endswith(UNFINISHED):
            return ""
        self.first, self.known = self.known, len(self.ids)
        return text[len(before) :]

    def end(self) -> str:
        """What is left: a character that will not be completed."""
        before, text = self._before(), self._decode(self.ids[self.first :])
        self.first = self.known = len(self.ids)
        return text[len(before) :]

    def _before(self) -> str:
        return self._decode(self.ids[self.first : self.known])

    def _decode(self, ids: list[int]) -> str:
        if not ids:
            return ""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


class StopWatch:
    """Lets text through up to the first stop string, and holds back an end that one may begin with."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = stops
        self.held = ""
        self.found = False

    def add(self, text: str) -> str:
        """The text that is settled now. Nothing comes after `found`."""
        if self.found:
            return ""
        text = self.held + text
        places = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if places:
            self.found, self.held = True, ""
            return text[: min(places)]

        settled = len(text) - self._beginning(text)
        self.held = text[settled:]
        return text[:settled]

    def end(self) -> str:
        """The answer ended: what was held back was no stop string."""
        text, self.held = self.held, ""
        return text

    def _beginning(self, text: str) -> int:
        """Length of the longest end of `text` that a stop string begins with."""
        longest = max([len(stop) - 1 for stop in self.stops], default=0)
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self.stops):
                return length
        return 0
