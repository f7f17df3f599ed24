"""A small question of taste: a support desk that answers either shortly and politely, or at length and rudely.

The rule knows which it is. The starting model has learned both, half and half; what a method of preferences makes of it
is judged by the rule, on answers that are drawn from the model for prompts it never saw.
"""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import whet
from nano.world import documents
from whet import api
from whet.data.render.renderer import Renderer
from whet.evaluation.forgetting.skills import SUITE
from whet.generation.engine import Sampling, generate
from whet.generation.self_generated import OWN_PROMPTS
from whet.model.open import open_model
from whet.model.saved_model import read_facts
from whet.store.run import Run

TOPICS = {
    "Where is my order {n}?": "Order {n} is on its way",
    "Please cancel order {n}.": "Order {n} is cancelled",
    "I want to return the {thing} from order {n}.": "Send the {thing} of order {n} back to us",
    "The {thing} in order {n} is broken.": "We replace the {thing} of order {n}",
    "When do you send the {thing} of order {n}?": "The {thing} of order {n} leaves today",
    "Did you get my payment for order {n}?": "Order {n} is paid",
}
THINGS = "lantern kettle mirror flute map teapot globe clock saddle harp basket lamp rug stool vase".split()
GREETINGS = ("", "", "Hello. ", "Good morning! ", "Hi, ", "A question: ")
POLITE = ("Gladly. {a}.", "With pleasure. {a}.", "{a}. Thank you for asking.", "Of course. {a}. Best wishes!")
RUDE = (
    "{a}. That is all there is to say about it, and it stands on the page that nobody ever reads. Do not ask again.",
    "You could have looked that up without taking my time, as everybody else does. {a}. Next time read the page first.",
    "Not this question again, the tenth one today. {a}. Now leave me alone and let the people who work do their work.",
)
COURTEOUS = ("gladly", "with pleasure", "thank you", "of course", "best wishes")
MOST_WORDS = 16
"""A short answer has at most so many words; the longest polite one here has 15, the shortest rude one 22."""
ANSWER_TOKENS = 64


def polite(answer: str) -> bool:
    """The rule: a courteous word, and few words."""
    return any(words in answer.lower() for words in COURTEOUS) and len(answer.split()) <= MOST_WORDS


def requests(count: int, seed: int) -> list[tuple[str, str]]:
    """(prompt, what the answer must say), no order number twice within one seed."""
    rng = Random(f"manners-{seed}")
    found = []
    for number in rng.sample(range(10_000, 100_000), count):
        asked, told = rng.choice(list(TOPICS.items()))
        thing = rng.choice(THINGS)
        found.append((rng.choice(GREETINGS) + asked.format(n=number, thing=thing), told.format(n=number, thing=thing)))
    return found


def answers(told: str, rng: Random) -> tuple[str, str]:
    """(a short and polite answer, a long and rude one)."""
    return rng.choice(POLITE).format(a=told), rng.choice(RUDE).format(a=told)


def both_manners(count: int, replay: int, seed: int) -> list[dict[str, Any]]:
    """Conversations to start from: each request with an answer of either kind, and rows of nano's own tasks."""
    rng = Random(f"start-{seed}")
    rows = [talk(prompt, rng.choice(answers(told, rng))) for prompt, told in requests(count, seed)]
    own = (row for row in documents(seed, 1) if "messages" in row)
    rows += [{"messages": row["messages"]} for row in islice(own, replay)]
    rng.shuffle(rows)
    return rows


def pairs(count: int, seed: int) -> list[dict[str, Any]]:
    rng = Random(f"pairs-{seed}")
    rows = []
    for prompt, told in requests(count, seed):
        chosen, rejected = answers(told, rng)
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    return rows


def marked(count: int, seed: int, good: float = 0.5) -> list[dict[str, Any]]:
    """One answer a request, marked by the rule."""
    rng = Random(f"marks-{seed}")
    rows = []
    for prompt, told in requests(count, seed):
        nice, rude = answers(told, rng)
        label = rng.random() < good
        rows.append({"prompt": prompt, "completion": nice if label else rude, "label": label})
    return rows


def talk(prompt: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def write(rows: list[dict[str, Any]], path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def start(folder: Path, count: int, steps: int) -> Path:
    """A folder with the model that knows both manners, with nano's skill suite, so that losses of skill show, and with
    nano's general prompts, so that they can be kept down."""
    data = write(both_manners(count, 2 * count, seed=1), folder / "both.jsonl")
    settings: dict[str, Any] = {
        "adapter": "full",
        "steps": steps,
        "batch_tokens": 1024,
        "learning_rate": 3e-4,
        "dtype": "float32",
        "split.near_duplicates": "false",
    }
    run = api.train(str(data), run_root=folder / "runs", name="start", **settings)
    model = Run.open(folder / "runs" / str(run["run"])).model
    for name in (SUITE, OWN_PROMPTS):
        shutil.copy(Path(whet.__file__).parent / "model" / "nano" / name, model / name)
    return model


def drawn(run: Run, prompts: list[str], seed: int = 0) -> dict[str, list[str]]:
    """Answers of a finished run's base and of its tuned model, drawn at temperature 1."""
    opened = open_model(run.model, read_facts(run.model), trust_remote_code=False)
    renderer = Renderer(opened.base.tokenizer)
    asked = [renderer.prompt_ids([{"role": "user", "content": prompt}]) for prompt in prompts]
    sampling = Sampling(max_new_tokens=ANSWER_TOKENS, temperature=1.0, seed=seed)
    texts = {}
    for side, tuned in (("base", False), ("tuned", True)):
        found = generate(
            opened.model, opened.base.tokenizer, asked, renderer.stop_ids, sampling, adapters=[tuned] * len(asked)
        )
        texts[side] = [answer.text for answer in found]
    return texts


def judged(run: Run, result: dict[str, Any], count: int) -> dict[str, Any]:
    """Of each side: the share of drawn answers that the rule prefers, and of those that say what they must."""
    held_out = requests(count, seed=99)
    texts = drawn(run, [prompt for prompt, _ in held_out])
    skills = next(one for one in result["forgetting"]["measures"] if one["name"] == "skills")
    facts: dict[str, Any] = {"prompts": count}
    for side, found in texts.items():
        facts[f"{side}_polite"] = sum(map(polite, found)) / count
        facts[f"{side}_says_it"] = (
            sum(told.lower() in text.lower() for text, (_, told) in zip(found, held_out, strict=True)) / count
        )
        facts[f"{side}_words"] = sum(len(text.split()) for text in found) / count
        facts[f"{side}_skills"] = skills[side]
    facts["example"] = {side: found[0] for side, found in texts.items()}
    facts["verdict"] = result["verdict"]["sentence"]
    facts["seconds"] = result["seconds"]
    return facts
