"""Which prompts become golden: what the task asks, and what chat templates are known to go wrong on.

Rows are validation rows, never test rows: what is proved on must not be what is measured on. A prompt that the template
refuses (a system prompt, tools) is left out, and another of the task takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from whet.data.refused import RowRefused
from whet.data.render.renderer import Renderer
from whet.release.golden import GoldenPrompt, PromptKind
from whet.types import Message, Row

PROMPTS = 24
PLAN: dict[PromptKind, int] = {
    "longest": 1,
    "shortest": 1,
    "tools": 2,
    "empty-system": 2,
    "no-system": 2,
    "system": 3,
    "two-turns": 3,
    "unicode": 2,
    "task": PROMPTS,  # whatever is left
}
LONGEST = 256
"""Most tokens of the longest prompt: reading it costs time at the end of every run."""
SYSTEMS = (
    "You answer in one short sentence.",
    "You are a careful clerk.\nSay what you know; say when you do not.",
    "Answer in French.",
)
QUESTIONS = (
    "What is the capital of Norway?",
    "Write the numbers from one to five.",
    "Where can I change my password?",
    "Name a colour and an animal.",
    "My parcel has not come. What now?",
    "Is 17 a prime number?",
    "Give a word that rhymes with house.",
    "Please translate: good morning.",
)
UNICODE = (
    "Grüße aus Łódź: was kostet “das hier” – 5 €? 你好, मुंबई, שלום 🚀",
    "cafe\u0301 ﬁancé Ⅷ ½ \u00a0 naïve 👩‍👩‍👧 Ω≈ç√ ¿por qué?",
)
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "find_order",
            "description": "Looks an order up by its number.",
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "string", "description": "The number of the order."}},
                "required": ["number"],
            },
        },
    }
]
ANSWERED = "I see."


def conversations(renderer: Renderer, rows: Sequence[Row], room: int) -> list[GoldenPrompt]:
    """24 prompts of at most `room` tokens, fewer only where the rows and the template give no more; each another one.
    `rows` may be none."""
    asked = [row for row in rows if row.prompt]
    questions = _questions(asked)
    makers = {
        "task": ((row.prompt, row.tools) for row in asked),
        "no-system": (([_user(words)], None) for words in reversed(questions)),
        "system": (([_system(text), _user(words)], None) for text, words in zip(SYSTEMS, questions, strict=False)),
        "empty-system": (([_system(""), _user(words)], None) for words in questions),
        "two-turns": ((_two_turns(asked, questions, number), None) for number in range(len(questions))),
        "tools": (([_user(words)], TOOLS) for words in ("Where is order 48213?", questions[0])),
        "unicode": (([_user(words)], None) for words in UNICODE),
        "longest": iter([(_longest(renderer, questions, min(room, LONGEST)), None)]),
        "shortest": iter([([_user("a")], None)]),
    }

    taken: dict[tuple[int, ...], GoldenPrompt] = {}
    for kind, number in PLAN.items():
        _take(taken, _rendered(renderer, kind, makers[kind], room), min(PROMPTS, len(taken) + number))

    for words in QUESTIONS:  # rows that are few, or none
        _take(taken, _rendered(renderer, "no-system", iter([([_user(words)], None)]), room), PROMPTS)
    return list(taken.values())


def texts(renderer: Renderer, passages: Sequence[str], room: int) -> list[GoldenPrompt]:
    """The same for a model without a chat template: texts that go on, each cut to at most `room` tokens."""
    found = {}
    for text in [*passages, *QUESTIONS]:
        ids = list(renderer.tokenizer(text)["input_ids"])  # as every consumer reads a plain text
        if ids and len(ids) <= room:
            found.setdefault(tuple(ids), GoldenPrompt("text", text, ids))
    return list(found.values())[:PROMPTS]


def _take(taken: dict[tuple[int, ...], GoldenPrompt], prompts: Iterator[GoldenPrompt], upto: int) -> None:
    while len(taken) < upto and (prompt := next(prompts, None)):
        taken.setdefault(tuple(prompt.ids), prompt)


Conversation = tuple[list[Message], list[dict[str, Any]] | None]


def _rendered(renderer: Renderer, kind: PromptKind, made: Iterator[Conversation], room: int) -> Iterator[GoldenPrompt]:
    for messages, tools in made:
        try:
            text = renderer.prompt_text(messages, tools)
            ids = renderer.prompt_ids(messages, tools)
            if tools and ids == renderer.prompt_ids(messages, None):
                continue  # the template knows no tools
        except RowRefused:
            continue

        if ids and len(ids) <= room:
            plain = [{key: value for key, value in one.items() if key != "weight"} for one in messages]
            yield GoldenPrompt(kind, text, ids, plain, tools)


def _questions(rows: Sequence[Row]) -> list[str]:
    """Last words of users, of the task first."""
    found = []
    for row in rows:
        last = next((one for one in reversed(row.prompt) if one["role"] == "user"), None)
        if last and isinstance(last.get("content"), str) and last["content"].strip():
            found.append(last["content"])
    half = len(QUESTIONS) // 2
    return list(dict.fromkeys([*found[:half], *QUESTIONS]))


def _two_turns(rows: Sequence[Row], questions: Sequence[str], number: int) -> list[Message]:
    if rows:
        said = rows[number % len(rows)].reference
    else:
        said = ""
    answer = {"role": "assistant", "content": said or ANSWERED}
    return [_user(questions[number]), answer, _user(questions[(number + 1) % len(questions)])]


def _longest(renderer: Renderer, questions: Sequence[str], room: int) -> list[Message]:
    """As many words of the questions, again and again, as fit into `room` tokens."""
    words = " ".join(questions).split()
    low, high = 1, room
    while low < high:
        middle = (low + high + 1) // 2
        if _tokens(renderer, _repeated(words, middle)) <= room:
            low = middle
        else:
            high = middle - 1

    return [_user(_repeated(words, low))]


def _repeated(words: Sequence[str], number: int) -> str:
    return " ".join(words[at % len(words)] for at in range(number))


def _tokens(renderer: Renderer, text: str) -> int:
    return len(renderer.prompt_ids([_user(text)], None))


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _system(text: str) -> Message:
    return {"role": "system", "content": text}
