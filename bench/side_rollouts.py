"""GRPO on the same prompts: Whet's session, or TRL's GRPOTrainer, G = 8 answers of 64 tokens to each prompt.
PPO: Whet's session alone, because TRL 1.16 has no PPO trainer any more.

    python -m bench.side_rollouts build/bench grpo whet

Both sides write their own answers, so their losses cannot be compared; the work can: the same prompts, as many answers,
and, since random weights practically never write the stop token, as many tokens. The reward is whether a rare pair of
letters occurs, so that groups differ and something is learned from.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from bench.material import ALPHA, RANK, base_name, base_path, read_rows
from bench.measure import Steps, finish
from bench.tasks import BY_NAME, Task

PATTERN = "[Qq]u|ck"


def rate(steps: Steps, task: Task) -> float:
    """Answers a second from the end of the first rollout's last step to the end of the last step."""
    ends = steps.stamps[task.updates - 1 :]
    rollouts = (len(ends) - 1) // task.updates
    return task.batch * task.samples * rollouts / (ends[-1] - ends[0])


def whet(folder: Path, task: Task) -> None:
    from bench.side_whet import Stamps
    from whet.methods import method_of
    from whet.recipe.load import load_recipe
    from whet.store.run import Run
    from whet.training.session import open_session, train

    method = {
        "kind": task.method,
        "rewards": [{"kind": "regex", "pattern": PATTERN}],
        "prompts": task.batch,
        "samples": task.samples,
        "updates": task.updates,
        "max_new_tokens": task.new_tokens,
    }
    values = {
        "data": str(folder / f"{task.name}.jsonl"),
        "base": base_name(folder, task.model),
        "method": method,
        "adapter": {"kind": "lora", "rank": RANK, "alpha": ALPHA},
        "split": {"validation": 0, "test": 0},
        "learning_rate": task.rate,
        "schedule": {"kind": "constant", "warmup": 0},
        "optimizer": {"beta2": 0.999},
        "steps": task.steps,
        "checkpoint_every": task.steps,
        "evaluate": {"every": task.steps, "forgetting": False},
    }
    stamps = Stamps()
    with tempfile.TemporaryDirectory() as runs:
        recipe = load_recipe(values, [])
        run = Run.create(runs, recipe, "bench")
        with run.working():
            session = open_session(recipe, run, method_of, stamps)
            trained = train(session, stamps)
        lines = [line for line in run.metrics() if line["step"] >= task.updates]
    share = sum(line.get("rollout_seconds", 0.0) for line in lines) / sum(line["seconds"] for line in lines)
    finish(
        answers_per_second=rate(stamps.steps, task),
        first_step_seconds=stamps.steps.first_step_seconds,
        settings=f"{session.recipe.dtype}, {trained.check.path} path, {share:.0%} of the time writing",
    )


def trl(folder: Path, task: Task, side: str) -> None:
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from transformers.utils import logging
    from trl import GRPOConfig, GRPOTrainer

    from bench.side_trl import SETTINGS, describe

    steps = Steps()

    class Stamp(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            steps.end(0.0)

    def reward(completions: list[Any], **kwargs: Any) -> list[float]:
        return [float(bool(re.search(PATTERN, answer[0]["content"]))) for answer in completions]

    logging.set_verbosity_error()
    disable_progress_bars()
    path = base_path(folder, task.model)
    rows = [{"prompt": row["prompt"]} for row in read_rows(folder, task)]
    with tempfile.TemporaryDirectory() as output:
        trainer = GRPOTrainer(
            model=path,
            reward_funcs=reward,
            args=GRPOConfig(
                **SETTINGS[side],
                output_dir=output,
                use_cpu=True,
                per_device_train_batch_size=task.batch * task.samples,
                num_generations=task.samples,
                max_completion_length=task.new_tokens,
                max_steps=task.steps,
                learning_rate=task.rate,
                lr_scheduler_type="constant",
                shuffle_dataset=False,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(path),
            peft_config=LoraConfig(r=RANK, lora_alpha=int(ALPHA), target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Stamp()],
        )
        trainer.train()
    finish(
        answers_per_second=rate(steps, task),
        first_step_seconds=steps.first_step_seconds,
        settings=describe(trainer),
    )


if __name__ == "__main__":
    asked = BY_NAME[sys.argv[2]]
    whet(Path(sys.argv[1]), asked) if sys.argv[3] == "whet" else trl(Path(sys.argv[1]), asked, sys.argv[3])
