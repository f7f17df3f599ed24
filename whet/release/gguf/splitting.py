"""By which name llama.cpp knows the rule that a tokenizer splits text by, before it joins its pieces."""

from __future__ import annotations

from typing import Any

from whet.model.gguf.tokenizer import COMPOSED, DEFAULT, GPT2, QWEN2, RULES, SPACE, WHOLE_WORDS

WORDS_AND_SHORT_FORMS = (QWEN2[0].replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:s|t|re|ve|m|ll|d)"),)
NEAR: dict[tuple[str, ...], tuple[str, str]] = {
    WORDS_AND_SHORT_FORMS: (
        "qwen2",
        "llama.cpp has no rule of splitting text that is quite this tokenizer's: with qwen2's, a quote directly before "
        "S, T, M, D, Re, Ve or Ll and more letters (O'Sullivan, not it's or IT'S) becomes other tokens",
    )
}
"""Rules that differ from one of llama.cpp's in what a sentence can say."""
UNCOMPOSED = (
    "llama.cpp does not bring text into the Unicode form NFC, as this tokenizer does: bring your texts into it first"
)
DIGITS = r"\p{N}"


def rule_name(told: dict[str, Any], whole_words: bool) -> tuple[str | None, str]:
    """The name, and what people must know of it. `told` is tokenizer.json; `whole_words`: a word that is a token is
    taken as it is (ignore_merges)."""
    patterns, composed = _patterns(told["pre_tokenizer"]), _is_composed(told["normalizer"])
    if patterns is None or composed is None:
        return None, ""
    names = [name for name, rules in RULES.items() if rules == patterns and (name in WHOLE_WORDS) == whole_words]

    names = [name for name in names if name != DEFAULT]
    if names:
        named = [name for name in names if (name in COMPOSED) == composed] or names
        return named[0], UNCOMPOSED if composed else ""
    if patterns in NEAR and not whole_words and not composed:
        return NEAR[patterns]
    return None, ""


def _patterns(told: dict[str, Any] | None) -> tuple[str, ...] | None:
    """The expressions by which text is split, one after another; None for what is not understood."""
    if told and told["type"] == "Sequence":
        steps = told["pretokenizers"]
    else:
        steps = [told]

    found: list[str] = []
    for step in steps:
        if step is None:
            return None

        if step["type"] == "ByteLevel":
            if step.get("add_prefix_space"):
                return None

            found += GPT2 if step.get("use_regex", True) else ()
        elif step["type"] == "Digits" and step["individual_digits"]:
            found.append(DIGITS)
        elif step["type"] == "Split" and "Regex" in step["pattern"] and _isolates(step):
            found.append(_plain(step["pattern"]["Regex"]))
        else:
            return None

    return tuple(found)


def _isolates(step: dict[str, Any]) -> bool:
    """Every match becomes a piece: said so, or by removing what is no match, where all is one."""
    return (step["behavior"], bool(step.get("invert"))) in {("Isolated", False), ("Removed", True)}


def _plain(pattern: str) -> str:
    """Without what changes nothing here: possessive signs before classes that have no character in common, and a +
    after line ends, of which the blanks before them take all but the last."""
    plain = pattern.replace("?+", "?").replace("++", "+")
    return plain.replace(r"\s*[\r\n]|", r"\s*[\r\n]+|")


def _is_composed(told: dict[str, Any] | None) -> bool | None:
    """Whether text is brought into the form NFC; None for other changes of it."""
    if told is None:
        return False
    return True if told["type"] == "NFC" else None


def space_before(told: dict[str, Any]) -> str | None:
    """Of SentencePiece: whether a space is put before a text: always (behind marks, too), at the first, or never.
    None for what is not understood."""
    normalizer, splitter = told["normalizer"], told["pre_tokenizer"]
    if normalizer and normalizer["type"] == "Sequence":
        steps = normalizer["normalizers"]
    else:
        steps = [normalizer]

    steps = [step for step in steps if step]
    kinds = [step["type"] for step in steps]
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepended = {"type": "Prepend", "prepend": SPACE}

    if splitter and splitter["type"] == "Metaspace" and not kinds and not splitter.get("split", True):
        return splitter["prepend_scheme"]

    harmless = splitter is None or (splitter["type"] == "Split" and splitter["pattern"] == {"String": " "})
    if not harmless:
        return None  # what follows sees no space any more: it was replaced
    return {(): None, ("Replace",): "never", ("Prepend", "Replace"): "always"}.get(
        tuple(kinds) if all(step in (replaced, prepended) for step in steps) else ()
    )
