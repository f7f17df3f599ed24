"""Chat templates that people write into their rows before training, as data: how each opens and closes a turn.

A row in one of these is a conversation in disguise. Learned as it is, its marks would be nested in the base's own
template, and the answer's end would not be the base's. whet/data/rows/templated_texts.py reads them.

The spellings are those of the models' own chat templates and of the data sets that made them known: ChatML (OpenAI,
Qwen), Llama 2 to 4, Mistral, Gemma, Phi, Zephyr, Tulu, GLM, DeepSeek, Command R, Granite, Kimi, OpenChat, Alpaca
(github.com/tatsu-lab/stanford_alpaca), Guanaco (timdettmers/openassistant-guanaco), Vicuna (FastChat), Anthropic's HH.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from whet.recipe.dialects import DIALECTS as NAMES

PREAMBLES = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.",
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
)
"""Alpaca's two: they belong to the template, not to the row."""
ENDS = ("</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "<|eot_id|>", "<|im_end|>")
"""End tokens that people put behind the last answer, whatever the template."""
BEGINS = (
    *("<s>", "<bos>", "<BOS_TOKEN>", "<|begin_of_text|>", "<|endoftext|>", "<|startoftext|>"),
    "<｜begin▁of▁sentence｜>",
)
SPEAKER = re.compile(r"\n\n(Human|Assistant):")
"""Anthropic's transcripts, which preference rows are read from without being told (whet/data/rows/preferences.py)."""


@dataclass(frozen=True)
class Dialect:
    """One way to write a conversation as a text."""

    name: str
    """As in the recipe."""
    title: str
    opens: Mapping[str, str]
    """What begins a turn of each role (`input` continues a user's turn)."""
    closes: Mapping[str, str]
    """What ends it; a role that is not named here has no end mark."""
    own: str
    """Pattern of the dialect's marks, none of which may be left in a turn's words."""
    begins: tuple[str, ...] = BEGINS
    preamble: bool = False
    """Whether words before the first turn are the system prompt."""
    weak: bool = False
    """Headings that ordinary text may hold, too: a text is in this dialect only if it opens with a turn of the user
    and holds one of the assistant."""
    lines: bool = False
    """Whether a turn must begin a line."""
    may_stay_open: bool = False
    """Whether an answer may lack its end mark though the conversation goes on."""

    @cached_property
    def headers(self) -> re.Pattern[str]:
        """What begins a turn; the group that matched is the role."""
        roles = sorted(self.opens, key=lambda role: -len(self.opens[role]))
        spelled = "|".join(f"(?P<{role}>{re.escape(self.opens[role])}{_ending(self.opens[role])})" for role in roles)

        if self.lines:
            before = r"(?:^|(?<=\n))[ \t]*"
        elif self.opens["user"][0].isalnum():
            before = r"\b"
        else:
            before = ""

        return re.compile(f"{before}(?:{spelled})")

    @cached_property
    def marks(self) -> re.Pattern[str]:
        return re.compile(self.own)


def _ending(opening: str) -> str:
    """A role's name must end where it ends: `<|im_start|>user` does not begin `<|im_start|>user_2`."""
    return r"(?!\w)" if opening[-1].isalnum() else ""


def _closed(roles: Mapping[str, str], end: str) -> dict[str, str]:
    return dict.fromkeys(roles, end)


def _around(before: str, after: str, assistant: str = "assistant", tool: str = "tool") -> dict[str, str]:
    names = {"system": "system", "user": "user", "assistant": assistant, "tool": tool}
    return {role: f"{before}{name}{after}" for role, name in names.items()}


CHATML = _around("<|im_start|>", "")
LLAMA3 = _around("<|start_header_id|>", "<|end_header_id|>", tool="ipython")
LLAMA4 = _around("<|header_start|>", "<|header_end|>", tool="ipython")
GEMMA = {"user": "<start_of_turn>user", "assistant": "<start_of_turn>model", "system": "<start_of_turn>system"}
NAMED = _around("<|", "|>")
COHERE = {
    role: f"<|START_OF_TURN_TOKEN|><|{name}_TOKEN|>"
    for role, name in (("system", "SYSTEM"), ("user", "USER"), ("assistant", "CHATBOT"))
}
KIMI = {role: f"<|im_{role}|>{role}<|im_middle|>" for role in ("system", "user", "assistant")}
GRANITE = _around("<|start_of_role|>", "<|end_of_role|>")
OPENCHAT = {"user": "GPT4 Correct User:", "assistant": "GPT4 Correct Assistant:", "system": "GPT4 Correct System:"}
STOPPED = {"assistant": "</s>"}
"""Of templates of the time of Llama 1, where people write it or leave it out."""
HEADINGS = (
    r"### (?:System|Human|User|Assistant|Instruction|Input|Context|Question|Answer|Response):|</s>|<\|endoftext\|>"
)
SPEAKERS = r"(?m)^\s*(?:System|Human|User|Assistant|AI|Bot):|</s>|<\|endoftext\|>"
"""Also those of dialects like it, which would otherwise be swallowed by the turn before."""
IM = r"<\|im_\w+\|>"
NAMED_MARKS = r"<\|(?:system|user|assistant|tool|end|endoftext|observation)\|>|</s>|<s>"


def _headings(
    name: str, title: str, opens: Mapping[str, str], own: str, preamble: bool = False, lines: bool = False
) -> Dialect:
    """Of the time of Llama 1: words that ordinary text may hold, too, and an end mark that people leave out."""
    return Dialect(name, title, opens, STOPPED, own, BEGINS, preamble, weak=True, lines=lines, may_stay_open=True)


KNOWN = (
    Dialect("phi-4", "Phi-4's template", _around("<|im_start|>", "<|im_sep|>"), _closed(CHATML, "<|im_end|>"), IM),
    Dialect("chatml", "ChatML", CHATML, _closed(CHATML, "<|im_end|>"), IM),
    Dialect(
        "llama-3",
        "Llama 3's template",
        LLAMA3,
        _closed(LLAMA3, "<|eot_id|>"),
        r"<\|(?:start_header_id|end_header_id|eot_id|eom_id|python_tag)\|>",
    ),
    Dialect(
        "llama-4",
        "Llama 4's template",
        LLAMA4,
        _closed(LLAMA4, "<|eot|>"),
        r"<\|(?:header_start|header_end|eot|eom)\|>",
    ),
    Dialect(
        "inst",
        "the template of Llama 2 and Mistral",
        {"user": "[INST]", "assistant": "[/INST]"},
        {"assistant": "</s>"},
        r"\[/?INST\]|<</?SYS>>|</?s>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",
        may_stay_open=True,
    ),
    Dialect("gemma", "Gemma's template", GEMMA, _closed(GEMMA, "<end_of_turn>"), "<(?:start|end)_of_turn>"),
    Dialect("phi-3", "Phi-3's template", NAMED, _closed(NAMED, "<|end|>"), NAMED_MARKS),
    Dialect("zephyr", "Zephyr's template", NAMED, _closed(NAMED, "</s>"), NAMED_MARKS),
    Dialect("tulu", "Tulu's template", NAMED, {"assistant": "<|endoftext|>"}, NAMED_MARKS),
    Dialect("stablelm", "StableLM's template", NAMED, _closed(NAMED, "<|endoftext|>"), NAMED_MARKS),
    Dialect("glm", "GLM's template", NAMED, {}, NAMED_MARKS, begins=("[gMASK]<sop>", "[gMASK] <sop>", *BEGINS)),
    Dialect(
        "deepseek",
        "DeepSeek's template",
        {"user": "<｜User｜>", "assistant": "<｜Assistant｜>"},
        {"assistant": "<｜end▁of▁sentence｜>"},
        "<｜[^｜]+｜>",
        preamble=True,
    ),
    Dialect(
        "command-r",
        "Command R's template",
        COHERE,
        _closed(COHERE, "<|END_OF_TURN_TOKEN|>"),
        r"<\|[A-Z_]+_TOKEN\|>",
    ),
    Dialect(
        "granite",
        "Granite's template",
        GRANITE,
        _closed(GRANITE, "<|end_of_text|>"),
        r"<\|(?:start_of_role|end_of_role|end_of_text)\|>",
    ),
    Dialect("kimi", "Kimi's template", KIMI, _closed(KIMI, "<|im_end|>"), IM),
    Dialect(
        "openchat",
        "OpenChat's template",
        OPENCHAT,
        _closed(OPENCHAT, "<|end_of_turn|>"),
        r"<\|end_of_turn\|>|GPT4 Correct \w+:",
    ),
    _headings(
        "alpaca",
        "Alpaca's template",
        {"system": "### System:", "user": "### Instruction:", "input": "### Input:", "assistant": "### Response:"},
        HEADINGS,
        preamble=True,
    ),
    _headings(
        "questions",
        "headings (### Question:, ### Answer:)",
        {"system": "### System:", "user": "### Question:", "input": "### Context:", "assistant": "### Answer:"},
        HEADINGS,
        preamble=True,
    ),
    _headings(
        "oig",
        "the form of OIG (<human>:, <bot>:)",
        {"user": "<human>:", "assistant": "<bot>:"},
        r"<(?:human|bot)>:|</s>|<\|endoftext\|>",
    ),
    _headings(
        "guanaco",
        "Guanaco's template",
        {"system": "### System:", "user": "### Human:", "assistant": "### Assistant:"},
        HEADINGS,
        preamble=True,
    ),
    _headings(
        "headings",
        "headings (### User:, ### Assistant:)",
        {"system": "### System:", "user": "### User:", "assistant": "### Assistant:"},
        HEADINGS,
        preamble=True,
    ),
    _headings(
        "vicuna",
        "Vicuna's template",
        {"system": "SYSTEM:", "user": "USER:", "assistant": "ASSISTANT:"},
        r"\b(?:SYSTEM|USER|ASSISTANT):|</?s>",
        preamble=True,
    ),
    _headings(
        "transcript",
        "a transcript (Human:, Assistant:)",
        {"user": "Human:", "assistant": "Assistant:"},
        SPEAKERS,
        lines=True,
    ),
    _headings(
        "human-ai",
        "a transcript (Human:, AI:)",
        {"user": "Human:", "assistant": "AI:"},
        SPEAKERS,
        lines=True,
    ),
    _headings(
        "user-transcript",
        "a transcript (User:, Assistant:)",
        {"system": "System:", "user": "User:", "assistant": "Assistant:"},
        SPEAKERS,
        lines=True,
    ),
)
"""In the order in which they are tried: where two would do, the one that says more comes first."""
BY_NAME = {dialect.name: dialect for dialect in KNOWN}
assert set(BY_NAME) == set(NAMES), "the recipe names the dialects that are known here"

OPENINGS = "|".join(
    re.escape(opening) + _ending(opening) for dialect in KNOWN if not dialect.weak for opening in dialect.opens.values()
)
STRONG = re.compile(
    rf"{OPENINGS}|(?i:<\|im_(?:start|end)\|>)|<\|(?:eot_id|eot|end_of_turn)\|>|<end_of_turn>|\[/INST\]"
    r"|<[|｜]\w*(?i:user|assistant|human|chatbot|header|role|message|prompt|answer)\w*[|｜]>|\bSource: assistant\n"
    r"|\[\|(?i:system|user|human|assistant|ai|tool|endofturn)\|\]"
    r"|<\|turn>|<turn\|>|\]~b\]|<reserved_10[67]>|<eo[ha]>|<[|\[]?(?:begin|beginning|end)[_▁]of[_▁]sentence[|\]]?>"
    r"|&lt;\|\w*(?i:im_start|user|assistant|human|header|role)\w*\|&gt;"
)
"""Something that hardly any text holds but one that a chat template wrote; all but the first line are for templates
that are not known here (Gemma 4, MiniMax, Baichuan, InternLM, ERNIE, Seed, ...), and for marks as HTML escapes them."""
HINTS = (
    *("<|", "[|", "<｜", "_of_turn>", "INST]", "GPT4 Correct ", "Source: assistant", "<turn|>", "]~b]"),
    *("<reserved_10", "<eo", "_of_sentence", "▁of▁sentence", "&lt;|"),
)
"""Without one of these STRONG finds nothing: far sooner looked for than a pattern."""
ASKING, ANSWERING = r"(?:instruction|human|user|prompt)", r"(?:response|assistant|answer|output|completion|ai|bot|gpt)"
LOOSE = re.compile(
    rf"###\s*{ASKING}s?\b.{{0,100000}}?###\s*{ANSWERING}\b"
    rf"|^##?[ \t]*{ASKING}:?[ \t]*$.{{0,100000}}?^##?[ \t]*{ANSWERING}:?[ \t]*$"
    r"|^\**instruct(?:ion)?:.{0,100000}?^\**(?:response|output):"
    r"|<(?:user|human)>.{0,100000}?<(?:assistant|bot)>",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
"""Headings of instructions as people spell them: asked about where no dialect above gives the text back."""
LOOSE_HINTS = ("##", "# ", "nstruct", "NSTRUCT", "<assistant>", "<bot>")
"""Without one of these LOOSE finds nothing."""
SPOKEN = re.compile(
    r"^[ \t]*\**(?i:human|user):.{0,100000}?^[ \t]*\**(?:(?i:assistant|chatbot)|AI|Bot|BOT):", re.MULTILINE | re.DOTALL
)
"""A transcript, whatever comes before it and however it is spelled: asked about, like LOOSE."""
SPOKEN_HINTS = ("ssistant:", "SSISTANT:", "AI:", "ot:", "OT:")
"""Without one of these SPOKEN finds nothing."""
OPEN_END = re.compile(r"^[ \t]*(?:assistant|ai|bot|chatbot):\s*\Z", re.IGNORECASE | re.MULTILINE)
OPEN_LETTER = re.compile(r"^[ \t]*[Qq]:.*^[ \t]*[Aa]:\s*\Z", re.MULTILINE | re.DOTALL)
"""How a prompt ends that a transcript wrote: with the name of the one who is to answer."""
FOREIGN = re.compile(r"<\|\w+\|>|<｜[^｜<>]+｜>|</?(?:tool_call|tools|tool_response|function_call)>|\[/?TOOL_CALLS\]")
"""What turns of words do not hold: other control tokens, and tool calls, which messages write apart."""
STOP = re.compile(r"(?:" + "|".join(map(re.escape, (*ENDS, "<|end|>", "<|eot|>"))) + r")\s*\Z")
"""An end token behind an answer: the base's own template writes one."""
