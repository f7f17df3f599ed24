"""One model is built at a time in a process.

While it builds a model, transformers changes what all threads share: it puts an empty function in the place of
`PreTrainedModel.tie_weights`, and sets torch's default dtype. Of two threads that build at once, the one that ends
last puts back what it found, which may be the empty function: from then on no model's output layer is tied to its
embedding, until the process ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = threading.RLock()


@contextmanager
def building() -> Iterator[None]:
    """Around every call of `from_pretrained` and `from_config` of a model. The same thread may enter it again."""
    with _TURN:
        yield
