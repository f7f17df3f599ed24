"""Who speaks: the names that dialects give to the roles, those that a recipe gives, and a guess for unknown ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from whet.errors import count

ROLES = ("system", "developer", "user", "assistant", "tool", "functions")
DIALECT = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "tool-call",
    "tool_call": "tool-call",
    "tool-call": "tool-call",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function": "tool",
}
GUESSES = {
    **dict.fromkeys("prompter asker customer client student patient person human instruction question".split(), "user"),
    **dict.fromkeys("bard bing claude gemini llama mistral llm ai agent response answer reply".split(), "assistant"),
    **dict.fromkeys("chatbot chat gpt-3 gpt-4 gpt-3.5 completion output teacher doctor helper".split(), "assistant"),
    **dict.fromkeys("context background persona system_prompt sys".split(), "system"),
    **dict.fromkeys("tool_result result ipython environment api".split(), "tool"),
}
"""What a name most probably means, for the fix of a message. No row is read by it."""


def setting_for(speakers: list[Any]) -> str:
    """The recipe's line that would let all these names be read; `speakers` are those of a conversation, in order."""
    guessed: dict[str, str] = {}
    before = ""
    for speaker in speakers:
        name = str(speaker)
        role = DIALECT.get(name, name)
        if role not in (*ROLES, "tool-call"):
            role = guessed.setdefault(name, _guess(name, before))
        before = role

    pairs = []
    for name, role in guessed.items():
        key = name if name.isidentifier() else json.dumps(name)
        pairs.append(f"{key}: {role}")
    return f"columns: {{roles: {{{', '.join(pairs)}}}}}"


def _guess(name: str, before: str) -> str:
    plain = name.strip().lower()
    known = DIALECT.get(plain, plain)
    if known in ROLES[:5]:
        return known
    if plain in GUESSES:
        return GUESSES[plain]
    return "assistant" if before == "user" else "user"


def with_roles(value: Mapping[str, Any], columns: Iterable[str], roles: Mapping[str, str]) -> Mapping[str, Any]:
    """The row with the recipe's roles in the place of its own names; only in the columns that hold messages."""
    if not roles:
        return value

    row = dict(value)
    for name in columns:
        if name in value:
            row[name] = _rename(value[name], roles)
    return row


def _rename(held: Any, roles: Mapping[str, str]) -> Any:
    if isinstance(held, str) and held.lstrip().startswith("["):
        try:
            return _rename(json.loads(held), roles)
        except ValueError:
            return held  # whoever reads it says what is wrong

    if isinstance(held, list):
        turns = []
        for turn in held:
            turns.append(_rename(turn, roles) if isinstance(turn, Mapping) else turn)
        return turns

    if not isinstance(held, Mapping):
        return held
    if "messages" in held:
        return {**held, "messages": _rename(held["messages"], roles)}
    named = {key: roles[str(held[key])] for key in ("role", "from") if _known(held.get(key), roles)}

    return {**held, **named}


def _known(name: Any, roles: Mapping[str, str]) -> bool:
    """A number is named by its digits: columns of classes hold them."""
    return isinstance(name, str | int) and str(name) in roles


def _spoken(speaker: str, text: str) -> bool:
    """Whether JSON holds this name, written either way; or the number."""
    forms = (json.dumps(speaker, ensure_ascii=False), json.dumps(speaker))
    return any(form in text for form in forms) or (speaker.isdecimal() and f": {speaker}" in text)


class Roles:
    """Which of the recipe's names the rows hold: one that none holds is a typing mistake, most probably."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self._missing = dict(known)
        self._seen = 0

    def see(self, value: Any, columns: Mapping[str, str]) -> None:
        self._seen += 1
        if self._missing and isinstance(value, Mapping):
            for name in columns.values():
                held = value.get(name)
                text = held if isinstance(held, str) else json.dumps(held, default=str, ensure_ascii=False)
                for speaker in list(self._missing):
                    if _spoken(speaker, text):
                        del self._missing[speaker]

    def notes(self) -> list[str]:
        """A sentence for each name that no row holds."""
        rows = count(self._seen, "row")
        return [f"columns.roles names {name!r}, and none of {rows} has such a speaker." for name in self._missing]
