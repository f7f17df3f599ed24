"""What release.json and proof.json hold: an export, how it is opened, and what its consumers proved of it.

whet/release writes them, and what reads them are the page of a proof, the card of a release and `whet prove`.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from whet.model.base_identity import BaseFacts


class MeasuredFacts(TypedDict):
    """`Measured` of whet/release/proof.py, which says what each number is; None is what the consumer does not tell."""

    ids_compared: int
    ids_equal: int
    fraction: float | None
    fraction_error: float | None
    effect: float
    beside: float | None
    mean_difference: float | None
    largest_difference: float | None
    finite: bool
    answers: int
    answers_changed: int
    ended: int
    should_end: int


class BoundFacts(TypedDict):
    """`Bound` of whet/release/forms/protocol.py, in nats; None: measured and reported only."""

    mean: float | None
    largest: float | None
    fraction: tuple[float, float]
    """A list of two where it was read from a file."""


class TaskFacts(TypedDict):
    """`TaskScore` of whet/release/proof.py: the task on a sample of validation rows."""

    metric: str
    rows: int
    trained: float
    served: float
    difference: float
    low: float
    high: float
    budget: float
    kept: bool


class FaultFacts(TypedDict):
    name: str
    test: str
    looks_like: str
    """A sentence."""
    fix: str


class ConsumerFacts(TypedDict):
    """What one consumer proved. It has only `consumer`, `passed` and `faults` where it could not open the model."""

    consumer: str
    passed: bool
    measured: NotRequired[MeasuredFacts]
    bound: NotRequired[BoundFacts]
    failed: NotRequired[list[str]]
    """Names of tests."""
    notes: NotRequired[list[str]]
    """What could not be judged, in sentences."""
    task: NotRequired[TaskFacts | None]
    faults: list[FaultFacts]


class ProvedModel(BaseFacts):
    """What was proved, and whether the proof held."""

    form: str
    type: str | None
    run: str
    weights: NotRequired[str]
    """Digest of the weights that were proved; proofs of earlier versions of Whet do not say."""
    notes: list[str]
    """Sentences: what was changed on the way."""
    proved: bool
    forced: bool
    """Whether it was released though the proof failed."""


class ProofFacts(ProvedModel):
    """proof.json."""

    proofs: list[ConsumerFacts]


class ServedFacts(TypedDict):
    """How a consumer opened it: `Served` of whet/release/consumers/protocol.py without places of this disk."""

    main: str
    dtype: str
    compute: str
    quantised: str | None
    trust_remote_code: bool
    more: dict[str, Any]
    folder: None
    base: str


class ReleaseFacts(ProvedModel):
    """release.json."""

    main: str
    """What a consumer opens: a file in the folder, or empty for the folder itself."""
    facts: dict[str, Any]
    """What the form says of the export, for programs."""
    commands: dict[str, str]
    """How it is used, by consumer: text to copy."""
    bound: BoundFacts
    served: dict[str, ServedFacts]
    """By consumer."""


class ProvedRelease(ReleaseFacts):
    """release.json and proof.json in one."""

    proofs: list[ConsumerFacts]


class ExportFacts(ProvedRelease):
    """What `whet export --json` prints."""

    bytes: int
    folder: str
    page: str
    """The proof for people."""
