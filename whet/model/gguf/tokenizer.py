"""The tokenizer that a GGUF file describes, rebuilt, and proved on fixed texts before it is used.

Two kinds are read: `gpt2`, BPE over bytes, where the file names the rule by which text is split first, and `llama`,
SentencePiece's BPE, whose merges follow from the scores of its pieces. What cannot be rebuilt is refused: a rule of
splitting that is not known here would give other tokens for some texts, and nobody would see it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from whet.errors import ModelError, nearest
from whet.model.gguf.header import COPY_AGAIN, Header, refusal
from whet.model.gguf.proof import Proof

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
"""What a token is (llama.h, llama_token_type)."""
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
ENDS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",)
SMOLLM = (r"\p{N}", *GPT2)
LLAMA3 = (rf"{SHORT}|{WORDS}|\p{{N}}{{1,3}}|{ENDS}",)
QWEN2 = (rf"{SHORT}|{WORDS}|\p{{N}}|{ENDS}",)
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
UNNAMED = (r"[\p{P}$+<=>^~|]+", *GPT2, r"\p{N}+", "[0-9]{3}")
DEFAULT = "default"
"""What llama.cpp's converter writes where it does not know the original's rule; llama.cpp has one of its own for it."""
ALIKE = {
    GPT2: "gpt-2 phi-2 mpt olmo jais trillion",
    SMOLLM: "smollm starcoder refact command-r codeshell exaone minerva-7b",
    LLAMA3: "llama-bpe llama3 llama-v3 falcon3 dbrx smaug-bpe",
    QWEN2: "qwen2 deepseek-r1-qwen",
    TEKKEN: "tekken",
    UNNAMED: DEFAULT,
}
RULES = {name: rules for rules, names in ALIKE.items() for name in names.split()}
"""tokenizer.ggml.pre, and the patterns by which text is split, one after the other (llama.cpp, src/llama-vocab.cpp)."""
WHOLE_WORDS = {"llama-bpe", "llama3", "llama-v3", "falcon3", "tekken"}
"""Where a word that is a token is not built from merges, and a first token is added unless the file says otherwise."""
COMPOSED = {"qwen2"}
"""Where the original brings text into the Unicode form NFC first. llama.cpp does not."""
SPACE = "▁"
TEMPLATE_NAME = re.compile(r"[A-Za-z]\w*")
USED = {
    "model", "pre", "tokens", "token_type", "scores", "merges", "bos_token_id", "eos_token_id", "unknown_token_id",
    "padding_token_id", "add_bos_token", "add_eos_token", "add_space_prefix",
}  # fmt: skip
"""Keys under tokenizer.ggml that are read."""
IDLE = re.compile(
    r"token_type_count|eo[sg]_token_ids|(eot|eom|sep|seperator|separator|cls|mask|prefix|suffix|middle|fim_\w+)_token_id"
)
"""Those that change no text's tokens: which tokens end an answer, or stand for a hole in code."""
OFF = {"remove_extra_whitespaces", "add_sep_token"}
"""Those that would, and do not where they are false. llama.cpp heeds neither for the two kinds that are read here."""


def save_tokenizer(header: Header, rows: int, folder: Path) -> None:
    """Rebuild it, write it, open it again with transformers and prove it. `rows` is the height of the embedding.

    Raises ModelError for a tokenizer that is missing, of a kind not read here, or that fails its proof.
    """
    built = _Description(header, rows)
    if built.kind == "gpt2":
        core = built.bytewise()
    else:
        core = built.sentencepiece()

    core.add_special_tokens([_whole(token, True) for token in built.of_type(CONTROL, UNKNOWN)])
    core.add_tokens([_whole(token, False) for token in built.of_type(USER)])
    special = {name: built.special(key) for name, key in SPECIAL.items()}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core,
        clean_up_tokenization_spaces=False,
        **{name: token for name, token in special.items() if token is not None},
    )

    if templates := built.templates():
        if len(templates) == 1:
            fast.chat_template = templates["default"]
        else:
            fast.chat_template = templates

    fast.save_pretrained(folder)
    opened = AutoTokenizer.from_pretrained(folder)
    Proof(header.path, core, opened, built.ids, built.of_type(CONTROL, USER), built.spells()).run()


SPECIAL = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def _whole(token: str, special: bool) -> AddedToken:
    return AddedToken(token, normalized=False, special=special)


class _Description:
    """What the file says about its tokenizer, checked."""

    def __init__(self, header: Header, rows: int) -> None:
        self.header = header
        self.refuse_unknown()

        self.kind = self.read("model", str)
        if self.kind not in ("gpt2", "llama"):
            what = f"its tokenizer is of the kind {self.kind!r}; read are 'gpt2' (BPE) and 'llama' (SentencePiece)"
            raise refusal(header.path, what, "use the safetensors folder of this model")

        self.tokens: list[str] = self.strings("tokens")
        if len(self.tokens) > rows:
            what = f"it has {len(self.tokens):,} tokens, and its embedding {rows:,} rows"
            raise refusal(header.path, what, COPY_AGAIN)

        self.types: list[int] = self.read("token_type", list, [])
        if not self.types and self.templates():
            what = "it has a chat template, and does not say which tokens are marks (tokenizer.ggml.token_type)"
            raise self.damaged(what, "use the safetensors folder of this model")
        if self.types and len(self.types) != len(self.tokens):
            raise self.damaged(f"it has {len(self.tokens):,} tokens, and types of {len(self.types):,}")

        self.types = self.types or [NORMAL] * len(self.tokens)
        self.ids = {token: n for n, token in enumerate(self.tokens) if self.types[n] != UNUSED}
        if len(self.ids) != len(self.tokens) - self.types.count(UNUSED):
            twice = next(token for n, token in enumerate(self.tokens) if self.ids.get(token, n) != n)
            raise self.damaged(f"the token {twice!r} stands in it twice")

    def refuse_unknown(self) -> None:
        """Raises ModelError for a key that may change what a text becomes and is not understood here."""
        prefix = "tokenizer.ggml."
        for key, value in self.header.metadata.items():
            name = key.removeprefix(prefix)
            known = name in USED or IDLE.fullmatch(name) or (name in OFF and value is False)
            if key.startswith(prefix) and not known:
                what = f"it sets {key}, which is not understood here"
                raise refusal(self.header.path, what, "use the safetensors folder of this model")

    def bytewise(self) -> Tokenizer:
        """BPE over bytes, each of which is written as one visible character."""
        rule = self.read("pre", str, "")
        if rule not in RULES:
            if rule:
                said = f"{rule!r}{nearest(rule, RULES)}"
            else:
                said = "not named in it"

            what = f"the rule by which its tokenizer splits text (tokenizer.ggml.pre) is {said}"
            raise refusal(self.header.path, what, f"rules that are read: {', '.join(RULES)}; or use its safetensors")

        merges = [self.pair(merge) for merge in self.strings("merges")]
        core = Tokenizer(models.BPE(vocab=self.ids, merges=merges, ignore_merges=rule in WHOLE_WORDS))

        if rule in COMPOSED:
            core.normalizer = normalizers.NFC()
        splits: list[Any] = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in RULES[rule]]
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        core.pre_tokenizer = pre_tokenizers.Sequence([*splits, as_bytes])
        core.decoder = decoders.ByteLevel()
        self.begin_and_end(core, begin=rule in WHOLE_WORDS)

        return core

    def pair(self, merge: str) -> tuple[str, str]:
        """Raises ModelError for a merge of what is no token, or into none."""
        left, _, right = merge[1:].partition(" ")
        pair = (merge[:1] + left, right)
        if not {*pair, "".join(pair)} <= self.ids.keys():
            raise self.damaged(f"the merge {merge!r} joins what is no token of it")
        return pair

    def sentencepiece(self) -> Tokenizer:
        """BPE over characters, where the piece of the highest score is joined first; what is no piece goes by bytes.

        The space before a text comes before each stretch of it: at its start, and behind every mark. llama.cpp does so
        (llama-vocab.cpp: add_space_prefix && is_prev_special), and so do the tokenizers that Llama 2, TinyLlama and
        Mistral 0.1 came with. A few later ones (Mistral 0.3) had it at the start alone, which no key of a file tells.
        """
        scores = self.read("scores", list)
        if len(scores) != len(self.tokens):
            raise self.damaged(f"it has {len(self.tokens):,} tokens, and scores of {len(scores):,}")

        whole = set(self.of_type(UNKNOWN, CONTROL, USER, BYTE))
        pieces = {token: n for token, n in self.ids.items() if token not in whole}

        merges = []
        for token in sorted(pieces, key=lambda piece: -scores[pieces[piece]]):
            cuts = [(token[:at], token[at:]) for at in range(1, len(token))]
            merges += [cut for cut in cuts if cut[0] in pieces and cut[1] in pieces]

        unknown = next(iter(self.of_type(UNKNOWN)), self.special("unknown_token_id"))
        core = Tokenizer(
            models.BPE(vocab=self.ids, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=self.has_bytes())
        )

        begins = bool(self.read("add_space_prefix", bool, True))
        if begins:
            marked = [normalizers.Prepend(SPACE)]
        else:
            marked = []

        core.normalizer = normalizers.Sequence([*marked, normalizers.Replace(" ", SPACE)])
        joined = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        core.decoder = decoders.Sequence(joined + ([decoders.Strip(" ", 1, 0)] if begins else []))
        self.begin_and_end(core, begin=True)

        return core

    def has_bytes(self) -> bool:
        return all(f"<0x{byte:02X}>" in self.ids for byte in range(256))

    def begin_and_end(self, core: Tokenizer, begin: bool) -> None:
        """Tokens put around a text, unless a template writes it; `begin` where the file does not say."""
        tokens = [
            self.special("bos_token_id") if self.read("add_bos_token", bool, begin) else None,
            self.special("eos_token_id") if self.read("add_eos_token", bool, False) else None,
        ]
        first, last = ([token] if token else [] for token in tokens)
        if first or last:
            core.post_processor = processors.TemplateProcessing(
                single=[*first, "$A", *last],
                pair=[*first, "$A", *last, *(f"{token}:1" for token in first), "$B:1", *(f"{t}:1" for t in last)],
                special_tokens=[(token, self.ids[token]) for token in {*first, *last}],
            )

    def of_type(self, *kinds: int) -> list[str]:
        """Tokens of these kinds. A piece of SentencePiece that the user added and that holds a space is an ordinary
        one: it could not be found in a text before spaces are replaced."""
        found = [token for token, n in self.ids.items() if self.types[n] in kinds]
        ordinary = self.kind == "llama" and USER in kinds
        return [t for t in found if not (ordinary and SPACE in t and self.types[self.ids[t]] == USER)]

    def templates(self) -> dict[str, str]:
        """Chat templates by name; `default` is that of a talk without tools. A name becomes that of a file."""
        found: dict[str, Any] = {}
        for key, value in self.header.metadata.items():
            if key == "tokenizer.chat_template":
                found["default"] = value
            elif key.startswith("tokenizer.chat_template."):
                found[key.removeprefix("tokenizer.chat_template.")] = value

        for name, value in found.items():
            if not isinstance(value, str) or not TEMPLATE_NAME.fullmatch(name):
                raise self.damaged(f"the chat template {name!r:.40} has no proper name, or is no text")

        if found and "default" not in found:
            raise self.damaged("it has chat templates, and none is the plain one (tokenizer.chat_template)")
        return found

    def special(self, key: str) -> str | None:
        number = self.read(key, int, -1)
        if number == -1:
            return None
        if not 0 <= number < len(self.tokens) or self.tokens[number] not in self.ids:
            raise self.damaged(f"tokenizer.ggml.{key} is {number:,}, and it has {len(self.tokens):,} tokens")
        return self.tokens[number]

    def read(self, key: str, kind: type, default: Any = None) -> Any:
        value = self.header.metadata.get(f"tokenizer.ggml.{key}", default)
        if value is None:
            raise self.damaged(f"its tokenizer is missing: there is no tokenizer.ggml.{key}", "use its safetensors")
        if type(value) is not kind:
            raise self.damaged(f"tokenizer.ggml.{key} is {value!r:.40}, which is no {kind.__name__}")
        return value

    def strings(self, key: str) -> list[str]:
        values = self.read(key, list)
        if not values or not all(isinstance(value, str) for value in values):
            raise self.damaged(f"tokenizer.ggml.{key} must be a list of texts")
        return values

    def damaged(self, what: str, fix: str = COPY_AGAIN) -> ModelError:
        return refusal(self.header.path, what, fix)

    def spells(self) -> Callable[[str], bool]:
        """Whether this vocabulary has what a text is made of."""
        if self.kind == "gpt2":
            signs = bytes_to_unicode()
            return lambda text: all(signs[byte] in self.ids for byte in text.encode("utf-8"))
        everything = self.has_bytes()
        return lambda text: everything or all(sign in self.ids for sign in text.replace(" ", SPACE) + SPACE)
