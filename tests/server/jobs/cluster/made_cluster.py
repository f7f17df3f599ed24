"""A stand-in for Ray, whose jobs begin and end when the test says so."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from whet.errors import RunError
from whet.server.jobs.cluster.ray_cluster import Needs, Node, Submission, SubmissionName

HERE = Node("127.0.0.1", 4, 0, 8 << 30)


@dataclass
class MadeCluster:
    machines: list[Node] = field(default_factory=lambda: [HERE])
    known: dict[str, Submission] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    needs: dict[str, Needs] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    silent: bool = False
    asked: int = 0
    trial: tuple[bool, str] | None = (True, "")

    def submissions(self) -> list[Submission]:
        self._answer()
        return list(self.known.values())

    def submit(self, name: str, command: str, needs: Needs) -> None:
        self._answer()
        assert name not in self.known, "Ray refuses a name that it knows"
        self.commands[name], self.needs[name] = command, needs
        if (read := SubmissionName.read(name)) is not None:
            self.known[name] = Submission(read, over=False)

    def stop(self, name: str) -> None:
        self._answer()
        self.stopped.append(name)

    def end_of(self, name: str) -> tuple[bool, str] | None:
        self._answer()
        return self.trial

    def nodes(self) -> list[Node]:
        self._answer()
        return self.machines

    def end(self, name: str, message: str = "") -> None:
        self.known[name] = replace(self.known[name], over=True, message=message)

    def _answer(self) -> None:
        self.asked += 1
        if self.silent:
            raise RunError("connection refused", where="http://head:8265")
