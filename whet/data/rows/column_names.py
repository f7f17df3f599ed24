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
"""Whether a single answer is good; TRL's name, LLaMA-Factory's, and two plain ones. The value is true or false, or 1
or 0 but for `label`, where a number may be a class."""
MARK_WORDS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "good", "up", "thumbs_up", "thumbs up", "like", "liked"), True),
    **dict.fromkeys(("false", "0", "0.0", "-1", "-1.0", "no", "bad", "down", "thumbs_down", "thumbs down"), False),
    **dict.fromkeys(("positive", "accepted", "accept", "approved", "upvote", "correct", "desirable"), True),
    **dict.fromkeys(("negative", "rejected", "reject", "dislike", "disliked", "downvote", "incorrect"), False),
    **dict.fromkeys(("undesirable", "wrong"), False),
    "\N{THUMBS UP SIGN}": True,
    "\N{THUMBS DOWN SIGN}": False,
}
"""Marks as tables and people write them."""
JUDGING = set(
    "kto desirable thumb thumbs thumbsup like liked likes upvote upvoted upvotes vote votes voted rating ratings rate "
    "rated stars star score scores graded grade grades mark marks feedback verdict judgement judgment judged quality "
    "good helpful helpfulness useful correct correctness acceptable accept accepted approve approved approval "
    "preferred preference winner reward satisfied satisfaction csat passed honest truthful safe valid endorsed "
    "assessment evaluation reaction pass accurate accuracy faithful faithfulness groundedness bewertung".split()
)
AGAINST = set(
    "thumbsdown down dislike disliked dislikes downvote downvoted downvotes bad undesirable unhelpful wrong incorrect "
    "rejected reject harmful toxic toxicity unsafe flagged flag hallucinated hallucination invalid unacceptable error "
    "errors failed complaint refused fail failure offensive nsfw misleading poor inaccurate irrelevant unfaithful "
    "useless".split()
)
"""Words in the name of a column that judges an answer: in which more is better, and in which more is worse."""
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
