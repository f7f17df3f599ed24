"""A classification by a language model without a head: the class whose name it finds likeliest (label likelihood).

The question is a root and the names are its children, so that the question is read once. Likeliest means the highest
mean log-probability a token: by the plain sum the shortest name would win nearly always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from whet.data.batches.loader import in_order
from whet.data.render.renderer import Renderer
from whet.evaluation.models import READ_TOKENS, EvaluatedModel
from whet.types import Row, Segment

ASK = "{text}\n\nWhich of these fits: {names}?"
MOST_ASKED = 100_000
"""Rows times names; to ask more would take longer than the training did."""
LONGEST = 2048
"""Tokens of a question; if the names make it longer, it is asked without them."""


def most_likely_labels(
    model: EvaluatedModel, renderer: Renderer, rows: Sequence[Row], names: Sequence[str], context: int
) -> list[str]:
    """The likeliest name for each row."""
    answers = [answer_ids(renderer, name) for name in names]
    sizes_K = np.array([len(answer) for answer in answers])

    limit = min(context, LONGEST) - int(sizes_K.max())
    questions = [_question(renderer, str(row.prompt[-1]["content"]), names, limit) for row in rows]

    mean_RK = read_answers(model, questions, answers) / sizes_K
    return [str(names[best]) for best in mean_RK.argmax(-1)]


@torch.no_grad()
def read_answers(
    model: EvaluatedModel,
    questions: Sequence[list[int]],
    answers: Sequence[list[int]],
    done: Callable[[int], None] = lambda number: None,
) -> np.ndarray:
    """Log-probabilities in nats of each answer after each question, summed over its tokens [R, K]."""
    segments: list[Segment] = []
    for number, ids in enumerate(questions):
        root = len(segments)
        segments.append(Segment(list(ids), [0.0] * len(ids), number))
        segments += [Segment(answer, [1.0] * len(answer), number, root) for answer in answers]

    sum_RK = np.zeros((len(questions), len(answers)))
    read = 0
    with model.active():
        for batch in in_order(segments, READ_TOKENS, per_tree=True):
            sum_S = torch.zeros(len(batch.parents)).index_add(0, batch.segment_N, model.policy.logprobs(batch))
            rows = batch.rows[:: 1 + len(answers)]
            sum_RK[rows] = sum_S.view(-1, 1 + len(answers))[:, 1:].numpy()
            read += len(rows)
            done(read)

    return sum_RK


def answer_ids(renderer: Renderer, words: str) -> list[int]:
    """An answer as it is learned: its words and the stop token."""
    messages = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": words}]
    rendered = renderer.render(Row(0, "class", messages))
    return [token for token, weight in zip(rendered.ids, rendered.weights, strict=True) if weight]


def _question(renderer: Renderer, text: str, names: Sequence[str], limit: int) -> list[int]:
    question = ASK.format(text=text, names=", ".join(names))
    ids = renderer.prompt_ids([{"role": "user", "content": question}])
    if len(ids) <= limit:
        return ids
    return renderer.prompt_ids([{"role": "user", "content": text}])[-limit:]
