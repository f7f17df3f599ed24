"""The tokenizer of a model folder as a GGUF file tells it: the way back of whet/model/gguf/tokenizer.py.

A GGUF file does not hold the rule by which text is split, only a name of it that llama.cpp knows
(`tokenizer.ggml.pre`; its own converter finds it by a hash over the tokens of one text). Here the rule itself is
compared with those that stand behind the names, and one that is not among them is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whet.errors import ModelError
from whet.model.gguf.tokenizer import BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER
from whet.release.gguf.architecture import USE_MERGED
from whet.release.gguf.splitting import rule_name, space_before
from whet.release.gguf.stored_name import stored_name

MOST_STOPS = 3
"""eos, eot and eom: llama.cpp has no key for more."""
KNOWN_STOPS = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>", "</s>",
    "<|eom_id|>", "<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
}  # fmt: skip
"""Tokens that end an answer in llama.cpp whatever a file says (src/llama-vocab.cpp, special_eog_ids)."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    name: str
    """Of the model: llama.cpp reads a tokenizer by it, too (stored_name.py)."""
    kind: str
    """`gpt2`, BPE over bytes, or `llama`, SentencePiece."""
    tokens: list[str]
    types: list[int]
    scores: list[float] | None
    """Of SentencePiece."""
    merges: list[str] | None
    """Of BPE."""
    keys: dict[str, Any]
    """Under tokenizer.ggml: the rule of splitting, special tokens, what is put around a text."""
    templates: dict[str, str]
    """Chat templates by name; `default` is the plain one."""
    notes: list[str] = field(default_factory=list)


def read_vocabulary(folder: Path, name: str, rows: int, stop_ids: list[int]) -> Vocabulary:
    """`rows` is the height of the embedding; `stop_ids` are the tokens that end an answer.

    Raises ModelError for a tokenizer that llama.cpp would not read in the same way.
    """
    from transformers import AutoTokenizer

    return _Tokenizer(folder, AutoTokenizer.from_pretrained(folder, local_files_only=True), rows, stop_ids).read(name)


class _Tokenizer:
    """A tokenizer of transformers, and what stands in its tokenizer.json."""

    def __init__(self, folder: Path, tokenizer: Any, rows: int, stop_ids: list[int]) -> None:
        self.folder, self.tokenizer, self.rows, self.stop_ids = folder, tokenizer, rows, stop_ids
        self.told: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
        self.model: dict[str, Any] = self.told["model"]
        self.added: dict[int, dict[str, Any]] = {token["id"]: token for token in self.told["added_tokens"]}
        self.ids: dict[str, int] = self.model.get("vocab", {}) if self.model["type"] == "BPE" else {}
        self.notes: list[str] = []

    def read(self, name: str) -> Vocabulary:
        if self.model["type"] != "BPE":
            raise self.refused(f"its tokenizer is of the kind {self.model['type']}, and only BPE is written")

        templates = self.templates()
        merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in self.model["merges"]]
        spelled = self.model.get("byte_fallback", False)
        kind = "llama" if spelled else "gpt2"
        tokens, types = self.tokens(spelled)

        if spelled:
            scores, keys = self.scores(tokens), self.spaces(bool(templates))
        else:
            scores, keys = None, {"pre": self.rule()}

        keys |= self.special() | self.around(templates.get("default", ""))
        named = stored_name(name, self.added.values(), tokens)
        if named is None:
            raise self.refused("some of its tokens swallow the blanks around them, as no model's in llama.cpp do")

        merges = None if spelled else merges
        return Vocabulary(named, kind, tokens, types, scores, merges, keys, templates, self.notes)

    def tokens(self, spelled: bool) -> tuple[list[str], list[int]]:
        """Every token by its id, and what it is; rows of the embedding without one are filled."""
        named = {number: token for token, number in self.ids.items()}
        named |= {number: token["content"] for number, token in self.added.items()}

        if (most := max(named)) >= self.rows:
            what = f"its tokenizer has the token {named[most]!r}, number {most:,}, and its embedding {self.rows:,} rows"
            raise ModelError(what, where=str(self.folder), fix="export the run again; its embedding is cut")

        tokens, types = [], []
        for number in range(self.rows):
            token = named.get(number)
            tokens.append(f"[PAD{number}]" if token is None else self.written(number, token, spelled))
            types.append(UNUSED if token is None else self.type_of(number, token, spelled))

        return tokens, types

    def written(self, number: int, token: str, spelled: bool) -> str:
        """SentencePiece's sign for a space is one only within pieces, not within tokens that are found as they are."""
        if spelled and self.is_user(number):
            return token.replace(SPACE, " ")
        return token

    def is_user(self, number: int) -> bool:
        return number in self.added and not self.added[number]["special"]

    def type_of(self, number: int, token: str, spelled: bool) -> int:
        if token == self.model.get("unk_token"):
            return UNKNOWN
        if number in self.added:
            return USER if self.is_user(number) else CONTROL
        if spelled and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return BYTE
        return NORMAL

    def scores(self, tokens: list[str]) -> list[float]:
        """Of each piece: the earlier it is merged, the higher. Raises ModelError for merges that no score tells."""
        rank: dict[str, int] = {}
        last = ""
        for pair in self.model["merges"]:
            left, right = pair if not isinstance(pair, str) else pair.split(" ", 1)
            if (made := left + right) != last and made in rank:
                raise self.refused(f"its tokenizer makes {made!r} at two places of its merges, which no score tells")
            rank.setdefault(made, len(rank))
            last = made

        return [-1.0 - rank.get(token, len(rank)) for token in tokens]

    def rule(self) -> str:
        """The name of the rule by which text is split. Raises ModelError for one that llama.cpp has not."""
        name, note = rule_name(self.told, bool(self.model.get("ignore_merges")))
        if name is None:
            raise self.refused("llama.cpp knows no rule that splits text as its tokenizer does")
        self.notes += [note] if note else []
        return name

    def spaces(self, chats: bool) -> dict[str, Any]:
        before = space_before(self.told)
        if before is None:
            raise self.refused("its tokenizer changes spaces in a way that llama.cpp does not")

        if before == "first":
            self.notes.append(
                "its tokenizer puts a space before a text at the start alone; in this file none is put, as in a chat, "
                "which begins with a mark"
                if chats
                else "its tokenizer puts a space before a text at the start alone, llama.cpp also behind marks"
            )
            before = "never" if chats else "always"

        return {"pre": "default", "add_space_prefix": before == "always"}

    def special(self) -> dict[str, Any]:
        """Numbers of tokens that mean something, above all those that end an answer."""
        tokenizer, stops = self.tokenizer, list(dict.fromkeys(self.stop_ids))
        if not stops:
            raise self.refused("no token ends its answers (eos_token_id)")

        if tokenizer.eos_token_id in stops:
            stops.sort(key=lambda stop: stop != tokenizer.eos_token_id)
        names = dict(zip(stops, tokenizer.convert_ids_to_tokens(stops), strict=True))

        keyed = [stops[0], *[stop for stop in stops[1:] if names[stop] not in KNOWN_STOPS]]
        if len(keyed) > MOST_STOPS:
            raise self.refused(f"{len(keyed)} tokens end its answers, and llama.cpp can be told of {MOST_STOPS}")

        found = dict(zip(("eos_token_id", "eot_token_id", "eom_token_id"), keyed, strict=False))
        others = {
            "bos_token_id": "bos_token_id",
            "unk_token_id": "unknown_token_id",
            "pad_token_id": "padding_token_id",
        }
        found |= {key: number for name, key in others.items() if (number := getattr(tokenizer, name)) is not None}

        return found

    def around(self, template: str) -> dict[str, Any]:
        """Whether llama.cpp puts the first and the last token around a text.

        It does so in a chat, too, where transformers leaves it to the template: what the template does counts then.
        """
        plain = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer("a", add_special_tokens=True)["input_ids"]

        start = next((n for n in range(len(whole)) if whole[n : n + len(plain)] == plain), None)
        if start is None:
            raise self.refused("its tokenizer changes a text where it puts tokens around it")

        first, last = whole[:start], whole[start + len(plain) :]
        begin, end = first == [self.tokenizer.bos_token_id], last == [self.tokenizer.eos_token_id]
        if (first and not begin) or (last and not end):
            raise self.refused("its tokenizer puts other tokens around a text than begin and end")

        if template and begin and not self.begins(template):
            note = "its tokenizer puts a first token before a plain text; its chat template writes none, so that this"
            self.notes.append(f"{note} file puts none, as in a chat")
            begin = False

        return {"add_bos_token": begin, "add_eos_token": end}

    def begins(self, template: str) -> bool:
        """Whether what the template writes begins with the first token."""
        from whet.data.render.renderer import Renderer

        ids = Renderer(self.tokenizer).prompt_ids([{"role": "user", "content": "a"}])
        return ids[:1] == [self.tokenizer.bos_token_id]

    def templates(self) -> dict[str, str]:
        found = self.tokenizer.chat_template
        if isinstance(found, dict):
            return dict(found)
        if found:
            return {"default": found}
        return {}

    def refused(self, what: str) -> ModelError:
        return ModelError(f"this model is not written as GGUF: {what}", where=str(self.folder), fix=USE_MERGED)
