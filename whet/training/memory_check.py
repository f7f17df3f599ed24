"""The worst step first: what a run needs at its largest it must get before it starts, not at hour three.

The largest micro-batch that the data can make goes forwards and backwards once, beside room for the optimiser's state
that the first real step will make, and the longest validation rows are read. Nothing that a run depends on changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from whet.errors import OutOfMemoryError
from whet.model.accelerator import random_states, restore_random
from whet.model.policy import Policy
from whet.recipe.schema import Optimizer
from whet.training.optimizers.master_weights import state_bytes
from whet.training.self_check import next_token_loss
from whet.types import Batch


def run_largest_step(
    policy: Policy,
    largest: Batch,
    validation: Batch | None,
    settings: Optimizer,
    read: Callable[[Batch], Tensor] | None = None,
) -> None:
    """Raises OutOfMemoryError, with what to change, where the machine cannot hold the worst step. `read` gives the
    number that the method makes of a batch (`Reading.fast`); that of tokens, unless given."""
    read = read or next_token_loss(policy).fast
    trained = list(policy.trainable().values())
    states = random_states(policy.device)

    with _explained(largest):
        room = [torch.zeros(state_bytes(p, settings), dtype=torch.uint8, device=p.device) for p in trained]
        read(largest).backward()

        for parameter in trained:
            parameter.grad = None
        del room

        if validation is not None:
            with torch.no_grad():
                read(validation)

    restore_random(policy.device, states)


@contextmanager
def _explained(largest: Batch) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error)
        short = "memory" in text.lower() and any(word in text.lower() for word in ("alloc", "out of"))
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not short:
            raise

        raise OutOfMemoryError(
            f"the largest step ({len(largest.ids_T):,} tokens, rows: {len(largest.lengths)}) does not fit in memory: "
            f"{text.splitlines()[0] if text else type(error).__name__}",
            where="before the first step",
            fix="set recompute: true; or lower micro_batch_tokens (the result stays the same) or max_tokens; "
            "`whet plan` shows what takes the memory",
        ) from error
