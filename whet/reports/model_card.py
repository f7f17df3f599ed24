"""README.md of a saved model: a model card, as the Hugging Face Hub reads it, with what the run knows and nothing else.

It names files, never folders, and tells no row: who publishes a model has not agreed to publish where it was made or
what it learned from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from whet.data.read.hub import is_name
from whet.errors import HIDDEN
from whet.evaluation.facts import Evaluation, TrainingFacts
from whet.recipe.bases import GGUF, NANO
from whet.recipe.schema import Recipe
from whet.reports.sections.evidence.cost import ForgettingView, forgetting_view
from whet.reports.sections.evidence.difference import verdict_view
from whet.reports.sections.evidence.opponents import OpponentsView, independence, opponents_view
from whet.reports.sections.first.decision import effort
from whet.reports.sheet import Sheet
from whet.store.atomic import write_text
from whet.store.reading import optional_json, read_json_file
from whet.store.run import Run
from whet.text.numbers import format_duration
from whet.text.wording import capitalise, flatten

CARD = "README.md"
SETTINGS = (
    "method", "adapter", "quantise", "max_tokens", "too_long", "learning_rate", "batch_tokens", "epochs", "steps",
    "schedule", "optimizer", "keep", "split", "dtype", "seed",
)  # fmt: skip
"""Keys of the recipe that say how it was trained. What names files, servers or texts of the user's own is shortened."""
LONGEST = 60
"""Characters of a setting; a prompt is not a setting."""
HEX = 16
FIXED = "always the same answer"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def write_card(run: Run) -> Path:
    """Writes README.md into the model folder of a trained run, measured or not, and returns its path."""
    path = run.model / CARD
    write_text(path, card(run))
    return path


def card(run: Run) -> str:
    """The whole text."""
    recipe, facts = run.recipe, run.read_json("run.json")
    evaluation, training, ledger = (
        optional_json(run.folder / f"{name}.json", {}) for name in ("evaluation", "training", "ledger")
    )
    evaluation = without_answer(evaluation)
    model = read_json_file(run.model / "whet.json", "base", "adapter", "dtype", "base_fingerprint")
    place = facts.get("working_folder") or "."
    parts = [
        f"# {escaped(run.name)}",
        f"{base_name(model)} tuned with Whet by the method `{recipe.method.kind}` ({recipe.adapter.kind}).",
        *verdict(evaluation),
        *sheet_part("## What it was held against", opponents_view(evaluation) if evaluation else None),
        *sheet_part("## What it cost elsewhere", forgetting_view(evaluation) if evaluation else None),
        "## Data",
        table(("what", "value"), data_rows(recipe, facts, ledger, place)),
        "## Settings",
        table(("key", "value"), settings(recipe)),
        "## What it took",
        *took(evaluation or training, run),
        "## Use",
        *use(run, recipe, model),
        "## Before it is published",
        before(model),
    ]
    text = "\n\n".join(HIDDEN.sub("\ufffd", part) for part in parts)

    return f"---\n{front(recipe, model, place)}---\n\n{text}\n"


def without_answer(evaluation: Evaluation) -> Evaluation:
    """The evaluation without the answer of the opponent that always gives the same one: it is a row's."""
    against = (evaluation.get("verdict") or {}).get("against") or []
    label = next((str(entry["label"]) for entry in against if entry["name"] == "constant"), "")

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(label, FIXED).replace(capitalise(label), capitalise(FIXED))
        if isinstance(value, dict):
            return {key: replaced(one) for key, one in value.items()}
        if isinstance(value, list):
            return [replaced(one) for one in value]
        return value

    if label:
        return replaced(evaluation)
    return evaluation


def front(recipe: Recipe, model: dict[str, Any], place: str) -> str:
    """Metadata of the Hub (https://huggingface.co/docs/hub/model-cards). The licence is left to who publishes: it
    depends on the base and on the data."""
    lora = recipe.adapter.kind == "lora" and not recipe.method.has_head
    facts: dict[str, Any] = {}

    if on_hub(model["base"]):
        facts |= {"base_model": model["base"], "base_model_relation": "adapter" if lora else "finetune"}
    sets = [name.partition(":")[0] for name in names_of(recipe.data) if is_set(name, place)]
    if sets:
        facts["datasets"] = sets

    headed = recipe.method.has_head
    facts |= {
        "library_name": "peft" if lora else "transformers",
        "pipeline_tag": "text-classification" if headed else "text-generation",
        "tags": ["whet", recipe.method.kind, recipe.adapter.kind],
    }

    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)


def verdict(evaluation: Evaluation) -> Iterator[str]:
    """The verdict in its own sentence, and on how many rows it rests."""
    if evaluation.get("verdict"):
        told = verdict_view(evaluation)
    else:
        told = None

    if told is None:
        yield "**It was not measured**: whether it is better than its base is not known."
        return

    yield f"**{escaped(told['sentence'])}**"
    if ship := (evaluation.get("ship") or {}).get("sentence"):
        yield f"Should it be used? {escaped(ship)}"
    if rows := independence(evaluation):
        yield f"Measured on {rows} that training never saw."


def sheet_part(title: str, view: OpponentsView | ForgettingView | None) -> Iterator[str]:
    if view is None:
        return
    sheet: Sheet = view["sheet"]
    yield title
    cells = []
    for row in sheet.rows:
        cells.append([f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row])
    yield table(sheet.columns, cells)


def data_rows(recipe: Recipe, facts: dict[str, Any], ledger: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    names = names_of(recipe.data)
    yield "data", ", ".join(code(name) if is_set(name, place) else last_name(name) for name in names)

    if recipe.test:
        yield "test file", last_name(recipe.test)
    yield "sha256 of the data", str(facts.get("data_sha256", "not recorded"))
    held = ledger.get("held_out") or {}
    counts = {"rows read": ledger.get("rows_in"), "trained on": ledger.get("trained")}
    counts |= {f"held out for {part}": held.get(part) for part in ("validation", "test")}
    counts |= {"tokens to learn": ledger.get("supervised_tokens")}
    yield from ((key, f"{value:,}") for key, value in counts.items() if value is not None)


def settings(recipe: Recipe) -> list[tuple[str, str]]:
    """(key, value) of what says how it was trained, shortened."""
    values = recipe.model_dump(mode="json", include=set(SETTINGS), exclude_none=True)
    ordered = {key: values[key] for key in SETTINGS if key in values}
    return [(key, brief(text)) for key, text in flatten(ordered)]


def brief(text: str) -> str:
    """A setting; of a path its last name, of a server nothing, of a text its length."""
    if "://" in text:
        return "a server"
    if len(text) > LONGEST or "\n" in text:
        return f"a text of {len(text):,} characters"
    return last_name(text)


def took(facts: Evaluation | TrainingFacts, run: Run) -> Iterator[str]:
    """Time, memory and the machine."""
    machine = read_json_file(run.folder / "environment.json")
    packages = machine.get("packages") or {}
    rows = [("training", effort(facts) or "not recorded")]

    seconds = facts.get("evaluation_seconds")
    if seconds is not None:
        rows.append(("measuring", format_duration(seconds)))
    devices = ", ".join(map(str, machine.get("devices") or []))
    rows.append(("machine", devices or f"{machine.get('cpu')}, {machine.get('cores_usable')} cores"))
    names = [f"{name} {packages[name]}" for name in ("torch", "transformers", "peft") if packages.get(name)]
    rows.append(("software", ", ".join([f"whet {machine.get('whet')}", *names])))
    yield table(("what", "value"), rows)


def use(run: Run, recipe: Recipe, model: dict[str, Any]) -> Iterator[str]:
    """Commands and code that open it. FOLDER is the folder of this file."""
    headed = recipe.method.has_head
    if not headed:
        yield f"In Whet, where it was trained:\n\n```sh\nwhet chat {run.name}\n```"

    yield "FOLDER is the folder of this file:"
    if headed:
        kind = "SequenceClassification"
    else:
        kind = "CausalLM"

    lines = ["import torch"]
    if model["adapter"] == "lora" and not headed:
        if on_hub(model["base"]):
            base = model["base"]
        else:
            base = "BASE"

        if model.get("quantise"):
            more = ", BitsAndBytesConfig"
        else:
            more = ""

        load = f'AutoModelForCausalLM.from_pretrained("{base}", dtype=torch.{model["dtype"]}{quantised(model)})'
        lines += ["from peft import PeftModel"]
        lines += [f"from transformers import AutoModelForCausalLM, AutoTokenizer{more}", ""]
        lines += [f"base = {load}", 'model = PeftModel.from_pretrained(base, "FOLDER")']
    else:
        lines += [f"from transformers import AutoModelFor{kind}, AutoTokenizer", ""]
        lines += [f'model = AutoModelFor{kind}.from_pretrained("FOLDER", dtype=torch.{model["dtype"]})']

    lines += ['tokenizer = AutoTokenizer.from_pretrained("FOLDER")']
    yield "```python\n" + "\n".join(lines) + "\n```"

    if '"BASE"' in "".join(lines):
        yield (
            f"BASE is {folder_of_base(model)}. Its weights must be those of the training (fingerprint "
            f"`{str(model['base_fingerprint'])[:HEX]}`, which Whet proves whenever it opens the model)."
        )

    if recipe.method.target is not None:
        yield "The classes, and from which probability each is named, are in `config.json` and `whet.json`."


def quantised(model: dict[str, Any]) -> str:
    """An argument that loads the base in 4 bits, as it was in training."""
    if not model.get("quantise"):
        return ""
    return (
        ', quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
        f"bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.{model['dtype']})"
    )


def folder_of_base(model: dict[str, Any]) -> str:
    """Where transformers finds the base of an adapter."""
    name = model["base"]
    if name == NANO or name.lower().endswith(GGUF):
        if name == NANO:
            told = NANO
        else:
            told = re.split(r"[/\\]", name)[-1]
        return f"what `python -c 'from whet.model.base import locate; print(locate(\"{told}\"))'` prints"

    return f"the folder of {base_name(model)}"


def before(model: dict[str, Any]) -> str:
    """What nobody but the owner can say, and what still names a folder of this machine."""
    said = "The licence follows from those of the base and of the data; state it above, as `license:`."
    if not on_hub(model["base"]):
        said += (
            " `adapter_config.json` and `whet.json` name the base by its place on the machine that trained it; give it "
            "the name under which others get it."
        )
    return said


def base_name(model: dict[str, Any]) -> str:
    name = model["base"]
    if name == NANO:
        return "Whet's bundled base `nano`"
    if on_hub(name):
        return f"[{name}](https://huggingface.co/{name})"
    return last_name(name)


def on_hub(base: str) -> bool:
    """Of a base as whet.json names it: one on this disk by its whole path."""
    return bool(HUB_NAME.fullmatch(base))


def is_set(name: str, place: str) -> bool:
    """Whether data are a set on the Hub, for a run that was started in the folder `place`."""
    return is_name(name) and not Path(place, name).exists()


def names_of(data: str | list[str]) -> list[str]:
    return [data] if isinstance(data, str) else data


def last_name(path: str) -> str:
    """The last part of a path, as code."""
    return code(re.split(r"[/\\]", path.rstrip("/\\"))[-1])


def code(text: str) -> str:
    return f"`{text.replace('`', ' ')}`"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def escaped(text: str) -> str:
    """Nothing in a cell ends it, starts a line or is taken for HTML."""
    return re.sub(r"\s*[\r\n]+\s*", " ", text).replace("|", "\\|").replace("<", "&lt;")
