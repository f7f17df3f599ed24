"""A batch is a forest of segments, flat along T: no padding, attention runs along the path from a root to a leaf.

A child goes on where its parent ends: its positions continue, and its first token is predicted from the parent's last.
Legend: T tokens in the batch, N supervised tokens, S segments.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from whet.types import Batch, Segment


def build_batch(segments: Sequence[Segment]) -> Batch:
    """Lay S segments out along T. A parent must be before its children.

    Raises ValueError for what only a programming error can cause: an empty segment, weights of another length than
    the ids, a parent that is not before its child, a supervised first token of a root (nothing predicts it).
    """
    starts: list[int] = []
    ends: list[int] = []  # position along the path, one past the last token
    ids: list[int] = []
    positions: list[int] = []
    source: list[int] = []
    target: list[int] = []
    weight: list[float] = []

    segment_of: list[int] = []
    for number, segment in enumerate(segments):
        _check(number, segment)
        start, parent = len(ids), segment.parent
        if parent is None:
            first_position, before = 0, -1
        else:
            first_position = ends[parent]
            before = starts[parent] + len(segments[parent].ids) - 1

        starts.append(start)
        ends.append(first_position + len(segment.ids))
        ids.extend(segment.ids)
        positions.extend(range(first_position, ends[-1]))

        for offset, value in enumerate(segment.weights):
            if value:
                if offset:
                    source.append(start + offset - 1)
                else:
                    source.append(before)

                target.append(segment.ids[offset])
                weight.append(value)
                segment_of.append(number)

    return Batch(
        ids_T=torch.tensor(ids, dtype=torch.long),
        positions_T=torch.tensor(positions, dtype=torch.long),
        starts=starts,
        lengths=[len(segment.ids) for segment in segments],
        parents=[segment.parent for segment in segments],
        source_N=torch.tensor(source, dtype=torch.long),
        target_N=torch.tensor(target, dtype=torch.long),
        weight_N=torch.tensor(weight, dtype=torch.float32),
        segment_N=torch.tensor(segment_of, dtype=torch.long),
        rows=[segment.row for segment in segments],
        weight=float(sum(weight)),
    )


def segments_of(batch: Batch) -> list[Segment]:
    """The segments that a batch was built from; marks are not kept in a batch."""
    weights = [[0.0] * length for length in batch.lengths]
    supervised = (batch.source_N.tolist(), batch.weight_N.tolist(), batch.segment_N.tolist())
    for source, weight, number in zip(*supervised, strict=True):
        offset = source + 1 - batch.starts[number]
        if not 0 < offset < batch.lengths[number]:  # the parent predicts it
            offset = 0
        weights[number][offset] = weight

    ids = batch.ids_T.tolist()
    segments = []
    for number, (start, length) in enumerate(zip(batch.starts, batch.lengths, strict=True)):
        own = ids[start : start + length]
        segments.append(Segment(own, weights[number], batch.rows[number], batch.parents[number]))
    return segments


def path_to(segments: Sequence[Segment], number: int) -> list[int]:
    """Positions from the root down to segment `number`."""
    path = [number]
    while (parent := segments[path[-1]].parent) is not None:
        path.append(parent)
    return path[::-1]


def trees(segments: Sequence[Segment]) -> list[list[int]]:
    """Positions grouped by root, each group with parents before children: what must stay in one batch."""
    return trees_of([segment.parent for segment in segments])


def trees_of(parents: list[int | None]) -> list[list[int]]:
    """Segments grouped by their root, in order."""
    root_of: list[int] = []
    members: dict[int, list[int]] = {}
    for segment, parent in enumerate(parents):
        if parent is None:
            root = segment
        else:
            root = root_of[parent]

        root_of.append(root)
        members.setdefault(root, []).append(segment)
    return list(members.values())


def select_trees(segments: Sequence[Segment], groups: Sequence[Sequence[int]]) -> list[Segment]:
    """The segments of the given trees as one new list, with parents renumbered to it."""
    chosen = [number for group in groups for number in group]
    place = {number: new for new, number in enumerate(chosen)}

    picked = []
    for number in chosen:
        old = segments[number]
        if old.parent is None:
            parent = None
        else:
            parent = place[old.parent]
        picked.append(Segment(ids=old.ids, weights=old.weights, row=old.row, parent=parent, mark=old.mark))

    return picked


def _check(number: int, segment: Segment) -> None:
    if not segment.ids:
        raise ValueError(f"segment {number} (row {segment.row}) is empty")
    if len(segment.ids) != len(segment.weights):
        raise ValueError(f"segment {number}: {len(segment.ids)} ids but {len(segment.weights)} weights")
    if segment.parent is None and segment.weights[0]:
        raise ValueError(f"segment {number} (row {segment.row}) is a root, so nothing can predict its first token")
    if segment.parent is not None and not 0 <= segment.parent < number:
        raise ValueError(f"segment {number}: parent {segment.parent} is not before it")
