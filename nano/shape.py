"""Makes the folder that pre-training starts from: tokenizer, chat template and config; no weights yet.

python -m nano.shape --corpus nano/build/level2.jsonl --books FOLDER --out nano/build/init
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from nano.books import books as split_books
from nano.books import text_of

VOCABULARY = 4096
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
END = "<|end|>"
PIECES = r"'(?:s|t|re|ve|m|ll|d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Words with their leading space, digits one by one, runs of punctuation, white space."""
CHAT_TEMPLATE = (
    "{%- if tools -%}"
    "{{ '<|system|>' + (messages[0]['content'] + '\\n' if messages and messages[0]['role'] == 'system' else '') }}"
    "{{- 'Tools:' -}}"
    "{%- for tool in tools -%}{{ '\\n' + ((tool['function'] or tool) | tojson) }}{%- endfor -%}"
    "{{ '<|end|>' }}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'tool' -%}"
    "{{ '<|user|><tool_response>' + message['content'] + '</tool_response><|end|>' }}"
    "{%- elif message['role'] not in ['system', 'user', 'assistant'] -%}"
    "{{ raise_exception('nano knows the roles system, user, assistant and tool') }}"
    "{%- elif not (tools and loop.first and message['role'] == 'system') -%}"
    "{{ '<|' + message['role'] + '|>' + ('' if message['tool_calls'] and not message['content'] "
    "else message['content']) }}"
    "{%- for call in message['tool_calls'] or [] -%}"
    "{%- set called = call['function'] or call -%}"
    "{%- set given = called['arguments'] -%}"
    "{{ ('\\n' if message['content'] or not loop.first else '') + '<tool_call>' }}"
    "{{- '{\"name\": ' + (called['name'] | tojson) }}"
    "{{- ', \"arguments\": ' + (given if given is string else given | tojson) + '}</tool_call>' }}"
    "{%- endfor -%}"
    "{{ '<|end|>' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)
"""Tools stand as JSON in the system turn, a call as `<tool_call>{"name": ..., "arguments": ...}</tool_call>` in the
answer, its result in a turn of the user. Conversations without tools are what they were in pre-training."""


def texts(corpus: Path, books: Path | None, limit: int) -> Iterator[str]:
    """Text to learn the pieces from: `limit` rows of the corpus, and the first part of each book."""
    with open(corpus, encoding="utf-8") as lines:
        for _, line in zip(range(limit), lines, strict=False):
            row = json.loads(line)
            yield row["text"] if "text" in row else "\n".join(m["content"] for m in row["messages"])
    for book in split_books(books)[0] if books else []:
        yield text_of(book)[:40_000]


def make_tokenizer(corpus: Path, books: Path | None, rows: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: no text is unknown to it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        limit_alphabet=256,
    )
    core.train_from_iterator(texts(corpus, books, rows), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token="<|pad|>",
        additional_special_tokens=SPECIAL[2:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def make_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Six narrow layers: depth is what copying and looking-up need, width is what costs time."""
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=3,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        architectures=["LlamaForCausalLM"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--books", type=Path)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    tokenizer = make_tokenizer(options.corpus, options.books, options.rows)
    tokenizer.save_pretrained(options.out)
    make_config(tokenizer).save_pretrained(options.out)
    print(f"{len(tokenizer):,} pieces in {options.out}")


if __name__ == "__main__":
    main()
