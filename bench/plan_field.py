"""The field's questions, answered by the planner, as Markdown: `python -m bench.plan_field`. Needs no torch."""

from __future__ import annotations

from dataclasses import replace

from whet.planning.machine import GPU_PROCESS
from whet.planning.memory import Setting, predict
from whet.planning.public_models import PUBLIC
from whet.planning.settings import fits, suggest

ROW = Setting(tokens=512, longest=512, rank=16, recompute=True, device="cuda", process=GPU_PROCESS)
"""One row of 512 tokens, the length of QLoRA's runs (Dettmers et al. 2023, table 9)."""
FULL = replace(ROW, rank=None)
NF4 = replace(ROW, quantised=True)
QUESTIONS = [
    ("full fine-tuning of a 7B", "llama-7b", FULL, (24, 80, 141), "-"),
    ("LoRA of a 7B in bfloat16", "llama-2-7b", ROW, (24,), "-"),
    ("the same, layers not recomputed", "llama-2-7b", replace(ROW, recompute=False), (24,), "-"),
    ("LoRA of a 7B in 4 bits", "llama-2-7b", NF4, (16, 24), "-"),
    ("full fine-tuning of a 65B", "llama-65b", FULL, (80,), "more than 780 GB [1]"),
    ("LoRA of a 65B in 4 bits, rank 16", "llama-65b", NF4, (48, 80), "less than 48 GB [1]"),
    ("LoRA of a 65B in 4 bits, rank 64", "llama-65b", replace(NF4, rank=64), (48, 80), "less than 48 GB, paged [1]"),
    ("LoRA of a 70B in 4 bits", "llama-2-70b", NF4, (48, 80), "-"),
]


def memory_table() -> str:
    lines = ["| question | weights | trained | rest | total (GB) | fits in | paper |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | --- | --- |")
    for question, name, setting, sizes, paper in QUESTIONS:
        memory = predict(PUBLIC[name].shape, setting)
        trained = memory.adapter + memory.optimizer + memory.gradients
        parts = (memory.weights, trained, memory.total - memory.weights - trained, memory.total)
        answers = ", ".join(f"{size} GB: {'yes' if fits(memory, size * 10**9) else 'no'}" for size in sizes)
        lines.append(f"| {question} | {' | '.join(f'{part / 1e9:.1f}' for part in parts)} | {answers} | {paper} |")
    return "\n".join(lines)


def suggestion_table() -> str:
    lines = ["| base | asked | memory | suggestion |", "| --- | --- | ---: | --- |"]
    asked = replace(ROW, tokens=4096, longest=1024, recompute=False)
    for name, setting, words, sizes in (
        ("llama-2-7b", asked, "LoRA", (16, 24)),
        ("llama-2-7b", replace(asked, rank=None), "full", (24, 80)),
        ("llama-65b", asked, "LoRA", (48, 80)),
        ("qwen2.5-0.5b", replace(asked, rank=None), "full", (16,)),
    ):
        for size in sizes:
            found = suggest(PUBLIC[name].shape, setting, size * 10**9)
            lines.append(f"| {name} | {words} | {size} GB | {found.sentence if found else 'nothing fits'} |")
    return "\n".join(lines)


def gpt3_table() -> str:
    """LoRA on queries and values, as in the paper: two square maps a layer."""
    shape = PUBLIC["gpt-3-175b"].shape
    lines = [
        "| rank | trained | times fewer than all | in 16 bits | paper [2] |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    papers = {1: "4.7M (table 4)", 4: "35 MB, about 10,000 times (section 4.2)", 8: "37.7M (table 4)"}
    for rank, paper in papers.items():
        numbers = shape.layers * 2 * rank * 2 * shape.hidden
        fewer = shape.parameters / numbers
        lines.append(f"| {rank} | {numbers:,} | {fewer:,.0f} | {2 * numbers / 1e6:.1f} MB | {paper} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print("\n\n".join((memory_table(), suggestion_table(), gpt3_table())))
