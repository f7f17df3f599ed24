"""The usual names of columns, as published sets and other tools write them."""

from __future__ import annotations

MESSAGES = ("messages", "conversations", "conversation")
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("instruction", "answer"),
    ("instruction", "completion"),
    ("query", "response"),
    ("query", "answer"),
    ("problem", "solution"),
    ("input", "output"),
    ("input", "target"),
    ("source", "target"),
    ("text", "code"),
)
TEXTS = ("text", "content", "document")
LABELS = ("label", "category", "intent", "class")
ALPACA_ANSWERS = ("output", "response")
ANSWERS = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))
"""The columns of a preference pair; the second two are OpenAI's."""
PROMPTS = ("prompt", *MESSAGES, "instruction", "question", "query", "input")
CONTEXTS = ("context", "passage", "choices", "options", "input")
"""Columns that belong to a question: to leave them out without being told to would be silently wrong."""
MARKS = ("label", "kto_tag", "desirable", "thumbs_up")
"""Whether a single answer is good; TRL's name, LLaMA-Factory's, and two plain ones. The value is true or false."""
MARKED = (*(("instruction", answer) for answer in ALPACA_ANSWERS), *PAIRS)
RANKED = ("ranked", "ranking", "ranked_answers", "ranked_responses", "ranked_completions")
"""A list of answers, best first."""
SCORED = ("answers", "responses", "completions", "candidates", "outputs")
"""A list of answers in any order: only with scores or ranks is it known which is better."""
SCORES, RANKS = ("scores", "ratings", "rewards"), ("ranks", "ranking", "rankings")
SCORE, RANK = ("score", "rating", "reward", "overall_score"), ("rank", "position")
"""The same within an answer that is an object; UltraFeedback's and Nectar's among them."""
RANKED_TEXT = ("answer", "response", "completion", "output", "text", "content", "messages")
"""Where such an object holds the answer."""
