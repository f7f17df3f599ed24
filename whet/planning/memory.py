"""Peak memory of training, by cause, in bytes: the largest of three moments of a step.

    the loss        everything kept for the backward pass, and the buffers of one chunk of logits
    backward        everything kept, and the working buffers of one layer; gradients of the output layer
    the update      gradients, some of them in float32, beside originals and moments; nothing is kept any more

Weights, adapter, optimiser and the process itself are there at all three. What a layer keeps, and its working buffers,
are counted from the code that computes it; each number below says where it comes from.
Letters: T tokens of a micro-batch (rounded up), N supervised ones, D hidden size, M width, R rank, V vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from whet.planning.adapter_size import (
    Options,
    adapter_numbers,
    largest_ranks,
    saved_numbers,
    trains_head,
    trains_inside,
)
from whet.planning.model_shape import EXPERTS_USED, Linear, ModelShape

BFLOAT, FLOAT = 2, 4
"""Bytes of the optimiser's numbers: originals, moments and the gradients they are made from
(whet/training/optimizers/master_weights.py)."""
NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits of a weight in NF4: 4, an 8-bit scale for 64 weights, a 32-bit one for 256 of these (QLoRA, section 3)."""
PART = 16 * 1024 * 1024
"""Numbers whose float32 gradients exist at once, or a whole weight where it is larger
(whet/training/optimizers/master_weights.py)."""
CHUNK_ELEMENTS = {"cpu": 8 * 1024 * 1024, "cuda": 64 * 1024 * 1024}
"""Logits alive at once (whet/model/logits/logprob.py), and the fewest rows of a chunk."""
LEAST_CHUNK = 32
KEPT, QUERIES = 8 * 1024 * 1024, 512
"""Most attention probabilities that a layer keeps, and queries of a block (whet/model/fused/attention.py)."""
PLAIN_SCORES = 32 * 1024 * 1024
"""Most attention scores that are computed without SDPA outside of the fused kernels
(whet/model/attention/kernels.py)."""
TOKEN_GRAIN, LENGTH_GRAIN = 128, 16
SMALL_GRAIN, SMALL = 32, 1024
"""T and the length of a row are rounded up to these, T up to SMALL to the finer one
(whet/model/attention/forest.py)."""
IDLE_KEPT, IDLE_WORKING = 0.22, 0.6
"""What lies idle on a processor's heap at the peak, as shares of what is kept and of working buffers: freed memory
stays in the process
(whet/model/memory.py) in pieces that do not fit every block, and the two halves of a layer need pieces
of other sizes. Fitted to the 16 combinations of docs/running/planning.md; all other numbers here are counted."""
KERNELS = 45 * 10**6
"""Matrix kernels that oneDNN compiles for a model's sizes in bfloat16, with their buffers; measured: 41 MB after two
steps. Products in float32 are BLAS's, which keeps none: between rehearsal and last step nothing grew, measured."""
FUSED = {"llama", "mistral", "qwen2", "qwen3"}
"""Families whose layers the fused kernels compute (whet/model/fused/install.py)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a shape is trained."""

    tokens: int
    """Of a micro-batch."""
    longest: int
    """Tokens of its longest row."""
    rank: int | None = None
    """Of the adapter; None trains every weight."""
    targets: Literal["all-linear"] | list[str] = "all-linear"
    options: Options = field(default_factory=Options)
    """Of the adapter."""
    bytes_a_number: int = 2
    """Of weights and activations: 2 in bfloat16, 4 in float32."""
    quantised: bool = False
    recompute: bool = False
    """Only the input of each half layer is kept (activation checkpointing)."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    bf16_state: bool = False
    """The optimiser's state in bfloat16, without float32 originals (whet/training/optimizers/bf16_adamw.py)."""
    device: Literal["cpu", "cuda"] = "cpu"
    process: int = 0
    """Bytes of the program itself; measured (whet/planning/machine.py)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by cause at the moment of the largest sum."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    process: int
    moment: str
    generation: int = 0
    """What writing answers takes: joined weights, keys and values (whet/planning/beside_steps.py)."""
    runtime: int = 0
    """What lies idle on the heap, and compiled kernels."""

    @property
    def total(self) -> int:
        held = self.weights + self.adapter + self.gradients + self.optimizer
        return held + self.activations + self.logits + self.process + self.generation + self.runtime

    def facts(self) -> dict[str, int]:
        """Bytes by cause, and their sum."""
        causes = {key: value for key, value in asdict(self).items() if key != "moment"}
        return causes | {"total": self.total}


def predict(shape: ModelShape, setting: Setting) -> Memory:
    """Peak memory of training this shape. Raises ModelError where the adapter's targets are unknown."""
    number, trained = setting.bytes_a_number, trained_numbers(shape, setting)
    if number == FLOAT or setting.bf16_state:
        originals = 0
    else:
        originals = FLOAT

    moment = _largest_moment(shape, setting)
    return Memory(
        weights=weight_bytes(shape, setting),
        adapter=trained * number if setting.rank else 0,
        gradients=moment.gradients,
        optimizer=trained * originals + moment_bytes(shape, setting),
        activations=moment.activations,
        logits=moment.logits,
        process=setting.process,
        moment=moment.name,
        runtime=moment.idle + kernel_bytes(setting),
    )


class _Moment(NamedTuple):
    """A moment of a step, and the bytes that are held then beside weights and optimiser."""

    name: str
    gradients: int
    activations: int
    logits: int
    idle: int
    """Freed, and not given back to the system."""

    @property
    def held(self) -> int:
        return self.gradients + self.activations + self.logits + self.idle


def _largest_moment(shape: ModelShape, setting: Setting) -> _Moment:
    """The moment of a step that holds most."""
    number, trained = setting.bytes_a_number, trained_numbers(shape, setting)
    kept, working = kept_bytes(shape, setting), layer_bytes(shape, setting)
    forward, logits = kept + tail_bytes(shape, setting), logit_bytes(shape, setting)

    if not setting.rank or trains_head(shape, setting.options.saved):
        table = shape.table
    else:
        table = 0

    gradients = trained * number
    if shape.tied:
        gradients += table * number  # a tied table gets two before they are added

    if setting.device == "cpu":
        idle = round(IDLE_KEPT * forward + IDLE_WORKING * max(working, logits))
    else:
        idle = 0

    widened = _part(shape, setting) * (FLOAT - number)
    moments = (
        _Moment("the loss", table * (number + FLOAT), forward, logits, idle),
        _Moment("the start of the backward pass", table * number, forward + working, 0, idle),
        _Moment("the end of the backward pass", gradients, kept // shape.layers + working, 0, idle),
        _Moment("the update", trained * number + widened, 0, 0, 0),
    )
    return max(moments, key=lambda moment: moment.held)


def kernel_bytes(setting: Setting) -> int:
    if setting.device == "cpu" and setting.bytes_a_number != FLOAT:
        return KERNELS
    return 0


def trained_numbers(shape: ModelShape, setting: Setting) -> int:
    if not setting.rank:
        return shape.parameters
    return adapter_numbers(shape, setting.rank, setting.targets, setting.options, experts=not setting.quantised)


def _adapted(shape: ModelShape, setting: Setting) -> list[Linear]:
    """Over a 4-bit base experts get no adapter (whet/model/experts.py)."""
    return shape.adapted(setting.targets, experts=not setting.quantised)


def _made_anew(shape: ModelShape, setting: Setting) -> list[int]:
    """Numbers of each tensor of experts in a layer, which PEFT adapts by making weight + scale B A anew in each pass;
    the product with it keeps it for the backward pass."""
    if setting.rank:
        return [linear.weights for linear in _adapted(shape, setting) if linear.of_experts]
    return []


def weight_bytes(shape: ModelShape, setting: Setting) -> int:
    """The base: in the working dtype, or its linear layers in NF4 and the rest in the working dtype."""
    if not setting.quantised:
        return shape.parameters * setting.bytes_a_number
    rest = shape.parameters - shape.quantised
    return round(shape.quantised * NF4_BITS / 8) + rest * setting.bytes_a_number


def _part(shape: ModelShape, setting: Setting) -> int:
    """Numbers whose gradients are widened for the update; without originals nothing is (a few MB at a time)."""
    if setting.bf16_state:
        return 0
    if setting.rank and not setting.options.saved:
        largest = PART
    else:
        largest = max(PART, shape.table)
    return min(trained_numbers(shape, setting), largest)


def moment_bytes(shape: ModelShape, setting: Setting) -> int:
    """AdamW keeps two moments; Muon keeps one, for matrices inside of layers only
    (whet/training/optimizers/master_weights.py)."""
    trained = trained_numbers(shape, setting)
    if setting.optimizer == "adamw":
        return 2 * (BFLOAT if setting.bf16_state else FLOAT) * trained
    whole = saved_numbers(shape, setting.options.saved)

    if setting.rank:
        matrices = trained - whole
    else:
        matrices = shape.layers * sum(linear.weights for linear in shape.linears)

    return FLOAT * matrices + 2 * FLOAT * (trained - matrices)


def kept_bytes(shape: ModelShape, setting: Setting) -> int:
    """What all layers keep from the forward pass for the backward pass."""
    tokens = rounded(setting.tokens)
    ranks = _ranks(shape, setting)

    if is_fused(shape, setting):
        numbers = _fused_halves(shape, ranks) * tokens
        if not setting.recompute:
            numbers += _fused_insides(shape, ranks) * tokens + _kept_probabilities(shape, setting)
    else:
        numbers = shape.hidden * tokens
        if not setting.recompute:
            numbers = plain_insides(shape, setting) * tokens + _plain_probabilities(shape, setting)
            numbers += sum(_made_anew(shape, setting))

    return shape.layers * numbers * setting.bytes_a_number


def is_fused(shape: ModelShape, setting: Setting) -> bool:
    """The kernels take no layer with a module that is trained whole (whet/model/architecture_proof.py)."""
    options = setting.options
    apart = options.dora or trains_inside(shape, options.saved)
    return shape.family in FUSED and setting.device == "cpu" and not apart


def _fused_halves(shape: ModelShape, ranks: dict[str, int]) -> int:
    """Always kept, a token: the input of each half, and what the adapters of its last map read."""
    return 2 * shape.hidden + ranks.get("o_proj", 0) + ranks.get("down_proj", 0)


def _fused_insides(shape: ModelShape, ranks: dict[str, int]) -> int:
    """Queries, keys, values and outputs of attention (twice where normed), gate and up, what adapters read."""
    keys = shape.key_heads * shape.head_size
    if shape.head_norms:
        normed = shape.attended + keys
    else:
        normed = 0
    inner = sum(ranks.get(f"{name}_proj", 0) for name in ("q", "k", "v", "gate", "up"))
    return 2 * shape.attended + 2 * keys + normed + 2 * shape.width + inner


def plain_insides(shape: ModelShape, setting: Setting) -> int:
    """Numbers that transformers' own layers keep under autograd, a token and layer: two norms (input and its float32
    copy, output), queries and repeated keys and values, the output of attention, and four stages of the MLP. DoRA
    keeps the output of each map and of its adapter, too, for the gradient of the lengths."""
    ranks = _ranks(shape, setting)
    if setting.options.dora:
        lengths = 2 * sum(linear.outputs for linear in _adapted(shape, setting))
    else:
        lengths = 0

    return lengths + 6 * shape.hidden + 4 * shape.attended + 4 * shape.width + sum(ranks.values())


def _ranks(shape: ModelShape, setting: Setting) -> dict[str, int]:
    if not setting.rank:
        return {}
    ranks = largest_ranks(shape, setting.rank, setting.targets, setting.options, experts=not setting.quantised)
    return {linear.name: rank * min(linear.copies, EXPERTS_USED) for linear, rank in ranks}


def _scores(shape: ModelShape, setting: Setting) -> int:
    """Attention scores of one layer: for long rows in blocks of queries, each against the keys up to its end."""
    length = round_up(setting.longest, LENGTH_GRAIN)
    rows = -(-setting.tokens // setting.longest)
    blocks = range(0, length, QUERIES)
    pairs = sum((min(begin + QUERIES, length) - begin) * min(begin + QUERIES, length) for begin in blocks)
    return rows * shape.heads * pairs


def _whole_scores(shape: ModelShape, setting: Setting) -> int:
    length = round_up(setting.longest, LENGTH_GRAIN)
    return -(-setting.tokens // setting.longest) * shape.heads * length**2


def _kept_probabilities(shape: ModelShape, setting: Setting) -> int:
    if _whole_scores(shape, setting) <= KEPT:
        return _scores(shape, setting)
    return 0


def _plain_probabilities(shape: ModelShape, setting: Setting) -> int:
    """Kept where the plain formula is faster than SDPA, which keeps none (whet/model/attention/kernels.py)."""
    plain = setting.device == "cpu" and setting.bytes_a_number == 2 and _whole_scores(shape, setting) <= PLAIN_SCORES
    if plain:
        return _whole_scores(shape, setting)
    return 0


def layer_bytes(shape: ModelShape, setting: Setting) -> int:
    """Working buffers of the backward pass of one layer."""
    if is_fused(shape, setting):
        numbers = _fused_working(shape, setting)
    else:
        numbers = _plain_working(shape, setting)

    if setting.quantised:  # one weight at a time is back in full for its product
        numbers += max(linear.weights for linear in shape.linears if linear.module)
    if setting.options.dora:  # W + s B A and its norm, with an identity that B A is read through (PEFT's dora.py)
        numbers += max(3 * linear.inputs * linear.outputs + linear.inputs**2 for linear in shape.linears)
    return numbers * setting.bytes_a_number


def _fused_working(shape: ModelShape, setting: Setting) -> int:
    """The larger of the two halves. MLP: its gradient and those of gate and up. Attention: gradients of outputs,
    queries, keys and values, before and after turning back; of each block of scores, and of its probabilities, which
    live on until those of the next block are there. Both: norm, its gradient, and two products inside of the norm's.
    With `recompute`, what was not kept is there as well."""
    tokens, keys = rounded(setting.tokens), shape.key_heads * shape.head_size
    length, kept = round_up(setting.longest, LENGTH_GRAIN), _kept_probabilities(shape, setting)
    block = -(-setting.tokens // setting.longest) * shape.heads * min(length, QUERIES) * length
    mlp = 3 * shape.width + 4 * shape.hidden
    attention = 4 * shape.attended + 3 * keys + 4 * shape.hidden
    scores = (4 if length > QUERIES else 2) * block + (0 if kept else block)

    if setting.recompute:
        mlp += 2 * shape.width
        attention += 2 * shape.attended + 2 * keys
        scores += kept

    return max(mlp * tokens, attention * tokens + scores)


def _plain_working(shape: ModelShape, setting: Setting) -> int:
    """Gradients of the MLP's stages, and of the largest weight that was made anew; with `recompute`, what the layer
    keeps as well."""
    tokens, anew = rounded(setting.tokens), _made_anew(shape, setting)
    working = (3 * shape.width + 4 * shape.hidden) * tokens + 2 * _plain_probabilities(shape, setting)
    working += max(anew, default=0)
    if setting.recompute:
        working += plain_insides(shape, setting) * tokens + _plain_probabilities(shape, setting) + sum(anew)
    return working


def tail_bytes(shape: ModelShape, setting: Setting) -> int:
    """After the last layer: the last norm in float32, hidden states of supervised tokens and their gradient."""
    tokens, number = rounded(setting.tokens), setting.bytes_a_number
    normed = 0 if setting.rank else number
    return tokens * shape.hidden * (FLOAT + normed + 2 * number)


def logit_bytes(shape: ModelShape, setting: Setting) -> int:
    """The buffers of one chunk: in the working dtype and in float32, which are one where these are the same.

    A trained output layer adds the gradient of the chunk, in the working dtype.
    """
    rows = min(setting.tokens, max(LEAST_CHUNK, CHUNK_ELEMENTS[setting.device] // shape.vocabulary))
    number = setting.bytes_a_number
    return rows * shape.vocabulary * (FLOAT if number == FLOAT else FLOAT + number)


def rounded(tokens: int) -> int:
    """T with what is added at its end."""
    return round_up(tokens, SMALL_GRAIN if tokens <= SMALL else TOKEN_GRAIN)


def round_up(value: int, grain: int) -> int:
    return -(-value // grain) * grain
