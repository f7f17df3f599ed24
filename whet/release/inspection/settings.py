"""What the text files of an export say otherwise than they should: settings, tokenizer, template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whet.release.diagnosis import Fault
from whet.release.proof import Test

TEMPLATE = "chat_template.jinja"
NAMED: dict[tuple[str, str], tuple[str, Test, str]] = {
    ("config.json", "rope_parameters"): ("rope-changed", "difference", "Positions are stretched otherwise."),
    ("config.json", "max_position_embeddings"): ("context-cut", "ids", "The context has another length."),
    ("config.json", "vocab_size"): ("vocabulary-padded", "difference", "The vocabulary has another size."),
    ("config.json", "tie_word_embeddings"): ("untied", "difference", "Embedding and output layer are tied otherwise."),
    ("config.json", "architectures"): ("head-lost", "difference", "It is opened as another kind of model."),
    ("generation_config.json", "eos_token_id"): ("stop-changed", "stops", "Answers stop at other tokens."),
    ("generation_config.json", "pad_token_id"): ("pad-changed", "stops", "Padding is another token."),
    ("adapter_config.json", "lora_alpha"): ("scale-changed", "fraction", "The adapter has another scale."),
    ("adapter_config.json", "r"): ("scale-changed", "fraction", "The adapter says another rank, and so another scale."),
    ("adapter_config.json", "alpha_pattern"): ("alpha-pattern-changed", "fraction", "Some modules have other scales."),
    ("adapter_config.json", "use_rslora"): ("rslora-changed", "fraction", "The scale is taken by another rule."),
    ("adapter_config.json", "use_dora"): ("magnitudes-lost", "fraction", "DoRA's magnitudes are not read."),
    ("adapter_config.json", "base_model_name_or_path"): ("base-differs", "difference", "It lies over another base."),
    ("tokenizer.json", "pre_tokenizer"): ("pre-tokenizer-changed", "ids", "Text is split by another rule."),
    ("tokenizer.json", "post_processor"): ("begin-token-changed", "ids", "Other tokens are put around a text."),
    ("tokenizer.json", ""): ("tokenizer-changed", "ids", "The tokenizer is another one."),
    ("tokenizer_config.json", ""): ("tokenizer-changed", "ids", "The tokenizer's settings are others."),
    ("config.json", ""): ("settings-changed", "difference", "The model's settings are others."),
    ("adapter_config.json", ""): ("settings-changed", "difference", "The adapter's settings are others."),
}
"""By file and key; an empty key is any other."""
QUIET = {"transformers_version", "_name_or_path", "peft_version"}


def setting_faults(wanted: Path, found: Path) -> list[Fault]:
    """Of two folders of an export."""
    faults = list(_template(wanted, found))
    for name in dict.fromkeys(file for file, _ in NAMED):
        if not (wanted / name).is_file():
            continue
        if not (found / name).is_file():
            faults.append(Fault("file-missing", "difference", f"The file {name} is missing.", restore(name)))
            continue

        right, seen = (json.loads((folder / name).read_text("utf-8")) for folder in (wanted, found))
        faults += [_fault(name, key, right.get(key), seen.get(key)) for key in _changed(right, seen)]

    return faults


def _changed(right: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    keys = sorted({*right, *seen} - QUIET)
    return [key for key in keys if right.get(key) != seen.get(key)]


def _fault(file: str, key: str, right: Any, seen: Any) -> Fault:
    name, test, what = NAMED.get((file, key)) or NAMED.get((file, "")) or ("settings-changed", "difference", "")
    if key == "eos_token_id" and seen in (None, []):
        name, what = "stops-empty", "No token ends an answer."
    if key == "pad_token_id" and seen is not None:
        name = "pad-is-stop"
    told = f"{what} {file} says {key}: {json.dumps(seen):.60}, and should say {json.dumps(right):.60}."
    return Fault(name, test, told, restore(file))


def _template(wanted: Path, found: Path) -> Iterator[Fault]:
    right, seen = ((folder / TEMPLATE) for folder in (wanted, found))
    if not right.is_file():
        return
    if not seen.is_file():
        yield Fault("template-replaced", "ids", "The chat template is missing.", restore(TEMPLATE))
    elif right.read_text("utf-8") != seen.read_text("utf-8"):
        yield Fault(*template_fault(right.read_text("utf-8"), seen.read_text("utf-8")), restore(TEMPLATE))


def template_fault(right: str, seen: str) -> tuple[str, Test, str]:
    """What a changed chat template lost."""
    if "add_generation_prompt" in right and "add_generation_prompt" not in seen:
        return "no-generation-prompt", "ids", "The chat template has no generation prompt any more."
    if "tools" in right and "tools" not in seen:
        return "tools-dropped", "ids", "The chat template knows no tools any more."

    begins = [text.count("bos_token") for text in (right, seen)]
    if begins[0] != begins[1]:
        if begins[1] > begins[0]:
            name = "bos-doubled"
        else:
            name = "bos-missing"
        return name, "ids", f"The chat template writes the first token {begins[1]} times, and should {begins[0]} times."

    return "template-replaced", "ids", "The chat template is another one."


def restore(file: str) -> str:
    return f"restore {file}, or export the run again"
