"""What a word of a text is. Scores and caches depend on each pattern, and each differs for a reason."""

from __future__ import annotations

import re

WORDS = re.compile(r"\w+")
"""Letters and digits that touch. For runs of words that two texts share: punctuation must not part them."""
WORDS_AND_SIGNS = re.compile(r"\w+|[^\w\s]")
"""The same, and each sign by itself. For near-duplicates: a question mark may tell two texts apart."""
WORDS_SIGNS_AND_SPACES = re.compile(r"\s+|\w+|[^\w\s]")
"""The same, and runs of spaces. For texts that are shown again piece by piece: no character may be lost."""
LONG_WORDS = re.compile(r"[^\W\d_]{3,}")
"""Three letters or more. For words of content: numbers and small words say little of what a text is about."""
SEARCH_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
"""Letters and digits that touch, or one Japanese or Chinese character. For search: a sentence without spaces would be
one word, which no question holds."""
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
ROUGE_WORDS = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
"""The same with more scripts: Thai, Lao, Burmese and Khmer, too. For ROUGE, which compares answers in any language."""
