"""Faults of the weights: what was added, how strongly, to what, and in which order."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from bench.releases.bases import other_revision
from bench.releases.fault import Planted
from bench.releases.gguf_edit import Tensors, rewrite
from bench.releases.place import Place
from whet.model.quantised.load import weight_files
from whet.observer import Silent
from whet.release.forms.merged import FORM as MERGED

ADAPTER = "adapter_model.safetensors"


def base_tensors(place: Place) -> dict[str, Tensor]:
    return {name: one for file in weight_files(place.model.base) for name, one in load_file(file).items()}


def not_applied(place: Place) -> None:
    base = base_tensors(place)
    place.change_tensors(lambda tensors: tensors.update({name: base[name].float() for name in tensors}))


def base_alone(place: Place) -> None:
    """The server lists the adapter and answers as the base."""
    place.served = replace(place.served, main=place.served.base, base="")


def applied_twice(place: Place) -> None:
    place.served = replace(place.served, base=str(place.other("lora", "merged", "float32")))


def scaled(power: float) -> Any:
    def plant(place: Place) -> None:
        scale = place.model.adapter_config["lora_alpha"] / place.model.adapter_config["r"]
        place.change_json("adapter_config.json", lambda told: told.update(lora_alpha=told["lora_alpha"] * scale**power))

    return plant


def as_if_plain(place: Place) -> None:
    """The run's own adapter with a config that forgot how it is scaled, as a converter reads it."""
    shutil.copyfile(place.model.folder / ADAPTER, place.folder / ADAPTER)


def layer_of_zeros(place: Place) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in tensors:
            if ".layers.3." in name and ".lora_B" in name:
                tensors[name] = torch.zeros_like(tensors[name])

    place.change_tensors(change)


def swapped(place: Place) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in [one for one in tensors if "q_proj.lora_A" in one]:
            other = name.replace("q_proj", "k_proj")
            tensors[name], tensors[other] = tensors[other], tensors[name]

    place.change_tensors(change)


def not_turned(place: Place) -> None:
    """The rows of queries and keys as transformers has them."""
    config = place.model.config
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}

    def change(tensors: Tensors) -> None:
        for name, (data, kind) in tensors.items():
            part = name.split(".")[-2]
            if part in heads:
                turned = data.reshape(heads[part], -1, 2, data.shape[-1]).swapaxes(1, 2).reshape(data.shape)
                tensors[name] = (turned, kind)

    rewrite(place.folder / "model.gguf", {}, change)


def untied(place: Place) -> None:
    """The output layer stays the base's, the trained embedding is the input alone."""
    old = base_tensors(place)["model.embed_tokens.weight"].float()
    first = sorted(place.folder.glob("*.safetensors"))[0].name
    place.change_tensors(lambda tensors: tensors.update({"lm_head.weight": old}), first)
    index = place.folder / "model.safetensors.index.json"
    if index.is_file():
        place.change_json(index.name, lambda told: told["weight_map"].update({"lm_head.weight": first}))
    place.change_json("config.json", lambda told: told.update(tie_word_embeddings=False))


def head_of_the_base(place: Place) -> None:
    """The same as a GGUF file has it: an output layer that the tune is not in."""
    old = base_tensors(place)["model.embed_tokens.weight"].float().numpy()

    def change(tensors: Tensors) -> None:
        kind = tensors["token_embd.weight"][1]
        tensors["output.weight"] = (old.astype(tensors["token_embd.weight"][0].dtype), kind)

    rewrite(place.folder / "model.gguf", {}, change)


def _rows(place: Place, change: Any) -> None:
    rows: list[int] = []

    def of_file(tensors: dict[str, Tensor]) -> None:
        name = "model.embed_tokens.weight"
        if name in tensors:
            tensors[name] = change(tensors[name])
            rows.append(tensors[name].shape[0])

    place.change_tensors(of_file)
    place.change_json("config.json", lambda told: told.update(vocab_size=rows[0]))


def row_missing(place: Place) -> None:
    _rows(place, lambda table: table[:-1])


def padded(place: Place) -> None:
    """Rows beyond the tokens that are no zeros: they take their share of every softmax."""
    _rows(place, lambda table: torch.cat([table, table[: 64 - table.shape[0] % 64 + 64]]))


def overflow(place: Place) -> None:
    """What a number above 65,504 becomes in float16."""

    def change(tensors: dict[str, Tensor]) -> None:
        for name in [one for one in tensors if one.endswith("layers.1.mlp.up_proj.weight")]:
            tensors[name][0, 0] = torch.inf

    place.change_tensors(change)


def shard_missing(place: Place) -> None:
    sorted(place.folder.glob("model-*.safetensors"))[1].unlink()


def foreign_shard(place: Place) -> None:
    other = place.other("other", "merged", "float32")
    name = sorted(place.folder.glob("model-*.safetensors"))[1].name
    shutil.copyfile(other / name, place.folder / name)


def other_base(place: Place) -> None:
    place.served = replace(
        place.served,
        base=str(other_revision(place.home / "bases" / f"{place.model.name}-moved", Path(place.model.base))),
    )


def careless_merge(place: Place) -> None:
    """The adapter added to the base as it was before it was quantised."""
    shutil.rmtree(place.folder)
    place.folder.mkdir()
    model = replace(place.model, facts=place.model.facts | {"quantise": None})
    MERGED.export(model, place.sound.kind, place.folder, Silent())


def head_lost(place: Place) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in [one for one in tensors if one.endswith("score.weight")]:
            del tensors[name]

    place.change_tensors(change)


def magnitudes_lost(place: Place) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in [one for one in tensors if "magnitude" in one]:
            del tensors[name]

    place.change_tensors(change)
    place.change_json("adapter_config.json", lambda told: told.update(use_dora=False))


def wrong_adapter(place: Place) -> None:
    shutil.copyfile(place.other("other", "adapter") / ADAPTER, place.folder / ADAPTER)


M, A, G = "merged", "adapter", "gguf"
FAULTS = [
    Planted("adapter not applied", "lora", M, "float32", "transformers", ("base-answers",), not_applied),
    Planted("applied twice", "lora", A, None, "peft", ("applied-twice",), applied_twice),
    Planted("scale ignored", "lora", A, None, "peft", ("scale-changed",), scaled(-1)),
    Planted("scale squared", "lora", A, None, "peft", ("scale-changed",), scaled(1)),
    Planted("alpha pattern dropped", "lora", A, None, "peft", ("alpha-pattern-dropped",), as_if_plain),
    Planted("rsLoRA dropped", "rslora", A, None, "peft", ("rslora-dropped",), as_if_plain),
    Planted("one layer's B zero", "lora", A, None, "peft", ("zeroed",), layer_of_zeros),
    Planted("q and k swapped", "lora", A, None, "peft", ("swapped",), swapped),
    Planted("rotary permutation missed", "lora", G, "f32", "llama_cpp", ("rows-permuted",), not_turned),
    Planted("embeddings untied", "saved", M, "float32", "transformers", ("untied",), untied),
    Planted("tied head not merged", "saved", G, "f32", "llama_cpp", ("untied",), head_of_the_base),
    Planted("added token's row missing", "lora", M, "float32", "transformers", ("row-missing",), row_missing),
    Planted("vocabulary padded wrongly", "lora", M, "float32", "transformers", ("vocabulary-padded",), padded),
    Planted("wrong dtype overflow", "lora", M, "float16", "transformers", ("overflow", "not-a-number"), overflow),
    Planted("a shard missing", "lora", M, "float32", "transformers", ("shard-missing",), shard_missing),
    Planted("a shard of another run", "lora", M, "float32", "transformers", ("shard-of-another-run",), foreign_shard),
    Planted("base revision differs", "lora", A, None, "peft", ("base-differs",), other_base),
    Planted(
        "quantised base merged without dequantising", "nf4", M, "float32", "transformers",
        ("merged-without-dequantising",), careless_merge,
    ),
    Planted("classifier head lost", "classify", M, "float32", "transformers", ("head-lost",), head_lost),
    Planted("DoRA magnitudes lost", "dora", A, None, "peft", ("magnitudes-lost",), magnitudes_lost),
    Planted("wrong adapter of two", "lora", A, None, "peft", ("weights-of-another-run",), wrong_adapter),
    Planted("real base: server answers as the base", "real", G, "lora", "llama_cpp", ("base-answers",), base_alone),
    Planted("real base: rotary permutation missed", "real", G, "f16", "llama_cpp", ("rows-permuted",), not_turned),
    Planted("real base: one layer's B zero", "real", A, None, "peft", ("zeroed",), layer_of_zeros),
    Planted("real base: base revision differs", "real", A, None, "peft", ("base-differs",), other_base),
]  # fmt: skip
