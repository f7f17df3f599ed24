"""The machine's own limit: what it reaches when it does nothing but the model's matrix products.

    python -m bench.side_limit build/bench limit limit

Measured: for each linear layer of one decoder layer of the 135M shape, at the tokens of one step, the forward product
x W^T and the backward product dy W, in bfloat16 and in float32, each with all threads, the best of several (the least
disturbed is the machine's). GFLOP/s = 2 x tokens x parameters x 2 products / seconds, summed over the layers.

The limit of training follows from what the method cannot do without. With LoRA the base is frozen: each of its linear
parameters costs a token 2 FLOP forwards and 2 FLOP backwards (the gradient of the input; none of the weight), so 4. The
tied output layer is frozen too, and costs 4 FLOP a parameter for each supervised token only. Full fine-tuning adds the
weights' own gradients: 6 instead of 4. So

    seconds at the limit = (C x linear parameters x tokens + C x vocabulary x hidden x supervised) / (GFLOP/s x 1e9)

with C = 4 or 6, and the share of the limit is that time over the measured time of the same tokens. Attention scores,
norms, rotary positions, the adapter's own products and the optimiser are left out of the limit, so the share says how
much of the time went into the products that nobody can avoid; 100% cannot be reached.
"""

from __future__ import annotations

HIDDEN, KEYS, MLP, VOCABULARY, LAYERS = 576, 192, 1536, 50_259, 30
LINEARS = (
    (HIDDEN, HIDDEN),
    (KEYS, HIDDEN),
    (KEYS, HIDDEN),
    (HIDDEN, HIDDEN),
    (MLP, HIDDEN),
    (MLP, HIDDEN),
    (HIDDEN, MLP),
)
"""(outputs, inputs) of q, k, v, o, gate, up, down."""
LINEAR_PARAMETERS = LAYERS * sum(outputs * inputs for outputs, inputs in LINEARS)
HEAD_PARAMETERS = VOCABULARY * HIDDEN


def flop(tokens: int, supervised: int, adapter: str) -> float:
    """What training the 135M shape on these tokens cannot do without; see the head of this file."""
    each = 4 if adapter == "lora" else 6
    return each * (LINEAR_PARAMETERS * tokens + HEAD_PARAMETERS * supervised)


def share_of_limit(tokens: int, supervised: int, adapter: str, rate: float, gflops: float) -> float:
    """Time at the limit over the time that `rate` (tokens a second) takes for the same tokens."""
    return flop(tokens, supervised, adapter) / (gflops * 1e9) / (tokens / rate)
