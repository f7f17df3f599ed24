"""TRL and PEFT's side of a training task: SFTTrainer or DPOTrainer on the same rows in the same order.

    python -m bench.side_trl build/bench sft-lora trl-best

The trainer renders the rows itself with the base's chat template; the digest of its token ids is compared with Whet's.
What both settings share is what makes the work equal (rows, order, batch, rate, first adapter) and what only costs
time (reports, saving); the rest of the default is TRL's own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from bench.material import ALPHA, RANK, base_path, read_facts, read_rows
from bench.measure import Steps, digest, finish
from bench.tasks import BY_NAME, Task

SETTINGS: dict[str, dict[str, Any]] = {
    "trl-default": {"model_init_kwargs": None},
    "trl-best": {"gradient_checkpointing": False, "model_init_kwargs": {"dtype": "bfloat16"}},
}
TRAINERS: dict[str, tuple[Any, Any]] = {
    "sft": (SFTTrainer, SFTConfig),
    "dpo": (DPOTrainer, DPOConfig),
    "reward": (RewardTrainer, RewardConfig),
}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BEST_OF_SFT: dict[str, Any] = {"padding_free": True, "max_length": None}
"""Not for DPO: DPOTrainer 1.16 has no padding_free, it says so and pads. Not for nano: one flat row makes attention
quadratic in the whole batch, which in a model that small costs more than the padding (README.md has the numbers)."""


def arguments(task: Task, side: str, output: str) -> dict[str, Any]:
    flat = side == "trl-best" and task.method == "sft" and task.model != "nano"
    best = BEST_OF_SFT if flat else {}
    settings = {key: value for key, value in SETTINGS[side].items() if task.method != "reward" or "init" not in key}
    return (
        settings
        | best
        | {
            "output_dir": output,
            "use_cpu": True,
            "per_device_train_batch_size": task.batch,
            "max_steps": task.steps,
            "learning_rate": task.rate,
            "lr_scheduler_type": "constant",
            "train_sampling_strategy": "sequential",
            "report_to": "none",
            "save_strategy": "no",
            "logging_strategy": "no",
            "disable_tqdm": True,
        }
    )


def timed(trainer_class: Any) -> Any:
    """The trainer with a stamp at the end of each step; with one batch a step, its loss is the step's."""

    class Timed(trainer_class):
        steps = Steps()

        def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
            self.last_loss = super().training_step(*args, **kwargs)
            return self.last_loss

    return Timed


def learned_rows(dataset: Any) -> Iterator[tuple[list[int], list[bool]]]:
    """Token ids, and which are learned, as the trainer prepared them."""
    for row in dataset:
        if "labels" in row:
            yield row["input_ids"], [label != -100 for label in row["labels"]]
        elif "prompt_ids" not in row:  # a reward model learns from whole texts
            for text in (row["chosen_ids"], row["rejected_ids"]):
                yield text, [False] * len(text)
        else:
            for answer in (row["chosen_ids"], row["rejected_ids"]):
                yield row["prompt_ids"] + answer, [False] * len(row["prompt_ids"]) + [True] * len(answer)


def measure(folder: Path, task: Task, side: str) -> None:
    class Stamp(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            trainer.steps.end(float(trainer.last_loss))

    logging.set_verbosity_error()
    disable_progress_bars()
    trainer_class, config_class = TRAINERS[task.method]
    path = base_path(folder, task.model)
    tokenizer = AutoTokenizer.from_pretrained(path)
    lora = LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules="all-linear", task_type="CAUSAL_LM")
    model = path
    if task.method == "reward":
        lora = LoraConfig(
            r=RANK, lora_alpha=int(ALPHA), target_modules=LINEARS, task_type="SEQ_CLS", modules_to_save=["score"]
        )
        model = with_a_score(path, tokenizer, side)
    with tempfile.TemporaryDirectory() as output:
        trainer = timed(trainer_class)(
            model=model,
            args=config_class(**arguments(task, side, output)),
            train_dataset=Dataset.from_list(read_rows(folder, task)),
            processing_class=tokenizer,
            peft_config=lora if task.adapter == "lora" else None,
            callbacks=[Stamp()],
        )
        if task.adapter == "lora":
            first = load_file(folder / f"{task.model}-lora" / "adapter_model.safetensors")
            if task.method == "reward":
                first["base_model.model.score.weight"] = torch.zeros(1, trainer.model.config.hidden_size)
            loaded = set_peft_model_state_dict(trainer.model, first)
            assert not loaded.unexpected_keys, loaded.unexpected_keys
        found = digest(learned_rows(trainer.train_dataset))
        trainer.train()
    finish(
        tokens_per_second=trainer.steps.rate(read_facts(folder, task)["tokens"]),
        losses=trainer.steps.losses,
        first_step_seconds=trainer.steps.first_step_seconds,
        digest=found,
        settings=describe(trainer),
    )


def with_a_score(path: str, tokenizer: Any, side: str) -> Any:
    """The base with a scalar head, which `measure` sets to the zeros that Whet's begins with."""
    given = SETTINGS[side]["model_init_kwargs"] or {"dtype": "float32"}
    return AutoModelForSequenceClassification.from_pretrained(
        path, num_labels=1, pad_token_id=tokenizer.pad_token_id, **given
    )


def describe(trainer: Any) -> str:
    args, weights = trainer.args, {str(p.dtype).removeprefix("torch.") for p in trainer.model.parameters()}
    parts = [
        f"weights {'+'.join(sorted(weights))}",
        "bf16 autocast" if args.bf16 else "no autocast",
        "gradient checkpointing" if args.gradient_checkpointing else "no gradient checkpointing",
        "padding-free" if getattr(trainer, "padding_free", False) else "padded",
    ]
    return ", ".join(parts)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), BY_NAME[sys.argv[2]], sys.argv[3])
