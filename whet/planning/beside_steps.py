"""Peak memory of what a tune does beside its steps: the self-check before them, and the evaluation after them.

    the self-check      a few rows through the architecture's own layers, with full logits (whet/training/self_check.py)
    writing answers     weights joined anew, keys and values of the answers that are written together (whet/generation)
    reading             text and test rows in passes of 4,096 tokens, without a gradient (whet/evaluation/models.py)

After full training base and tuned model are two models in memory; an adapter is switched off instead.
Letters as in memory.py; S answers written together, C tokens of the longest of them with its prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from whet.planning.memory import (
    CHUNK_ELEMENTS,
    FLOAT,
    IDLE_KEPT,
    IDLE_WORKING,
    LEAST_CHUNK,
    Memory,
    Setting,
    is_fused,
    kernel_bytes,
    layer_bytes,
    plain_insides,
    predict,
    trained_numbers,
    weight_bytes,
)  # fmt: skip
from whet.planning.model_shape import ModelShape

CHECKED_ROWS, CHECKED_LOGITS = 8, 16 * 1024 * 1024
"""Most rows of the self-check, and most logits of theirs; two rows are read in any case
(whet/training/self_check.py)."""
BATCH_TOKENS, MOST_SLOTS, FULL_SLOTS, ROW_GRAIN = 16_384, 128, 32, 4
"""Tokens of all answers that are written together, and their number
(whet/generation/engine.py, whet/generation/decoder_layers.py)."""
COPY_STEPS = 16
"""From so long an answer on the weights are joined anew (whet/generation/engine.py)."""
ENTERING_TOKENS = 2048
"""Prompt tokens read in one pass (whet/generation/continuous_batching.py)."""
READ_TOKENS = 4096
"""Most tokens of a pass of an evaluation (whet/evaluation/models.py)."""
IDLE_CHECKED = 0.55
"""What lies idle on the heap after the self-check, as a share of what it kept: many small blocks between which larger
ones do not fit. Fitted to the runs of docs/running/planning.md: 0.4 to 0.64."""
KL_CHUNKS = 5
"""Chunks of logits alive in a divergence: of both models, their probabilities and the terms
(whet/model/logits/divergence.py)."""


@dataclass(frozen=True, slots=True)
class Around:
    """What is read and written beside the steps."""

    row: int
    """Tokens of a usual row."""
    rows: int
    """Rows of the first micro-batch."""
    supervised: float = 1.0
    """Share of a row's tokens that is learned."""
    answers: int = 0
    """Answers that are written at an evaluation, and tokens of the longest prompt and answer; 0 where none are."""
    prompt: int = 0
    answer: int = 0
    read: int = 4096
    """Tokens of the largest pass of the evaluation."""
    repeated: float = 1.0
    """How often the architecture's own layers read a token of a row: the prompt of a pair once for each answer."""
    stored: int = 2
    """Bytes of a number in the base's files: mapped into memory while they are widened, when the heap has grown."""


def peak(shape: ModelShape, setting: Setting, around: Around | None = None) -> Memory:
    """The largest moment of a whole tune, or of its steps alone. Raises ModelError as `predict` does."""
    moments = [predict(shape, setting)]
    if around is not None:
        moments.append(checked(shape, setting, around))
        if around.answers:
            moments.append(writing(shape, setting, around))
        moments.append(reading(shape, setting, around))

    largest = max(moments, key=lambda moment: moment.total)
    if around is None or setting.device != "cpu":
        return largest
    return _opened(largest, shape, setting, around)


def _opened(moment: Memory, shape: ModelShape, setting: Setting, around: Around) -> Memory:
    """The evaluation reads weights from files, which are mapped into memory beside a heap that never shrinks
    (whet/model/memory.py): the base's for as long as it is widened, the tuned model's, which is saved as it was
    trained, for good."""
    if not setting.rank:
        return replace(moment, weights=moment.weights + weight_bytes(shape, setting))
    widened = around.stored < setting.bytes_a_number and not setting.quantised
    if widened:
        return replace(moment, runtime=moment.runtime + shape.parameters * around.stored)
    return moment


def checked(shape: ModelShape, setting: Setting, around: Around) -> Memory:
    """Forwards and backwards over `checked_tokens` through the architecture's own layers; the gradients of the plain
    path wait for those of the fast one."""
    tokens = checked_tokens(shape, around)
    per_token = plain_insides(shape, setting)
    kept = shape.layers * per_token * tokens * setting.bytes_a_number
    logits = checked_logits(shape, setting, around)
    gradients = trained_numbers(shape, setting) * setting.bytes_a_number
    return _moment(shape, setting, "the self-check", gradients, kept, logits)


def checked_tokens(shape: ModelShape, around: Around) -> int:
    """The shortest rows of the first micro-batch that have few enough logits."""
    fitting = int(CHECKED_LOGITS / shape.vocabulary / around.row)
    return round(around.repeated * around.row * max(1, min(around.rows, max(2, min(CHECKED_ROWS, fitting)))))


def checked_logits(shape: ModelShape, setting: Setting, around: Around) -> int:
    """Logits of all tokens in the working dtype; of supervised ones chosen, widened, and their log-softmax. Where they
    are more than the self-check holds, those of a chunk, with their log-softmax and its gradient."""
    tokens, number = checked_tokens(shape, around), setting.bytes_a_number
    widened = 0 if number == FLOAT else FLOAT
    if tokens * shape.vocabulary > CHECKED_LOGITS:
        chunk = min(tokens, max(LEAST_CHUNK, CHUNK_ELEMENTS[setting.device] // shape.vocabulary))
        return chunk * shape.vocabulary * (number + widened + 2 * FLOAT)
    return round(shape.vocabulary * tokens * (number + around.supervised * (number + widened + FLOAT)))


def writing(shape: ModelShape, setting: Setting, around: Around) -> Memory:
    """Reading prompts into the cache beside joined weights; logits of every answer with their log-softmax."""
    slots, _ = slots_of(around)
    read = replace(setting, tokens=min(ENTERING_TOKENS, around.answers * around.prompt), longest=around.prompt)
    logits = 2 * slots * shape.vocabulary * FLOAT
    generation = copied_bytes(shape, setting, around) + cache_bytes(shape, setting, around)
    return _moment(shape, setting, "writing answers", 0, forward_bytes(shape, read), logits, generation)


def slots_of(around: Around) -> tuple[int, int]:
    """Answers that are written together, and tokens that each has room for."""
    capacity = around.prompt + around.answer
    slots = max(1, min(BATCH_TOKENS // capacity, MOST_SLOTS, around.answers))
    return (slots if slots <= ROW_GRAIN else -(-slots // ROW_GRAIN) * ROW_GRAIN), capacity


def cache_bytes(shape: ModelShape, setting: Setting, around: Around) -> int:
    """Keys and values of every slot, in every layer."""
    slots, capacity = slots_of(around)
    return shape.layers * slots * capacity * 2 * shape.key_heads * shape.head_size * setting.bytes_a_number


def copied_bytes(shape: ModelShape, setting: Setting, around: Around) -> int:
    """Layers that read the same input are joined in a copy: queries, keys and values, and gate and up. On processors
    all are laid out anew, and the output layer; a device without such a layout takes less than this."""
    if not is_fused(shape, setting) or setting.quantised or around.answer < COPY_STEPS:
        return 0
    return setting.bytes_a_number * (shape.layers * sum(one.weights for one in shape.linears) + shape.table)


def reading(shape: ModelShape, setting: Setting, around: Around) -> Memory:
    """Of a pass over text: buffers of one layer, hidden states of both sides, chunks of logits of a divergence."""
    row = max(around.row, 128)
    read = replace(setting, tokens=around.read, longest=min(row, around.read))
    states = 3 * around.read * shape.hidden * setting.bytes_a_number
    chunk = min(around.read, max(LEAST_CHUNK, CHUNK_ELEMENTS[setting.device] // shape.vocabulary))
    logits = KL_CHUNKS * chunk * shape.vocabulary * FLOAT
    return _moment(shape, setting, "reading", 0, forward_bytes(shape, read) + states, logits)


def forward_bytes(shape: ModelShape, setting: Setting) -> int:
    """Working buffers of one layer when no gradient is made: about half of those of a backward pass."""
    return layer_bytes(shape, replace(setting, recompute=False)) // 2


def _moment(
    shape: ModelShape, setting: Setting, name: str, gradients: int, activations: int, logits: int, generation: int = 0
) -> Memory:
    weights = weight_bytes(shape, setting)
    if not setting.rank and setting.device != "cpu" and name != "the self-check":
        weights *= 2  # on a processor the second is a mapped file, whatever the moment

    if setting.rank:
        adapter = trained_numbers(shape, setting) * setting.bytes_a_number
    else:
        adapter = 0

    on_heap = setting.device == "cpu"
    if name == "the self-check":
        shares = (IDLE_CHECKED, IDLE_CHECKED)
    else:
        shares = (IDLE_KEPT, IDLE_WORKING)

    if on_heap:
        idle = round(shares[0] * activations + shares[1] * logits) + kernel_bytes(setting)
    else:
        idle = 0

    return Memory(
        weights, adapter, gradients, 0, activations, logits, setting.process, name, generation=generation, runtime=idle
    )
