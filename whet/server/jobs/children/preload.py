"""Everything that a worker's child needs, imported once in the process that children are forked from.

An import takes seconds of a core, a fork none. What is imported on first use elsewhere is used here for that.
"""

from __future__ import annotations

from importlib import import_module

from transformers.models.llama import modeling_llama

from whet import api
from whet.doctor.check_registry import all_checks
from whet.methods import method_of
from whet.recipe.load import load_recipe
from whet.reports.section_list import on_page
from whet.server.jobs.children import chore_work, outcome

peft = import_module("peft")  # after whet, which silences what it would print
LOADED = (peft, modeling_llama, api.tune, api.plan, chore_work, outcome, on_page())
for _kind in ("sft", "dpo", {"kind": "grpo", "rewards": "exact"}):
    method_of(load_recipe({"data": "-.jsonl", "method": _kind}))
all_checks((), ())
