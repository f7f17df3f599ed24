"""Text to token ids with exact character positions, and which of the ids are control tokens."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tokenizers import Encoding, Tokenizer

from whet.data.refused import RowRefused
from whet.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NEVER = re.compile(r"(?!)")


SHORT = 64
"""Characters of a text whose ids are remembered: the header before an answer is the same in most rows."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text to tokenise. `framed`: it already holds its own begin token, as a conversation from a template does."""

    text: str
    framed: bool = False


class Tokens:
    """Ids of a text, and the character that each begins at (ascending)."""

    def __init__(self, ids: list[int], starts: list[int] | None = None, encoding: Encoding | None = None) -> None:
        self.ids, self._starts, self._encoding = ids, starts, encoding

    @property
    def starts(self) -> list[int]:
        if self._starts is None:
            assert self._encoding is not None
            self._starts = [start for start, _ in self._encoding.offsets]
        return self._starts

    def start(self, number: int) -> int:
        """The character that token `number` begins at."""
        if self._starts is None and self._encoding:
            found = self._encoding.token_to_chars(number)
        else:
            found = None
        if found is None:
            return self.starts[number]
        return found[0]

    def before(self, place: int) -> int:
        """How many tokens begin before character `place`: bisect_left(starts, place), mostly without starts."""
        if self._starts is None and self._encoding is not None and self.ids:
            if self.start(len(self.ids) - 1) < place:
                return len(self.ids)
            number = self._encoding.char_to_token(place)
            if number and self.start(number) == place and self.start(number - 1) < place:
                return number
        return bisect_left(self.starts, place)


class Encoder:
    """A tokenizer without its post-processor: nothing is added, and offsets keep the white space of a token.

    (GPT-2's post-processor moves the start of ' Hello' to the H, which would hide a token that joins a prompt to an
    answer.) Special tokens written in the text are recognised as always.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise ModelError(
                f"{type(tokenizer).__name__} is not a fast tokenizer, so character positions are unknown",
                fix="use a base with a tokenizer.json",
            )

        self.definition = backend.to_str()
        self._tokenizer = tokenizer
        self._backend = Tokenizer.from_str(self.definition)
        self._backend.post_processor = None  # pyright: ignore[reportAttributeAccessIssue]
        self._backend.no_truncation()
        self._backend.no_padding()

        if tokenizer.bos_token:
            self.bos = str(tokenizer.bos_token)
        else:
            self.bos = None

        if tokenizer.eos_token:
            self.eos = str(tokenizer.eos_token)
        else:
            self.eos = None

        self.bos_id: int | None = tokenizer.bos_token_id  # pyright: ignore[reportAttributeAccessIssue]
        self.eos_id: int | None = tokenizer.eos_token_id  # pyright: ignore[reportAttributeAccessIssue]
        tokens = self._backend.get_added_tokens_decoder()
        self.added = frozenset(tokens)
        self.added_pattern = _any_of(token.content for token in tokens.values())
        self.special = frozenset(token.content for token in tokens.values() if token.special)
        self.special_pattern = _any_of(self.special)
        self._short_ids = lru_cache(maxsize=1024)(self.ids)

    def ids(self, text: str) -> list[int]:
        return self._backend.encode(text, add_special_tokens=False).ids

    def tokens(self, text: str) -> Tokens:
        encoded = self._backend.encode(text, add_special_tokens=False)
        return Tokens(encoded.ids, encoding=encoded)

    def document_ids(self, text: str) -> list[int]:
        """A plain text: with the begin token if the tokenizer adds one, and one end token (when there is any)."""
        before, after = self.frame
        return before + self.ids(text) + after

    def batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts at once, on all cores."""
        return [encoded.ids for encoded in self._backend.encode_batch_fast(texts, add_special_tokens=False)]

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """Ids before and after every document: the tokenizer's own, and the end token if it adds none."""
        whole: list[int] = self._tokenizer("a")["input_ids"]  # pyright: ignore[reportAssignmentType]
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        if self.bos_id is not None and whole[0] == self.bos_id and whole != bare:
            before = [self.bos_id]
        else:
            before = []
        return before, [] if self.eos_id is None else [self.eos_id]

    def tokens_of(self, text: str, answers: Sequence[int]) -> Tokens:
        """Tokens of a text in which the model's answers begin at the given characters.

        Serving tokenises the prompt alone, so an answer must begin where a token begins, after the very ids that the
        prompt has alone. Mostly that is so by itself, and the ids are those of the whole text. Where the end of the
        prompt and the answer would be tokenised together (a newline before a newline), the text is cut there.
        Raises RowRefused `token-straddles` where a tokenizer cannot cut, because it puts a space before every text.
        """
        whole = self.tokens(text)
        cuts = [answer for answer in answers if not self._begins_alone(whole, text, answer)]
        if not cuts:
            return whole

        ids: list[int] = []
        starts: list[int] = []
        for low, high in pairwise([0, *cuts, len(text)]):
            piece = self.tokens(text[low:high])
            ids += piece.ids
            starts += [start + low for start in piece.starts]

        if self._decode(ids) != self._decode(whole.ids):
            raise RowRefused(
                "token-straddles",
                "the end of the prompt and the beginning of the answer are tokenised together",
                value=text[max(0, cuts[0] - 12) : cuts[0] + 12],
                fix="remove white space (a newline above all) from the beginning of the answer",
            )

        return Tokens(ids, starts)

    def _begins_alone(self, tokens: Tokens, text: str, answer: int) -> bool:
        """True when the prompt before `answer` has the same ids alone as it has in the text.

        Tokens before a control token do not depend on what follows it, so only the rest is tokenised again.
        """
        first = tokens.before(answer)
        anchor = first - 1
        while anchor > 0 and tokens.ids[anchor] not in self.added:
            anchor -= 1
        anchor = max(anchor, 0)
        begin = tokens.start(anchor) if anchor else 0
        alone = (self._short_ids if answer - begin <= SHORT else self.ids)(text[begin:answer])

        return alone == tokens.ids[anchor:first]

    def _decode(self, ids: list[int]) -> str:
        return self._backend.decode(ids, skip_special_tokens=False)


def text_arguments(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call with its arguments as JSON text."""
    function = call.get("function", call)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return call
    return {**call, "function": {**function, "arguments": json.dumps(arguments, ensure_ascii=False)}}


def _any_of(strings: Any) -> re.Pattern[str]:
    ordered = sorted(strings, key=len, reverse=True)
    if ordered:
        return re.compile("|".join(re.escape(string) for string in ordered))
    return _NEVER
