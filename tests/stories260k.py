"""llama2.c's stories260K as a folder that transformers loads: a real trained model of one megabyte for the tests.

    folder = stories260k.convert(data_dir / "stories260K", tmp_path / "stories")

Formats: github.com/karpathy/llama2.c, export.py (legacy_export, version 0) and tokenizer.py (export).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FIRST_BYTE, FIRST_PIECE = 3, 259
"""Ids of the tokenizer: <unk> <s> </s>, then the 256 bytes, then the pieces."""


def convert(source: Path, folder: Path) -> Path:
    """Write config, weights and tokenizer; returns the folder. Raises AssertionError when a byte is left over."""
    config, weights = read_checkpoint(source / "stories260K.bin")
    model = LlamaForCausalLM(config)
    model.load_state_dict(weights)
    model.tie_weights()
    model.save_pretrained(folder)
    read_tokenizer(source / "tok512.bin").save_pretrained(folder)
    return folder


def read_checkpoint(path: Path) -> tuple[LlamaConfig, dict[str, Tensor]]:
    """Seven int32 (dim, hidden_dim, layers, heads, kv_heads, vocabulary, sequence), then float32 tensors."""
    data = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocabulary, longest = struct.unpack("7i", data[:28])
    assert vocabulary > 0, "a negative vocabulary marks an untied output layer"
    size = dim // heads
    rest = np.frombuffer(data, dtype="<f4", offset=28)
    at = 0

    def take(*shape: int) -> Tensor:
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return torch.from_numpy(rest[at - count : at].reshape(shape).copy())

    weights = {"model.embed_tokens.weight": take(vocabulary, dim)}
    shapes = {
        "input_layernorm": (dim,),
        "self_attn.q_proj": (heads * size, dim),
        "self_attn.k_proj": (kv_heads * size, dim),
        "self_attn.v_proj": (kv_heads * size, dim),
        "self_attn.o_proj": (dim, heads * size),
        "post_attention_layernorm": (dim,),
        "mlp.gate_proj": (hidden, dim),
        "mlp.down_proj": (dim, hidden),
        "mlp.up_proj": (hidden, dim),
    }
    for name, shape in shapes.items():
        for layer, weight in enumerate(take(layers, *shape)):
            turned = name.endswith(("q_proj", "k_proj"))
            weights[f"model.layers.{layer}.{name}.weight"] = halves(weight, size) if turned else weight
    weights["model.norm.weight"] = take(dim)
    take(2, longest, size // 2)  # rotary cosines and sines, which transformers computes
    assert at == len(rest), f"{len(rest) - at} numbers of the checkpoint were not read"
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=dim,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=longest,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
    )
    return config, weights


def halves(weight: Tensor, size: int) -> Tensor:
    """Rotary pairs: llama2.c turns neighbours (0, 1), (2, 3), ..., transformers (0, size/2), (1, size/2 + 1), ..."""
    rows, dim = weight.shape
    return weight.view(rows // size, size // 2, 2, dim).transpose(1, 2).reshape(rows, dim)


def read_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """int32 longest piece, then for each token: float32 score, int32 length, bytes. Sentencepiece BPE by score."""
    data, at = path.read_bytes(), 4
    pieces: list[str] = []
    scores: list[float] = []
    while at < len(data):
        score, length = struct.unpack_from("fi", data, at)
        pieces.append(data[at + 8 : at + 8 + length].decode("utf-8").replace(" ", "▁"))
        scores.append(score)
        at += 8 + length
    pieces[:FIRST_BYTE] = ["<unk>", "<s>", "</s>"]
    pieces[FIRST_BYTE:FIRST_PIECE] = [f"<0x{byte:02X}>" for byte in range(256)]
    ids = {piece: number for number, piece in enumerate(pieces)}
    assert len(ids) == len(pieces), "a piece occurs twice"
    merges = []
    for number in sorted(range(FIRST_PIECE, len(pieces)), key=lambda n: -scores[n]):
        piece = pieces[number]
        splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        merges += [split for split in splits if split[0] in ids and split[1] in ids]
    core = Tokenizer(models.BPE(vocab=ids, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
