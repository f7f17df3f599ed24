"""The training methods: one class a file, with its keys and all that follows from them without a model."""

from __future__ import annotations

from typing import get_args

from whet.recipe.methods.auto import Auto
from whet.recipe.methods.bake import Bake
from whet.recipe.methods.base import Kind, MethodKeys
from whet.recipe.methods.classify import Classify
from whet.recipe.methods.distil import Distil
from whet.recipe.methods.dpo import Dpo
from whet.recipe.methods.grpo import Grpo
from whet.recipe.methods.kto import Kto
from whet.recipe.methods.ppo import Ppo
from whet.recipe.methods.pretrain import Pretrain
from whet.recipe.methods.reward import Reward
from whet.recipe.methods.rloo import Rloo
from whet.recipe.methods.sft import Sft

AnyMethod = Auto | Pretrain | Sft | Dpo | Kto | Reward | Classify | Grpo | Rloo | Ppo | Bake | Distil
"""The one list of methods: the recipe's union is made of it, and KINDS too."""
KINDS: tuple[type[MethodKeys], ...] = get_args(AnyMethod)
"""Their classes."""


def method_for(form: Kind) -> tuple[AnyMethod, str]:
    """The method that `auto` takes for rows of this form, and why."""
    for kind in (Sft, Dpo, Kto):
        if form in kind.chosen_by:
            return kind(), kind.chosen_because
    raise ValueError(f"no method is chosen by rows of the form {form}")
