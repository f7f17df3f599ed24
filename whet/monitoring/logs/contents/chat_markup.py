"""A prompt as a chat template wrote it, taken apart into messages again: what a server logs that renders prompts.

What people ask is compared with the prompts that a model was trained on; the marks of a template around it would make
all of them look alike, and none of them like those."""

from __future__ import annotations

import re

from whet.types import Message

TURNS = (
    r"<\|im_start\|>(?P<role>\w+)\n(?P<words>.*?)(?:<\|im_end\|>|\Z)",  # ChatML: Qwen, SmolLM, and many
    r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\s*(?P<words>.*?)(?:<\|eo[tm]_id\|>|\Z)",  # Llama 3
    r"<\|header_start\|>(?P<role>\w+)<\|header_end\|>\s*(?P<words>.*?)(?:<\|eot\|>|\Z)",  # Llama 4
    r"<start_of_turn>(?P<role>\w+)\n(?P<words>.*?)(?:<end_of_turn>|\Z)",  # Gemma
    r"<\|start\|>(?P<role>\w+)(?:<\|channel\|>\w+)?<\|message\|>(?P<words>.*?)(?:<\|end\|>|<\|return\|>|\Z)",  # gpt-oss
    r"<\|start_of_role\|>(?P<role>\w+)<\|end_of_role\|>(?P<words>.*?)(?:<\|end_of_text\|>|\Z)",  # Granite
    r"<\|(?P<role>system|user|assistant)\|>\s*(?P<words>.*?)(?:<\|end\|>|</s>|(?=<\|(?:system|user|assistant)\|>)|\Z)",
)
"""One pattern a family of templates that write the role of a turn before it."""
_TURNS = tuple(re.compile(pattern, re.DOTALL) for pattern in TURNS)
_MISTRAL = re.compile(r"\[INST\](?P<asked>.*?)\[/INST\](?P<answered>.*?)(?=\[INST\]|\Z)", re.DOTALL)
_LLAMA_2_SYSTEM = re.compile(r"\s*<<SYS>>\s*(.*?)\s*<</SYS>>\s*", re.DOTALL)
ROLES = {"model": "assistant", "developer": "system", "ipython": "tool"}


def messages_of_prompt(prompt: str) -> list[Message]:
    """The turns of a rendered prompt, without the empty one that the answer was to fill. A prompt without marks that
    are known is what a user said."""
    for pattern in _TURNS:
        turns = [(match["role"], match["words"]) for match in pattern.finditer(prompt)]
        if turns:
            return _without_empty(turns)
    if "[INST]" in prompt:
        return _of_mistral(prompt)
    return [{"role": "user", "content": prompt}] if prompt else []


def _without_empty(turns: list[tuple[str, str]]) -> list[Message]:
    read: list[Message] = [{"role": ROLES.get(role, role), "content": words.strip()} for role, words in turns]
    if read[-1]["role"] == "assistant" and not re.sub(r"</?think>", "", read[-1]["content"]).strip():
        read.pop()
    return read


def _of_mistral(prompt: str) -> list[Message]:
    read: list[Message] = []
    for match in _MISTRAL.finditer(prompt):
        question, answer = match["asked"], match["answered"].removesuffix("</s>").strip()
        system = _LLAMA_2_SYSTEM.match(question)
        if system:
            read.append({"role": "system", "content": system[1]})
            question = question[system.end() :]
        read.append({"role": "user", "content": question.strip()})
        if answer:
            read.append({"role": "assistant", "content": answer})
    return read
