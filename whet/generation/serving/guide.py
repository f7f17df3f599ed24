"""Which tokens a grammar allows next: answers that are valid JSON, or follow a JSON schema, by construction.

llguidance keeps the grammar's state and works the mask out (microseconds a token); it comes with `whet[server]`.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from whet.errors import InputError

WHITESPACE = r"[\x20\x0A\x0D\x09]{0,20}"
"""Between the parts of a JSON text: enough for indented ones, and no answer of nothing else."""
KEPT = 64
"""Compiled grammars of a tokenizer: a copy of one takes microseconds."""
WHERE, EXTRA = "json_schema", "pip install 'whet[server]'"


class Guide(Protocol):
    """The state of one guided answer."""

    def allowed(self) -> Tensor:
        """Of each token of the tokenizer (bool, on the processor) whether it may come next; stop tokens left out."""
        ...

    def advance(self, token: int) -> None:
        """This token was written."""
        ...

    @property
    def may_end(self) -> bool:
        """May the answer end here?"""
        ...

    @property
    def is_over(self) -> bool:
        """Must it?"""
        ...


class GrammarGuide:
    """A guide of llguidance, for one answer."""

    def __init__(self, matcher: Any, end_ids: list[int]) -> None:
        self.matcher, self.end_ids = matcher, end_ids

    def allowed(self) -> Tensor:
        """A bool for each token of the tokenizer, and up to 31 more that are False."""
        bits = np.unpackbits(np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        bits[self.end_ids] = 0
        return torch.from_numpy(bits.view(np.bool_))

    def advance(self, token: int) -> None:
        self.matcher.consume_token(token)

    @property
    def may_end(self) -> bool:
        return bool(self.matcher.is_accepting()) and not self.matcher.is_error()

    @property
    def is_over(self) -> bool:
        """Also where llguidance gave up (a grammar beyond its limits): then the answer may not end here."""
        return bool(self.matcher.is_stopped())


def json_object_guide(tokenizer: Any) -> GrammarGuide:
    """Any JSON object."""
    return json_schema_guide(tokenizer, {"type": "object"})


def json_schema_guide(tokenizer: Any, schema: Mapping[str, Any]) -> GrammarGuide:
    """JSON texts that the schema allows. Raises InputError for a schema that cannot be held to, with the keyword."""
    grammars = _grammars_of(tokenizer)
    return GrammarGuide(grammars.matcher(json.dumps(schema, sort_keys=False)), grammars.tokens.eos_tokens)


class _Grammars:
    """The tokenizer as llguidance reads it (a tenth of a second to make), and grammars compiled for it."""

    def __init__(self, tokenizer: Any) -> None:
        try:
            import llguidance
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            what = "answers that follow a JSON schema need llguidance, which is not installed"
            raise InputError(what, where=WHERE, fix=EXTRA) from error

        self.library = llguidance
        try:
            self.tokens: Any = from_tokenizer(tokenizer)
        except ValueError as error:
            what = f"llguidance cannot read this tokenizer: {error}"
            raise InputError(what, where=WHERE, fix="ask without a schema") from error
        self.compiled: OrderedDict[str, Any] = OrderedDict()

    def matcher(self, schema: str) -> Any:
        """A fresh matcher of a schema."""
        if schema not in self.compiled:
            self.compiled[schema] = self._compile(schema)
        self.compiled.move_to_end(schema)
        if len(self.compiled) > KEPT:
            self.compiled.popitem(last=False)
        return self.compiled[schema].deep_copy()

    def _compile(self, schema: str) -> Any:
        options: Any = {"whitespace_pattern": WHITESPACE, "whitespace_flexible": True, "lenient": False}
        grammar = self.library.LLMatcher.grammar_from_json_schema(schema, overrides=options)
        if why := self.library.LLMatcher.validate_grammar(grammar, self.tokens):
            raise _not_held(why)
        matcher = self.library.LLMatcher(self.tokens, grammar, log_level=0)
        if matcher.is_error():
            raise _not_held(matcher.get_error())
        return matcher


_grammars: WeakKeyDictionary[Any, _Grammars] = WeakKeyDictionary()


def _grammars_of(tokenizer: Any) -> _Grammars:
    if tokenizer not in _grammars:
        _grammars[tokenizer] = _Grammars(tokenizer)
    return _grammars[tokenizer]


def _not_held(why: str) -> InputError:
    """What llguidance says, with the keywords that it does not know."""
    line = " ".join(why.split())[:300]
    if named := re.search(r"Unimplemented keys: \[(.*?)\]", line):
        keywords = named[1].replace('"', "").split(", ")
        what = f"answers cannot be held to {' and '.join(repr(word) for word in keywords)}"
        return InputError(what, where=WHERE, value=keywords[0], fix="leave it out, and check the answer for it")
    return InputError(f"answers cannot be held to this schema: {line}", where=WHERE, fix="correct or simplify it")
