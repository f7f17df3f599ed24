"""`whet` in a process of its own that has not to be started: it is forked from one that has imported everything.

A process started afresh spends nine seconds of a core on imports before it does anything; a forked one spends none.
It is as much a process of its own as the other: it has its own memory, is killed as one, and ends with an exit code.
That `python -m whet` itself starts is shown in tests/cli/test_main.py and in tests/docs/test_quickstart.py.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

PRELOADED = ("peft", "transformers.models.llama.modeling_llama", "whet.api", "whet.cli.main")
"""What takes the time; a name that is no longer there would only make each process slower."""
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(list(PRELOADED))


class Forked:
    """A running `whet ARGUMENTS`, whose output of both kinds goes into one file."""

    def __init__(self, arguments: list[str], output: Path) -> None:
        self.output = output
        self._process = _SERVER.Process(target=_whet, args=(arguments, str(output)))
        self._process.start()

    def running(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.join()

    def finish(self, seconds: float = 300) -> str:
        """What it said, once it has ended well. Raises AssertionError where it ends otherwise, or not in time."""
        self._process.join(seconds)
        ended, said = self._process.exitcode, self.output.read_text("utf-8", "replace")
        if ended is None:
            self.kill()
        assert ended == 0, f"exit code {ended}\n{said}"
        return said


def _whet(arguments: list[str], output: str) -> None:
    """In the forked process: what `python -m whet ARGUMENTS` does."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)

    import torch

    from whet.cli.main import main

    torch.set_num_threads(1)  # as OMP_NUM_THREADS=1 does for a process started afresh
    sys.argv = ["whet", *arguments]
    main()
