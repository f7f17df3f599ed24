"""A function over chunks of rows on all cores, results in order.

Workers are forked: they have the tokenizer and the template at once, where fresh processes would import for seconds and
run the user's script anew. Where forking is unsafe (macOS) or absent (Windows) one core does the work. A worker ends
when its pipe does, so none outlives a killed parent.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from whet.errors import RunError
from whet.store.memory_and_cores import usable_cores

Given = TypeVar("Given")
Made = TypeVar("Made")


def cores() -> int:
    """Workers that this machine can use."""
    if sys.platform == "darwin" or "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return usable_cores()


def in_order(function: Callable[[Given], Made], chunks: Iterable[Given], workers: int) -> Iterator[tuple[Given, Made]]:
    """(chunk, function(chunk)) in the order of the chunks. What a worker raises is raised here, in that order too."""
    if workers < 2:
        yield from ((chunk, function(chunk)) for chunk in chunks)
        return

    team = _Pool(function, workers)
    try:
        yield from team.run(iter(chunks))
    finally:
        team.close()


class _Pool:
    """Workers, each with a pipe and at most one chunk at a time: nobody waits to send to one who waits to send."""

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        before = os.environ.get("TOKENIZERS_PARALLELISM")
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # tokenizers warns of every fork otherwise

        try:
            for _ in range(workers):
                ours, theirs = context.Pipe()
                self._pipes.append(ours)

                process = context.Process(target=_serve, args=(theirs, list(self._pipes), function), daemon=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: workers use none
                    process.start()

                theirs.close()
                self._processes.append(process)
        finally:
            if before is None:
                del os.environ["TOKENIZERS_PARALLELISM"]
            else:
                os.environ["TOKENIZERS_PARALLELISM"] = before

    def run(self, chunks: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        waiting: dict[int, Any] = {}
        for worker in range(len(self._pipes)):
            self._give(worker, chunks, waiting)

        turn = 0
        while waiting:
            worker = turn % len(self._pipes)
            chunk = waiting.pop(worker)
            following = next(chunks, None)  # read while the worker still works
            made, error = self._receive(worker)

            if following is not None:
                self._send(worker, following)
                waiting[worker] = following

            if error is not None:
                raise error

            yield chunk, made
            turn += 1

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
                process.join()

    def _give(self, worker: int, chunks: Iterator[Any], waiting: dict[int, Any]) -> None:
        chunk = next(chunks, None)
        if chunk is not None:
            self._send(worker, chunk)
            waiting[worker] = chunk

    def _send(self, worker: int, chunk: Any) -> None:
        try:
            self._pipes[worker].send(chunk)
        except OSError as error:
            raise self._lost(worker) from error

    def _receive(self, worker: int) -> tuple[Any, Exception | None]:
        try:
            return self._pipes[worker].recv()
        except (EOFError, OSError) as error:
            raise self._lost(worker) from error

    def _lost(self, worker: int) -> RunError:
        self._processes[worker].join(timeout=1)
        return RunError(
            "a worker process that prepares rows has ended before its time",
            value=f"exit code {self._processes[worker].exitcode}",
            fix="the machine may be out of memory: free some, then run the same command again",
        )


def _serve(pipe: Connection, of_parent: list[Connection], function: Callable[[Any], Any]) -> None:
    """The life of a worker. The parent's ends of the pipes must be closed here, or a dead parent would go unnoticed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    gc.freeze()  # what the parent has imported stays: to look through it again and again would copy it, and take time

    for other in of_parent:
        other.close()

    try:
        while True:
            chunk = pipe.recv()
            try:
                answer: tuple[Any, Exception | None] = function(chunk), None
            except Exception as error:
                answer = None, error
            pipe.send(answer)
    except (EOFError, OSError):  # the parent is done, or dead
        return
