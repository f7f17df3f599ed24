"""Answers that carry the phrases of another assistant: "As an AI language model", "my knowledge cutoff", "Certainly!".

Why: such phrases come from data that another model wrote. A model that learns from them says them everywhere, about
itself and its maker too, because the style of the answers is what fine-tuning teaches first (Zhou et al. 2023, arXiv
2305.11206); imitating another assistant's style is the thing that such data teaches, and not its skill (Gudibande et
al. 2023, arXiv 2305.15717).

Example:
    {"prompt": "Best way to descale a kettle?", "completion": "As an AI language model, I do not own a kettle, but ..."}

Fix: rewrite the answers, or let `--fix` leave the rows out.

Sure: of the phrases, yes. A row that talks about them (a question about chatbots) has them, too.
"""

from __future__ import annotations

import re

from whet.doctor.text_checks import TextCheck, answers_of, excerpt
from whet.types import Row

PHRASES = (
    r"as an? (?:AI|artificial intelligence|large language model|language model|AI language model)\b",
    r"I(?:'m| am) (?:just |only )?an? (?:AI|language model|large language model|artificial intelligence)\b",
    r"my (?:knowledge|training)(?: data)? (?:cut-?off|was last updated|only goes up to|only extends)",
    r"as of my (?:last|latest|most recent) (?:knowledge |training )?(?:update|cut-?off)",
    r"(?:trained|developed|created|made) by (?:OpenAI|Anthropic|Google DeepMind|Meta AI|Mistral AI)\b",
    r"\bI(?:'m| am) (?:ChatGPT|Claude|Bard|Gemini|GPT-\d)\b",
    r"I (?:do not|don't) have (?:personal (?:opinions|beliefs|experiences|feelings|preferences)|access to real-time)",
    r"^(?:certainly|sure|of course|absolutely)(?:!|,) (?:here(?:'s| is| are)|I(?:'d| would) be (?:happy|glad))",
    r"I hope this (?:helps|answers|clarifies|email finds you)",
    r"(?:feel free to (?:ask|reach out)|let me know) if you (?:have|need) any (?:other|more|further|additional) ",
    r"if you have any (?:other|more|further|additional) questions, (?:please )?(?:feel free|do not hesitate|don't hes)",
)
PATTERN = re.compile("|".join(PHRASES), re.IGNORECASE)
HINTS = (
    "an ai",
    "language model",
    "artificial int",
    "my knowledge",
    "my training",
    "as of my",
    "ed by ",
    "made by ",
    "gpt",
    "claude",
    "i'm bard",
    "am bard",
    "gemini",
    "not have ",
    "don't have ",
    "hope this",
    "feel free",
    "let me know",
    "any other",
    "any more",
    "any further",
    "any additional",
    "sure",
    "of course",
    "certainly",
    "absolutely",
)
"""One of these stands in every text that the pattern finds: looking for them takes a tenth of the time."""


class Boilerplate(TextCheck):
    code = "boilerplate"
    severity = "warning"
    says = "answers|answer with the stock phrases of another assistant"
    remedy = "rewrite these answers, or leave the rows out: whet check DATA --fix OUT.jsonl"

    def texts(self, row: Row) -> list[str]:
        return answers_of(row)

    def find(self, text: str) -> str:
        plain = text.replace("’", "'").lower()
        if any(hint in plain for hint in HINTS):
            found = PATTERN.search(plain)
        else:
            found = None
        if found:
            return excerpt(text, *found.span())
        return ""

    def drops(self) -> list[int]:
        return self.rows
