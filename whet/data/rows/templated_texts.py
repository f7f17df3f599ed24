"""Text that is already written in a chat template, back to turns: believed only where writing the turns again gives
the same text, white space aside.

Learned as it is, such a text would be nested in the base's own template, and no turn would end where the base ends
one. So what cannot be proved is asked about (whet/data/rows/templated_rows.py), and nothing of this kind is learned
without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from whet.data.rows.dialects import (
    ENDS,
    FOREIGN,
    HINTS,
    KNOWN,
    LOOSE,
    LOOSE_HINTS,
    OPEN_END,
    OPEN_LETTER,
    PREAMBLES,
    SPOKEN,
    SPOKEN_HINTS,
    STOP,
    STRONG,
    Dialect,
)
from whet.types import Message

PREAMBLE, INPUT = "preamble", "input"
"""Pieces of a text beside turns: what comes before the first one, and what goes on with a question."""
_MISTRAL_SYSTEM = re.compile(r"\A\[SYSTEM_PROMPT\](.*?)\[/SYSTEM_PROMPT\]\s*(?=\[INST\])", re.DOTALL)
_LLAMA_SYSTEM = re.compile(r"\A\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_LLAMA_DATES = re.compile(r"\ACutting Knowledge Date: \w+ \d{4}\nToday Date: \d{1,2} \w+ \d{4}(?:\n\n|\Z)")
_BEGIN_AGAIN = re.compile(r"<s>\s*(?=\[INST\])")


Part = Literal["whole", "prompt", "answer"]
"""What a text is of a conversation."""
TAIL = 100
"""Characters in which the name of a speaker and white space stand."""


class NotProved(Exception):
    """The text is not what this dialect would write."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A turn, or one of the two that are none. `closed`: its end mark is there."""

    role: str
    words: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Turns:
    """A text as the pieces of one dialect."""

    pieces: list[Piece]

    @property
    def messages(self) -> list[Message]:
        """Without an empty last turn, which only asks for an answer."""
        found: list[Message] = []
        for piece in self.pieces[:-1] if self.asks else self.pieces:
            if piece.role == INPUT:
                found[-1] = {"role": "user", "content": f"{found[-1]['content']}\n\n{piece.words}"}
            elif piece.role != PREAMBLE:
                found.append({"role": piece.role, "content": piece.words})
            elif piece.words not in PREAMBLES:
                found.append({"role": "system", "content": piece.words})

        return found

    @property
    def asks(self) -> bool:
        """Whether the text ends where an answer is to be written."""
        last = self.pieces[-1]
        return last.role == "assistant" and not last.words


def is_marked(text: str, part: Part = "whole") -> bool:
    """Whether a chat template seems to have written this. Of an answer an end token at its end is a sign, too, and of a
    prompt that it ends in the name of who is to speak."""
    if (any(hint in text for hint in HINTS) and STRONG.search(text)) or (part == "answer" and STOP.search(text)):
        return True
    if any(hint in text for hint in LOOSE_HINTS) and LOOSE.search(text):
        return True
    if any(hint in text for hint in SPOKEN_HINTS) and SPOKEN.search(text):
        return True
    if part == "prompt" and OPEN_END.search(text[-TAIL:]):
        return True
    return any(dialect.weak and _opens(text, dialect) for dialect in KNOWN)


def asks_by_letter(text: str) -> bool:
    """Whether a prompt begins a line with Q: and ends in A:, as some people write each and some write a few."""
    return text[-TAIL:].rstrip().endswith(("A:", "a:")) and bool(OPEN_LETTER.search(text))


def _opens(text: str, dialect: Dialect) -> bool:
    """Whether a text of headings begins with the user (after a preamble, where the dialect has one) and has an answer
    or asks for one. "USER:" within a story does not."""
    if dialect.opens["assistant"] not in text:  # far sooner than a pattern, and no ordinary text holds it
        return False
    found = dialect.headers.search(text)
    if found is None or found.lastgroup == "assistant" or (text[: found.start()].strip() and not dialect.preamble):
        return False
    return {"user", "assistant"} <= {match.lastgroup for match in dialect.headers.finditer(text)}


def turns_of(text: str, dialect: Dialect, whole: bool = False) -> Turns:
    """Raises NotProved, saying why, unless the turns written again are the text. `whole`: its last answer must have
    its end mark, if the dialect has one; the answer of a prompt is in a column, which ends it."""
    bare = _bare(text, dialect)
    found = list(dialect.headers.finditer(bare))
    if not found:
        raise NotProved("no turn begins in it")

    pieces: list[Piece] = []
    before = bare[: found[0].start()].strip()
    if before and not dialect.preamble:
        raise NotProved("words come before the first turn")

    pieces += [Piece(PREAMBLE, before, True)] * bool(before)
    ends = [match.start() for match in found[1:]] + [len(bare)]
    for match, end in zip(found, ends, strict=True):
        role, words = str(match.lastgroup), bare[match.end() : end].rstrip()
        closer = dialect.closes.get(role, "")
        closed = words.endswith(closer)
        words = words.removesuffix(closer)

        if not closed and end < len(bare) and not dialect.may_stay_open:
            raise NotProved(f"a turn ({role}) does not end in {closer}")

        if dialect.name == "inst" and not pieces:
            system = _LLAMA_SYSTEM.search(words)
        else:
            system = None

        if system:
            pieces.append(Piece(PREAMBLE, system[1].strip(), True))
            words = words[system.end() :]
        pieces.append(Piece(role, _trimmed(words), closed))

    turns = Turns(pieces)
    _refuse_marks(turns, dialect)
    _refuse_disorder(turns, dialect)
    _refuse_open(turns, dialect, whole, bool(STOP.search(text)))

    if _squeezed(written(turns, dialect)) != _squeezed(bare):
        raise NotProved("written again, the turns give another text")
    if dialect.name == "llama-3":
        return Turns(_without_dates(pieces))
    return turns


def written(turns: Turns, dialect: Dialect) -> str:
    """The turns as the dialect writes them, with a line break around each mark."""
    text, held = "", ""
    for piece in turns.pieces:
        if piece.role == PREAMBLE and dialect.name == "inst":
            held = f"<<SYS>>\n{piece.words}\n<</SYS>>\n\n"
        elif piece.role == PREAMBLE:
            text += f"{piece.words}\n"
        else:
            if piece.closed:
                end = dialect.closes.get(piece.role, "")
            else:
                end = ""

            text += f"{dialect.opens[piece.role]}\n{held}{piece.words}\n{end}\n"
            held = ""

    return text


def _bare(text: str, dialect: Dialect) -> str:
    """Without the tokens that a tokenizer puts around a whole text, and with Mistral's system prompt where Llama 2 has
    it."""
    bare = text.strip()
    begin = next((token for token in dialect.begins if bare.startswith(token)), "")
    bare = bare.removeprefix(begin).lstrip()

    closers = set(dialect.closes.values())
    while end := next((token for token in ENDS if token not in closers and bare.endswith(token)), ""):
        bare = bare.removesuffix(end).rstrip()

    if dialect.name != "inst":
        return bare

    system = _MISTRAL_SYSTEM.search(bare)
    if system:
        bare = bare[system.end() :].replace("[INST]", f"[INST] <<SYS>>{system[1]}<</SYS>>", 1)
    return _BEGIN_AGAIN.sub("", bare)


def _without_dates(pieces: list[Piece]) -> list[Piece]:
    """Without the header that Llama 3's template itself writes into every system turn: the base's own writes it, too,
    and of another base it would be the system prompt."""
    found: list[Piece] = []
    for piece in pieces:
        if piece.role == "system":
            words = _LLAMA_DATES.sub("", piece.words)
        else:
            words = piece.words

        if words or words == piece.words:
            found.append(replace(piece, words=words))

    if not found:
        raise NotProved("it holds no turn but a header of dates")
    return found


def _trimmed(words: str) -> str:
    """Without the line breaks and the one space that marks are set apart with; a first line may be indented."""
    return re.sub(r"\A[\r\n]*(?: (?! ))?", "", words).rstrip()


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _refuse_marks(turns: Turns, dialect: Dialect) -> None:
    for piece in turns.pieces:
        left = dialect.marks.search(piece.words) or FOREIGN.search(piece.words)
        if left:
            raise NotProved(f"a turn ({piece.role}) still holds {left.group().strip()}")
        if is_marked(piece.words):
            raise NotProved(f"a turn ({piece.role}) holds the marks of another template")


def _refuse_disorder(turns: Turns, dialect: Dialect) -> None:
    """User and assistant take turns; what a word that only looks like a mark cuts in two does not. With headings, the
    user is first: a heading that is not known would otherwise be words of the system prompt."""
    roles = [piece.role for piece in turns.pieces if piece.role != PREAMBLE]
    for place, role in enumerate(roles):
        before = roles[place - 1] if place else ""
        allowed = {
            "system": ("",),
            "user": ("", "system", "assistant"),
            INPUT: ("user",),
            "assistant": ("user", INPUT, "tool") if dialect.weak else ("", "system", "user", INPUT, "tool"),
            "tool": ("assistant", "tool"),
        }[role]
        if before not in allowed:
            raise NotProved(f"a turn of {role} follows one of {before or 'nobody'}")


def _refuse_open(turns: Turns, dialect: Dialect, whole: bool, stopped: bool) -> None:
    """An answer without its end mark may be cut off, or may quote the mark that begins a turn. `stopped`: the text ends
    in an end token of any template."""
    last, mark = turns.pieces[-1], dialect.closes.get("assistant")
    if not mark:
        return
    counts = whole and (last.closed or not stopped)

    seen = [p for p in turns.pieces if p.role == "assistant" and p.words and (counts or p is not last)]
    if dialect.may_stay_open and any(p.closed for p in seen) and not all(p.closed for p in seen):
        raise NotProved(f"some of its answers end in {mark}, and others do not")
    if counts and last in seen and not last.closed and not dialect.may_stay_open:
        raise NotProved(f"its last answer does not end in {mark} and may be cut off")
