"""What a language model can do of a classification without a head: the class whose name it finds likeliest.

The question is a root and the names are its children, so that the question is read once. Likeliest means the highest
mean log-probability a token: by the plain sum the shortest name would win nearly always.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from whet.data.loader import in_order
from whet.data.template import Renderer
from whet.evaluate.sides import READ_TOKENS, Side
from whet.types import Row, Segment

ASK = "{text}\n\nWhich of these fits: {names}?"
LONGEST = 2048
"""Tokens of a question; one that gets longer with the names in it is asked without them."""


@torch.no_grad()
def likeliest(side: Side, renderer: Renderer, rows: Sequence[Row], names: Sequence[str], context: int) -> list[str]:
    """The likeliest name for each row."""
    answers = [answer_ids(renderer, name) for name in names]
    limit = min(context, LONGEST) - max(map(len, answers))
    segments: list[Segment] = []
    for number, row in enumerate(rows):
        root = len(segments)
        ids = _question(renderer, str(row.prompt[-1]["content"]), names, limit)
        segments.append(Segment(ids, [0.0] * len(ids), number))
        segments += [Segment(answer, [1.0] * len(answer), number, root) for answer in answers]
    score_RK = np.zeros((len(rows), len(names)))
    with side.acting():
        for batch in in_order(segments, READ_TOKENS, per_tree=True):
            sum_S = torch.zeros(len(batch.parents)).index_add(0, batch.segment_N, side.policy.logprobs(batch))
            mean_S = (sum_S / torch.tensor(batch.lengths)).view(-1, 1 + len(names))
            score_RK[batch.rows[:: 1 + len(names)]] = mean_S[:, 1:].numpy()
    return [str(names[best]) for best in score_RK.argmax(-1)]


def answer_ids(renderer: Renderer, words: str) -> list[int]:
    """An answer as it is learned: its words and the stop token."""
    messages = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": words}]
    rendered = renderer.render(Row(0, "class", messages))
    return [token for token, weight in zip(rendered.ids, rendered.weights, strict=True) if weight]


def _question(renderer: Renderer, text: str, names: Sequence[str], limit: int) -> list[int]:
    asked = renderer.prompt_ids([{"role": "user", "content": ASK.format(text=text, names=", ".join(names))}])
    return asked if len(asked) <= limit else renderer.prompt_ids([{"role": "user", "content": text}])[-limit:]
