"""README.md of a saved model and of each release: a model card, as the Hugging Face Hub reads it, with what the run
knows and nothing else.

It names files, never folders, and tells no row: who publishes a model has not agreed to publish where it was made or
what it learned from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from whet.errors import HIDDEN
from whet.evaluation.facts import Evaluation
from whet.model.base_identity import HEX, PLACEHOLDER, BaseIdentity, base_identity
from whet.recipe.bases import GGUF, NANO
from whet.recipe.schema import Recipe
from whet.reports.card import evidence, release
from whet.reports.card.front import front
from whet.reports.card.markdown import code, escaped, fenced, listed, table
from whet.reports.proof_facts import ProvedRelease
from whet.store.atomic import write_text
from whet.store.reading import optional_json, read_json_file
from whet.store.run import Run

CARD = "README.md"


def write_card(run: Run) -> Path:
    """Writes README.md into the model folder of a trained run, measured or not, and returns its path."""
    path = run.model / CARD
    write_text(path, card(run))
    return path


def card(run: Run, released: ProvedRelease | None = None) -> str:
    """The whole text: of the run's model folder, or of a release; `released` holds its release.json and proof.json."""
    recipe, model = run.recipe, read_json_file(run.model / "whet.json", "base", "adapter", "dtype", "base_fingerprint")
    base, place = base_identity(model), run.read_json("run.json").get("working_folder") or "."
    foreign = run.imported

    if foreign:
        evaluation = cast(Evaluation, {})
        parts = list(imported(base))
    else:
        evaluation = evidence.without_answer(optional_json(run.folder / "evaluation.json", {}))
        parts = [f"{base_name(base)} tuned with Whet by the method `{recipe.method.kind}` ({recipe.adapter.kind})."]
        parts += evidence.verdict(evaluation)

    if released is not None:
        parts.append(release.proof(released))
    if not foreign:
        parts += made(run, recipe, evaluation, place)

    parts += ["## Licence", evidence.licences(model["base"])]
    parts += ["## What is not known", evidence.limits(evaluation), "## Use", *use(run, recipe, model, base, released)]
    if released is not None and released["notes"]:
        parts += ["## What was changed on the way", listed(released["notes"])]
    if released is None:
        parts += ["## Before it is published", before(base)]

    text = "\n\n".join(HIDDEN.sub("\ufffd", part) for part in [f"# {escaped(run.name)}", *parts])
    form, is_adapter = form_of(recipe, model, released)
    return f"---\n{front(run.name, recipe, base, place, form, is_adapter, evaluation)}---\n\n{text}\n"


def form_of(recipe: Recipe, model: Mapping[str, Any], released: ProvedRelease | None) -> tuple[str, bool]:
    """(how the weights lie there, whether they are an adapter)."""
    lora = model["adapter"] == "lora" and not recipe.method.has_head
    if released is None:
        return ("adapter" if lora else "merged"), lora

    form = str(released["facts"].get("as") or released["form"])
    return form, form == "adapter" or released["facts"].get("type") == "lora"


def imported(base: BaseIdentity) -> Iterator[str]:
    """Of a model that others trained."""
    yield (
        f"Others trained it over {base_name(base)}, and Whet took it in. Its lineage is unknown: neither what it "
        "learned from nor how."
    )
    yield evidence.NOT_MEASURED


def made(run: Run, recipe: Recipe, evaluation: Evaluation, place: str) -> Iterator[str]:
    """What it was held against, learned from and took."""
    if evaluation.get("verdict"):
        yield from evidence.comparisons(evaluation)

    ledger = optional_json(run.folder / "ledger.json", {}) or evaluation.get("ledger") or {}
    yield "## Data"
    yield table(("what", "value"), evidence.data_rows(recipe, run.read_json("run.json"), ledger, place))
    yield "## Settings"
    yield table(("key", "value"), evidence.settings(recipe))
    yield "## What it took"
    yield evidence.took(evaluation or optional_json(run.folder / "training.json", {}), run)


def use(
    run: Run, recipe: Recipe, model: dict[str, Any], base: BaseIdentity, released: ProvedRelease | None
) -> Iterator[str]:
    """Commands and code that open it."""
    headed = recipe.method.has_head
    if released is not None:
        yield from release.use(run.name, released, model["adapter"] == "lora", headed)
        over_base = any(PLACEHOLDER in text for text in released["commands"].values())
    else:
        yield from use_of_run(run, model, base, headed)
        over_base = model["adapter"] == "lora" and not headed and not base.on_hub

    if over_base:
        yield (
            f"BASE is {folder_of_base(model, base)}. Its weights must be those of the training (fingerprint "
            f"`{base.fingerprint[:HEX]}`, which Whet proves whenever it opens the model)."
        )
    if recipe.method.target is not None:
        yield "The classes, and from which probability each is named, are in `config.json` and `whet.json`."


def use_of_run(run: Run, model: dict[str, Any], base: BaseIdentity, headed: bool) -> Iterator[str]:
    """FOLDER is the model folder of the run."""
    if not headed:
        yield f"In Whet, where it was trained:\n\n```sh\nwhet chat {run.name}\n```"
    yield "FOLDER is the folder of this file:"

    if headed:
        kind = "SequenceClassification"
    else:
        kind = "CausalLM"

    lines = ["import torch"]
    if model["adapter"] == "lora" and not headed:
        if model.get("quantise"):
            more = ", BitsAndBytesConfig"
        else:
            more = ""

        place = f'"{base.reference}", dtype=torch.{model["dtype"]}{quantised(model)}'
        lines += ["from peft import PeftModel"]
        lines += [f"from transformers import AutoModelForCausalLM, AutoTokenizer{more}", ""]
        lines += [f"base = AutoModelForCausalLM.from_pretrained({place})"]
        lines += ['model = PeftModel.from_pretrained(base, "FOLDER")']
    else:
        lines += [f"from transformers import AutoModelFor{kind}, AutoTokenizer", ""]
        lines += [f'model = AutoModelFor{kind}.from_pretrained("FOLDER", dtype=torch.{model["dtype"]})']

    lines += ['tokenizer = AutoTokenizer.from_pretrained("FOLDER")']
    yield fenced("\n".join(lines), "python")


def quantised(model: dict[str, Any]) -> str:
    """An argument that loads the base in 4 bits, as it was in training."""
    if not model.get("quantise"):
        return ""
    return (
        ', quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", '
        f"bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.{model['dtype']})"
    )


def folder_of_base(model: Mapping[str, Any], base: BaseIdentity) -> str:
    """Where transformers finds the base of an adapter."""
    if base.name == NANO or str(model["base"]).lower().endswith(GGUF):
        return f"what `python -c 'from whet.model.base import locate; print(locate(\"{base.name}\"))'` prints"
    return f"the folder of {base_name(base)}"


def before(base: BaseIdentity) -> str:
    """What nobody but the owner can say, and what still names a folder of this machine."""
    said = "The licence follows from those of the base and of the data; state it above, as `license:`."
    if not base.on_hub:
        said += (
            " `adapter_config.json` and `whet.json` name the base by its place on the machine that trained it; "
            "`whet export` writes a folder that does not."
        )
    return said


def base_name(base: BaseIdentity) -> str:
    if base.name == NANO:
        return "Whet's bundled base `nano`"
    if base.hub_model:
        return f"[{base.described}](https://huggingface.co/{base.hub_model})"
    return code(base.name)
