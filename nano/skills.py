"""The skill suite: fresh single-turn items whose answers an exact match can grade."""

from collections.abc import Callable
from random import Random

from nano.tasks_arithmetic import arithmetic
from nano.tasks_convert import csv_to_json, pairs_to_json
from nano.tasks_copy import lookup, repeat
from nano.tasks_instructions import instructions
from nano.tasks_json import extract
from nano.tasks_json_series import extract_by_example
from nano.tasks_lists import list_task
from nano.tasks_passage import passage_pair
from nano.world_facts import question_and_answer

Task = Callable[[Random, int], tuple[str, str]]


def short_fact(rng: Random, level: int) -> tuple[str, str]:
    return question_and_answer(rng, short=True)


SKILLS: dict[str, tuple[Task, ...]] = {
    "copying": (repeat, lookup, lookup),
    "json": (extract, extract, extract_by_example, pairs_to_json, csv_to_json),
    "facts": (short_fact,),
    "passage": (passage_pair,),
    "arithmetic": (arithmetic,),
    "instructions": (instructions, list_task),
}


def skills(seed: int, per_skill: int) -> dict[str, list[dict]]:
    """Held-out items by skill; none occurs twice, half are short and half of medium length."""
    return {name: skill_items(Random(f"skills-{seed}-{name}"), tasks, per_skill) for name, tasks in SKILLS.items()}


def skill_items(rng: Random, tasks: tuple[Task, ...], count: int) -> list[dict]:
    items: dict[str, dict] = {}
    while len(items) < count:
        task = tasks[len(items) % len(tasks)]
        user, answer = task(rng, int(rng.random() * 2))
        items.setdefault(user, {"messages": [{"role": "user", "content": user}], "answer": answer})
    return list(items.values())
