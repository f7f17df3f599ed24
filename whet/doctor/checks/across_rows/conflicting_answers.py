"""The same input, or nearly the same, has different answers.

Why: the model can be right about one of them at most, so the rest is noise in training and a ceiling on the score: in
ten much-used test sets 3.4% of the labels are wrong, and with that many the better model often seems the worse
(Northcutt et al. 2021, arXiv 2103.14749).

What is compared: inputs with the same system prompt and tools, apart from case, spaces, the punctuation of sentences
and words such as "please" and "the". Short answers (up to 8 words) that differ are a warning. Long answers that differ
are told as well: several good answers are fine where variety is meant. Where the answers are few labels, inputs that
share 70% of their runs of three words are compared too. An input that more than ten rows and 5% of all share is an
instruction and is left out.

Example:
    {"text": "My card was declined.", "label": "card_declined"}
    {"text": "my card was declined", "label": "card_broken"}

Fix: decide which answer is right and remove the others, or put into the input what makes the difference.

Sure: of the texts, yes; nobody can tell from the data which answer is right. Of nearly the same labelled inputs: often;
one word can change the label.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from whet.data.split.clusters import COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE
from whet.doctor.analysis.labels import LabelTally
from whet.doctor.analysis.near_duplicates import NearDuplicates
from whet.doctor.analysis.row_texts import row_texts
from whet.doctor.check import RowCheck
from whet.errors import count
from whet.types import Finding, Row

FILLERS = frozenset("a an the please kindly hi hello hey thanks thank you".split())
_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|\w+|[^\w\s.,;:!?'\"…]")


class ConflictingAnswers(RowCheck):
    code = "conflicting-answers"

    def __init__(self) -> None:
        self.rows = 0
        self.first: dict[bytes, tuple[int, bytes]] = {}
        """Of each input: its first row and that row's answer."""
        self.later: dict[bytes, list[tuple[int, bytes, bool]]] = defaultdict(list)
        """Further rows of an input: index, answer, whether it is short."""
        self.labels, self.kin = LabelTally(), NearDuplicates()

    def inspect(self, row: Row) -> tuple[bytes, bytes, str | None, str] | None:
        """Digests of input and answer; the label and its prompt, where there is one."""
        if row.rejected is not None or row.desirable is not None or not row.prompt:
            return None
        said = row_texts(row)
        return _input(row, said.prompt), said.digest, said.label, "" if said.label is None else said.prompt

    def record(self, index: int, where: str, found: tuple[bytes, bytes, str | None, str]) -> None:
        key, answer, label, prompt = found
        self.rows += 1
        if self.first.setdefault(key, (index, answer))[0] != index:
            self.later[key].append((index, answer, label is not None))
        self.labels.add(index, label)
        if label is not None:
            self.kin.add(Row(index, where, text=prompt))

    def findings(self) -> list[Finding]:
        short, long = self._same_input()
        near = sorted(set(self._near_input()) - set(short))
        fix = "decide which answer is right and remove the others, or put what makes the difference into the input"
        found = []

        if short:
            message = f"{len(short):,} rows have an input in common and different answers {self._places(short)}"
            found.append(self.finding("warning", message, short, fix))

        if near:
            have = f"{count(len(near), 'row')} {'has' if len(near) == 1 else 'have'}"
            message = f"{have} nearly the same input as another row and another label {self._places(near)}"
            found.append(self.finding("info", message, near, fix))

        if long:
            message = f"{len(long):,} rows have an input in common and long answers that differ {self._places(long)}"
            found.append(self.finding("info", message, long, "keep the best one, unless variety is meant"))

        return found

    def _places(self, rows: Sequence[int]) -> str:
        return f"({', '.join(map(self.where_of, rows[:4]))}{', ...' if len(rows) > 4 else ''})"

    def _same_input(self) -> tuple[list[int], list[int]]:
        """Rows with conflicting short answers, and with conflicting long ones."""
        short, long = set[int](), set[int]()
        common = max(COMMON_PROMPT_ROWS, COMMON_PROMPT_SHARE * self.rows)
        for key, later in self.later.items():
            first, answer = self.first[key]
            if len({answer, *(other for _, other, _ in later)}) > 1 and len(later) < common:
                if all(brief for _, _, brief in later):
                    side = short
                else:
                    side = long
                side.update([first, *(index for index, _, _ in later)])

        return sorted(short), sorted(long)

    def _near_input(self) -> list[int]:
        if not self.labels.few:
            return []
        root_L, code_L = self.kin.roots(), self.labels.codes()
        order = np.lexsort((code_L, root_L))
        new = np.r_[True, (root_L[order][1:] != root_L[order][:-1]) | (code_L[order][1:] != code_L[order][:-1])]
        kinds = np.bincount(root_L[order][new], minlength=len(root_L))
        return self.labels.indices()[kinds[root_L] > 1].tolist()


def _input(row: Row, said: str) -> bytes:
    """What the answer may depend on: what is said before it, the rules and the tools."""
    rules = [message.get("content") for message in row.prompt if message["role"] in ("system", "developer")]
    tokens = [token for token in _TOKEN.findall(said.casefold()) if token not in FILLERS] or [said.strip()]
    text = repr((rules, row.tools, tokens))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
