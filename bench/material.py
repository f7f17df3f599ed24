"""Models, rows and first adapters that every side reads, written once into a folder.

    python -m bench.material build/bench sft-lora

FOLDER/MODEL/            the base, as save_pretrained writes it (135m, tiny; nano is Whet's own)
FOLDER/MODEL-lora/       the first adapter: Whet's own, loaded by the peer, so that both start from the same numbers
FOLDER/TASK.jsonl        rows in the order of training, as messages: prompt and completion, or prompt, chosen, rejected
FOLDER/TASK.facts.json   tokens of each step and the digest of all token ids, as Whet's renderer makes them

A step holds rows of similar length, and the steps are shuffled: the padding that the peers would otherwise pay for is
mostly gone before the measurement begins.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bench.measure import digest
from bench.tasks import BY_NAME, Task
from whet.data.render.renderer import Renderer
from whet.model.adapter import add_adapter
from whet.model.base import load_base, load_tokenizer, locate
from whet.recipe.schema import Lora
from whet.types import Row

DATA = Path(os.environ.get("WHET_DATA", Path(__file__).parents[2] / "shared" / "data"))
SHAPES: dict[str, dict[str, int]] = {
    "135m": {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
    },
    "tiny": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
    },
}
RANK, ALPHA = 16, 32.0
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Without the line break that usually stands after a turn: TRL learns it as part of the answer, Whet does not."""
Messages = list[dict[str, str]]


def base_name(folder: Path, model: str) -> str:
    """What Whet's `base` key takes: a folder, or nano."""
    return "nano" if model == "nano" else str(folder / model)


def base_path(folder: Path, model: str) -> str:
    """The same for transformers, which knows folders only."""
    return locate(base_name(folder, model))


def prepare(folder: Path, task: Task) -> None:
    """Write what the task reads and is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    if task.model != "nano" and not (folder / task.model / "config.json").is_file():
        _write_base(folder / task.model, SHAPES[task.model])
    if task.kind == "rollouts":
        lines = [{"prompt": row["prompt"]} for row in sft_rows(task.steps * task.batch)]
        (folder / f"{task.name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if task.kind == "train":
        if task.adapter == "lora" and not (folder / f"{task.model}-lora").is_dir():
            _write_adapter(folder, task.model)
        _write_rows(folder, task)
    if task.kind == "generate":
        _write_prompts(folder, task)


def _write_base(folder: Path, shape: dict[str, int]) -> None:
    """Random weights from a seed, in bfloat16, and GPT-2's tokenizer with ChatML's two control tokens."""
    tokenizer = gpt2_tokenizer()
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,  # type: ignore[arg-type]
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def gpt2_tokenizer() -> PreTrainedTokenizerFast:
    """GPT-2's byte-level BPE from its two files (WHET_DATA/raschka), with a chat template."""
    bpe = Tokenizer(BPE.from_file(str(DATA / "raschka" / "encoder.json"), str(DATA / "raschka" / "vocab.bpe")))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(name, special=True) for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    made.chat_template = CHATML
    return made


def _write_adapter(folder: Path, model: str) -> None:
    """Whet's own first adapter of seed 0, with the recipe's own names, in PEFT's file format."""
    base = load_base(base_name(folder, model), torch.float32)
    add_adapter(base.model, Lora(rank=RANK, alpha=ALPHA), 0).save_pretrained(folder / f"{model}-lora")


def _write_rows(folder: Path, task: Task) -> None:
    renderer = Renderer(load_tokenizer(base_name(folder, task.model)))
    wanted = task.steps * task.batch
    rows = sft_rows(wanted) if task.method == "sft" else preference_rows(wanted)
    rendered = [_rendered(renderer, row) for row in rows]
    lengths = [sum(len(ids) for ids, _ in paths) for paths in rendered]
    order = in_steps(lengths, task.batch)
    (folder / f"{task.name}.jsonl").write_text("".join(json.dumps(rows[i]) + "\n" for i in order))
    cuts = range(0, wanted, task.batch)
    facts = {
        "tokens": [sum(lengths[i] for i in order[cut : cut + task.batch]) for cut in cuts],
        "supervised": [
            sum(sum(learned) for i in order[cut : cut + task.batch] for _, learned in rendered[i]) for cut in cuts
        ],
        "digest": digest(path for i in order for path in rendered[i]),
    }
    (folder / f"{task.name}.facts.json").write_text(json.dumps(facts))


def in_steps(lengths: Sequence[int], batch: int) -> list[int]:
    """Positions ordered so that each run of `batch` holds similar lengths, the runs shuffled by a seed."""
    by_length = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    steps = [by_length[cut : cut + batch] for cut in range(0, len(by_length), batch)]
    random.Random(0).shuffle(steps)
    return [position for step in steps for position in step]


def _rendered(renderer: Renderer, row: dict[str, Messages]) -> list[tuple[list[int], list[bool]]]:
    """The sequences that a trainer reads of a row: one for an answer, two for a pair."""
    paths = []
    for answer in ("completion", "chosen", "rejected"):
        if answer in row:
            made = renderer.render(Row(0, "", messages=list(row["prompt"] + row[answer])))
            paths.append((made.ids, [weight > 0 for weight in made.weights]))
    return paths


def sft_rows(count: int) -> list[dict[str, Messages]]:
    """GSM8K's training questions with their worked answers, chosen by a seed."""
    lines = (DATA / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines()
    picked = random.Random(0).sample([json.loads(line) for line in lines], count)
    return [{"prompt": _user(row["question"]), "completion": _assistant(row["answer"])} for row in picked]


def preference_rows(count: int) -> list[dict[str, Messages]]:
    """Graded answers of four models to GSM8K's test questions: a right one chosen, a wrong one rejected."""
    pairs = []
    for line in (DATA / "gsm8k" / "example_model_solutions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        graded = [answer for answer in row.values() if isinstance(answer, dict)]
        right = [answer["solution"].strip() for answer in graded if answer["is_correct"]]
        wrong = [answer["solution"].strip() for answer in graded if not answer["is_correct"]]
        pairs += [
            {"prompt": _user(row["question"]), "chosen": _assistant(good), "rejected": _assistant(bad)}
            for good, bad in zip(right, wrong, strict=False)
        ]
    return random.Random(0).sample(pairs, count)


def _write_prompts(folder: Path, task: Task) -> None:
    """Questions of GSM8K's test part as token ids, of mixed lengths; Whet's renderer makes them for all sides."""
    renderer = Renderer(load_tokenizer(base_name(folder, task.model)))
    lines = (DATA / "gsm8k" / "test.jsonl").read_text("utf-8").splitlines()
    picked = random.Random(0).sample([json.loads(line) for line in lines], task.batch)
    prompts = [renderer.prompt_ids(_user(row["question"])) for row in picked]
    (folder / f"{task.name}.prompts.json").write_text(json.dumps(prompts))


def read_rows(folder: Path, task: Task) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{task.name}.jsonl").read_text().splitlines()]


def read_facts(folder: Path, task: Task) -> dict[str, Any]:
    return json.loads((folder / f"{task.name}.facts.json").read_text())


def _user(text: str) -> Messages:
    return [{"role": "user", "content": text}]


def _assistant(text: str) -> Messages:
    return [{"role": "assistant", "content": text}]


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), BY_NAME[sys.argv[2]])
