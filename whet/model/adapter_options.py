"""What this base can take of the adapter's options, in one sentence where it cannot."""

from __future__ import annotations

import re
from typing import Any

from torch.nn import Linear

from whet.errors import ModelError, nearest
from whet.model.experts import expert_tensors, experts_of, told_experts
from whet.model.lora import is_lora
from whet.model.quantised.nf4 import is_quantised
from whet.recipe.schema import Lora


def is_tied(model: Any) -> bool:
    """Whether the output layer is the embedding."""
    output = model.get_output_embeddings()
    return output is not None and output.weight is model.get_input_embeddings().weight


def saved_modules(model: Any, adapter: Lora) -> list[str]:
    """`modules_to_save` as PEFT is to read them; each is the end of the name of a module with weights.

    Raises ModelError for one that the base does not have, or that gets an adapter as well, and for the output layer of
    a base that has none of its own.
    """
    names = {name for name, module in model.named_modules() if name and next(module.parameters(), None) is not None}
    ends = {name.rpartition(".")[2] for name in names}
    head = _name_of(model, model.get_output_embeddings())
    table = _name_of(model, model.get_input_embeddings())
    found: list[str] = []
    for wanted in adapter.modules_to_save:
        if not any(f".{name}".endswith(f".{wanted}") for name in names):
            fix = f"name some of: {', '.join(name for name in (table, head) if name)}; or leave it out"
            what = f"the base has no such module to train whole{nearest(wanted, ends)}"
            raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)
        if is_tied(model) and wanted == head:
            what = f"the output layer of this base is its embedding, so that {head} cannot be trained alone"
            fix = f"name {table}, which trains both"
            raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)
        meant = {name for name in names if f".{name}".endswith(f".{wanted}")}
        if any(is_quantised(part) for name in meant for part in model.get_submodule(name).modules()):
            what, fix = "a module in 4 bits cannot be trained whole", "leave it out, or leave quantise out"
            raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)
        _refuse_adapted_within(model, adapter, wanted, meant)
        found += _as_peft_reads(model, wanted, meant)
    return found


def _as_peft_reads(model: Any, wanted: str, meant: set[str]) -> list[str]:
    """PEFT takes every module whose name ends in these letters, `input_layernorm` for `norm`: where those are others
    than the ones meant, full names stand for them. Raises ModelError where these, too, are ends of other names."""
    names = [name for name, _ in model.named_modules(remove_duplicate=False)]

    def taken(ends: list[str]) -> set[str]:
        return {name for name in names if name.endswith(tuple(ends))}

    whole = sorted(meant)
    if taken([wanted]) == meant:
        return [wanted]
    if more := taken(whole) - meant:
        what = f"PEFT would train {sorted(more)[0]} whole, too, whose name ends in the same letters"
        raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix="leave it out")
    return whole


def _refuse_adapted_within(model: Any, adapter: Lora, wanted: str, meant: set[str]) -> None:
    """Raises ModelError for targets that are all inside of a module that is trained whole: PEFT passes layers over
    there, and gives experts both."""

    def within(name: str) -> bool:
        return any(f"{name}.".startswith(f"{one}.") for one in meant)

    what = "a module is either trained whole or gets an adapter"
    for target in [] if adapter.targets == "all-linear" else adapter.targets:
        ends = [name for name, _ in model.named_modules() if f".{name}".endswith(f".{target}")]
        if ends and all(within(name) for name in ends):
            fix = f"leave {target} out of adapter.targets"
            raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)
    head = _name_of(model, model.get_output_embeddings())
    layers = [name for name, module in model.named_modules() if isinstance(module, Linear) and name != head]
    if adapter.targets == "all-linear" and layers and all(within(name) for name in layers):
        fix = "train every weight (adapter.kind: full), or name a part of it"
        raise ModelError(what, where="adapter.modules_to_save", value=wanted, fix=fix)
    if experts_of(model, adapter) and any(within(name) for name in expert_tensors(model)):
        fix = "leave it out, or name adapter.targets without the experts"
        raise ModelError(f"{what}, and experts are in it", where="adapter.modules_to_save", value=wanted, fix=fix)


def refuse_idle_patterns(adapted: Any, adapter: Lora) -> None:
    """Raises ModelError for a key of rank_pattern or alpha_pattern that no adapted module has (PEFT only warns), and
    for a target that no module has where others do (PEFT says nothing). Experts that get none are told elsewhere."""
    inner = adapted.get_base_model()
    names = [_adapted_name(name, module) for name, module in inner.named_modules() if is_lora(module)]
    ends = sorted({name.rpartition(".")[2] for name in names})
    has = [*names, *expert_tensors(inner)]
    for target in [] if isinstance(adapter.targets, str) else adapter.targets:
        if not any(f".{name}".endswith(f".{target}") for name in has):
            layers = {name.rpartition(".")[2] for name, module in inner.named_modules() if isinstance(module, Linear)}
            what = f"the base has no layer whose name ends so{nearest(target, layers | set(ends))}"
            fix = f"leave it out; adapted would be: {', '.join(ends[:8])}"
            raise ModelError(what, where="adapter.targets", value=target, fix=fix)
    for option, pattern in (("rank_pattern", adapter.rank_pattern), ("alpha_pattern", adapter.alpha_pattern)):
        for key in pattern:
            if not any(re.match(rf"(.*\.)?({key})$", name) for name in names):  # as PEFT's get_pattern_key
                what = f"no adapted module has a name that ends so{nearest(key, ends)}"
                fix = f"name some of: {', '.join(ends[:8])}; or leave it out"
                raise ModelError(what, where=f"adapter.{option}", value=key, fix=fix)


def _adapted_name(name: str, module: Any) -> str:
    """As PEFT matches it: a tensor of experts by its own name, whatever is wrapped around it."""
    tensor = getattr(module, "parameter_name", None)
    return f"{name.replace('.base_layer', '')}.{tensor}" if tensor else name


def refuse_bad_patterns(adapter: Lora) -> None:
    """Raises ModelError for a key that is no regular expression."""
    for key in (*adapter.rank_pattern, *adapter.alpha_pattern):
        try:
            re.compile(key)
        except re.error as error:
            what = f"this is neither the end of a module's name nor a regular expression: {error}"
            raise ModelError(what, where="adapter", value=key, fix="as in rank_pattern: {v_proj: 32}") from error


def ties(model: Any, saved: list[str]) -> bool:
    """Whether the output layer must follow an embedding that is trained whole, because the two are one."""
    return is_tied(model) and _name_of(model, model.get_input_embeddings()) in {
        name.rpartition(".")[2] for name in saved
    }


def told_adapter(model: Any, adapter: object) -> list[str]:
    """What the adapter means for a run on this base, in sentences for whoever watches."""
    found = [told] if (told := told_experts(model, adapter)) else []
    if isinstance(adapter, Lora) and adapter.dora:
        found.append("adapter.dora: PEFT computes the layers, Whet's kernels do not know it; slower, and the same.")
    if isinstance(adapter, Lora) and adapter.modules_to_save:
        names = ", ".join(adapter.modules_to_save)
        found.append(f"Trained whole and saved with the adapter, at the adapter's rate: {names}.")
    return found


def _name_of(model: Any, wanted: Any) -> str:
    """The last part of a module's name."""
    return next((name.rpartition(".")[2] for name, module in model.named_modules() if module is wanted), "")
