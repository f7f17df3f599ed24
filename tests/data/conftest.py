"""Tokenizers made on the spot, and the folder of real data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SAMPLE = [
    "Hello! How are you today? I'm doing great.\n\nThe answer is here: the end of the prompt.\n",
    "### User:\nWhat is the capital of France?\n\n### Assistant:\nThe capital of France is Paris.\n\n",
    "assistant user system tool name arguments location value. \n\n\n\nA  b   c\n",
] * 4


@pytest.fixture(scope="session")
def data_dir() -> Path:
    folder = Path(os.environ.get("WHET_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: {folder} (set WHET_DATA)")
    return folder


@pytest.fixture(scope="session")
def cases(data_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (data_dir / "chat_templates" / "cases.jsonl").open(encoding="utf-8")]


@pytest.fixture(scope="session")
def gpt2(data_dir: Path) -> PreTrainedTokenizerFast:
    """The real GPT-2 tokenizer, trim_offsets and all."""
    vocabulary = json.loads((data_dir / "raschka" / "encoder.json").read_text(encoding="utf-8"))
    lines = (data_dir / "raschka" / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:-1]
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(line.split()) for line in lines]))
    return byte_level(backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def byte_level(backend: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


Maker = Callable[..., PreTrainedTokenizerFast]


@pytest.fixture(scope="session")
def make_tokenizer() -> Maker:
    """A byte-level tokenizer with a few merges: `make_tokenizer(template, markers=[...], eos='</s>', bos=None)`."""
    definitions: dict[str, str] = {}

    def make(
        template: str | None = None,
        markers: Sequence[str] = ("<|im_start|>", "<|im_end|>"),
        eos: str | None = "<|im_end|>",
        bos: str | None = None,
        adds_bos: bool = False,
        metaspace: bool = False,
        plain: Sequence[str] = (),
    ) -> PreTrainedTokenizerFast:
        kind = "metaspace" if metaspace else "bytes"
        if kind not in definitions:
            definitions[kind] = trained(metaspace).to_str()
        backend = Tokenizer.from_str(definitions[kind])
        names = [name for name in dict.fromkeys([*markers, bos, eos]) if name]
        backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        backend.add_tokens([AddedToken(name, special=False, normalized=False) for name in plain])
        if adds_bos:
            assert bos is not None
            backend.post_processor = processors.TemplateProcessing(
                single=f"{bos} $A", special_tokens=[(bos, backend.token_to_id(bos))]
            )
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=eos, bos_token=bos)
        tokenizer.chat_template = template
        return tokenizer

    return make


def trained(metaspace: bool) -> Tokenizer:
    backend = Tokenizer(models.BPE(unk_token="<unk>") if metaspace else models.BPE())
    if metaspace:
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )  # as Llama 2 has it
        backend.decoder = decoders.Replace("▁", " ")
        alphabet = sorted({character for text in SAMPLE for character in text} | set(map(chr, range(32, 127))))
        trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, special_tokens=["<unk>"])
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator(SAMPLE, trainer)
    return backend
