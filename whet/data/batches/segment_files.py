"""Rendered rows on disk: token ids as one flat file, and where each segment's begin. Nothing is read before it is used.

    ids.bin     int32, all tokens
    runs.bin    (begin, end, weight): the supervised tokens of a segment, as runs of equal weight
    SEGMENT_COLUMNS   one number a segment (whet/data/row_cache.py keeps them)

Legend: S segments, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import overload

import numpy as np

from whet.data.column import Column
from whet.data.render.renderer import Rendered
from whet.store.atomic import naming_disk_errors
from whet.types import Segment

IDS, RUNS = "ids.bin", "runs.bin"
SEGMENT_COLUMNS = ("length", "row", "parent", "runs", "supervised", "mark")
"""Tokens, input row, parent (-1 for a root), number of runs, supervised tokens, mark of an answer (1, -1, or 0)."""
RUN = np.dtype([("begin", np.int32), ("end", np.int32), ("weight", np.float64)])


@dataclass(slots=True)
class Packed:
    """Some segments in arrays that are cheap to hand from one process to another. A parent is a position here."""

    ids_T: np.ndarray
    length_S: np.ndarray
    row_S: np.ndarray
    parent_S: np.ndarray
    run: np.ndarray
    runs_S: np.ndarray
    supervised_S: np.ndarray
    mark_S: np.ndarray


def pack(segments: Sequence[Segment]) -> Packed:
    """Segments as arrays; the weights become runs."""
    length_S = np.array([len(segment.ids) for segment in segments], dtype=np.int32)
    ids_T = np.array(list(chain.from_iterable(segment.ids for segment in segments)), dtype=np.int32)
    weight_T = np.array(list(chain.from_iterable(segment.weights for segment in segments)), dtype=np.float64)
    begin_S = np.cumsum(length_S) - length_S

    if len(weight_T):
        opens_T = np.r_[True, weight_T[1:] != weight_T[:-1]]
    else:
        opens_T = np.zeros(0, dtype=bool)

    opens_T[begin_S] = True
    begin = np.flatnonzero(opens_T)
    end = np.append(begin[1:], len(weight_T))
    learned = weight_T[begin] != 0
    begin, end = begin[learned], end[learned]
    owner = np.searchsorted(begin_S, begin, side="right") - 1
    run = np.empty(len(begin), dtype=RUN)
    run["begin"], run["end"], run["weight"] = begin - begin_S[owner], end - begin_S[owner], weight_T[begin]

    rows = [segment.row for segment in segments]
    parents = [_parent_number(segment) for segment in segments]
    marks = [segment.mark for segment in segments]
    return Packed(
        ids_T,
        length_S,
        np.array(rows, dtype=np.int32),
        np.array(parents, dtype=np.int32),
        run,
        np.bincount(owner, minlength=len(segments)).astype(np.int32),
        np.bincount(owner, weights=end - begin, minlength=len(segments)).astype(np.int32),
        np.array(marks, dtype=np.int32),
    )


def _parent_number(segment: Segment) -> int:
    """-1 for a root."""
    if segment.parent is None:
        return -1
    return segment.parent


def root_of(rendered: Rendered, row: int) -> Segment:
    """A row that is one segment."""
    return Segment(ids=rendered.ids, weights=rendered.weights, row=row)


class SegmentWriter:
    """Appends segments to the two files of `folder`, and keeps the numbers of each segment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._columns = {name: Column("i4") for name in SEGMENT_COLUMNS}
        self._count = 0
        for name in (IDS, RUNS):
            with naming_disk_errors(folder / name):
                (folder / name).touch()

    def add(self, packed: Packed) -> None:
        """Raises DiskFullError."""
        for name, array in ((IDS, packed.ids_T), (RUNS, packed.run)):
            with naming_disk_errors(self._folder / name), (self._folder / name).open("ab") as file:
                file.write(array.tobytes())

        parent_S = np.where(packed.parent_S < 0, -1, packed.parent_S + self._count)
        added = (packed.length_S, packed.row_S, parent_S, packed.runs_S, packed.supervised_S, packed.mark_S)
        for name, array in zip(SEGMENT_COLUMNS, added, strict=True):
            self._columns[name].add(array)
        self._count += len(packed.length_S)

    def columns(self) -> dict[str, np.ndarray]:
        """SEGMENT_COLUMNS of every segment, int32."""
        return {name: column.whole() for name, column in self._columns.items()}


class SegmentFile:
    """All segments of a folder that SegmentWriter filled, memory-mapped."""

    def __init__(self, folder: Path, columns: dict[str, np.ndarray]) -> None:
        self.length_S, self.row_S, self.parent_S = columns["length"], columns["row"], columns["parent"]
        self.mark_S = columns["mark"]
        self._offset_S = np.concatenate(([0], np.cumsum(self.length_S, dtype=np.int64)))
        self._run_offset_S = np.concatenate(([0], np.cumsum(columns["runs"], dtype=np.int64)))
        self._ids_T = _mapped(folder / IDS, np.dtype(np.int32), int(self._offset_S[-1]))
        self._run = _mapped(folder / RUNS, RUN, int(self._run_offset_S[-1]))

    def row_of_token_from(self, least: int) -> int | None:
        """The row of the first token whose number is `least` or more; None where all are smaller."""
        found = np.flatnonzero(self._ids_T >= least)
        if not len(found):
            return None
        return int(self.row_S[np.searchsorted(self._offset_S, found[0], side="right") - 1])

    def segment(self, number: int) -> Segment:
        """Segment `number`, its parent counted within the file."""
        begin, end = int(self._offset_S[number]), int(self._offset_S[number + 1])
        weights = [0.0] * (end - begin)
        for first, last, weight in self._run[self._run_offset_S[number] : self._run_offset_S[number + 1]].tolist():
            weights[first:last] = [weight] * (last - first)
        parent = int(self.parent_S[number])
        row = int(self.row_S[number])
        mark = int(self.mark_S[number])

        above = parent if parent >= 0 else None
        return Segment(self._ids_T[begin:end].tolist(), weights, row, above, mark)


class Segments(Sequence[Segment]):
    """Some segments of a file as a list that is read lazily. `chosen`: which ones, ascending, whole trees."""

    def __init__(self, file: SegmentFile, chosen: np.ndarray) -> None:
        self._file, self._chosen = file, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, number: int) -> Segment: ...
    @overload
    def __getitem__(self, number: slice) -> list[Segment]: ...
    def __getitem__(self, number: int | slice) -> Segment | list[Segment]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        segment = self._file.segment(int(self._chosen[number]))
        if segment.parent is not None:
            segment.parent = int(np.searchsorted(self._chosen, segment.parent))
        return segment

    def __iter__(self) -> Iterator[Segment]:
        return (self[number] for number in range(len(self)))

    def row_of_token_from(self, least: int) -> int | None:
        """Of the whole file, as SegmentFile has it."""
        return self._file.row_of_token_from(least)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each segment, without reading one."""
        return self._file.length_S[self._chosen]

    @property
    def rows(self) -> np.ndarray:
        """The input row of each segment."""
        return self._file.row_S[self._chosen]

    @property
    def marks(self) -> np.ndarray:
        """The mark of each segment, 0 where it has none."""
        return self._file.mark_S[self._chosen]

    @property
    def parents(self) -> np.ndarray:
        """Position of each segment's parent in this list; -1 for a root."""
        parent_S = self._file.parent_S[self._chosen]
        return np.where(parent_S < 0, -1, np.searchsorted(self._chosen, parent_S)).astype(np.int32)


def marks_by_row(segments: Sequence[Segment]) -> dict[int, bool]:
    """Whether the answer of each input row that has a mark is good."""
    if isinstance(segments, Segments):
        pairs = zip(segments.rows.tolist(), segments.marks.tolist(), strict=True)
    else:
        pairs = ((segment.row, segment.mark) for segment in segments)
    return {row: mark > 0 for row, mark in pairs if mark}


def layout(segments: Sequence[Segment]) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and parents (-1 for a root) of any list of segments; of lazy ones without reading a token."""
    if isinstance(segments, Segments):
        return segments.lengths, segments.parents
    parents = map(_parent_number, segments)
    lengths = (len(segment.ids) for segment in segments)
    return np.fromiter(lengths, np.int32, len(segments)), np.fromiter(parents, np.int32, len(segments))


def _mapped(path: Path, dtype: np.dtype, count: int) -> np.ndarray:
    if count:
        return np.memmap(path, dtype=dtype, mode="r", shape=(count,))
    return np.zeros(0, dtype=dtype)
