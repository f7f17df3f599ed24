"""What is asked of Ray, through its Jobs API: which of our jobs it has, to run one, to stop one, which nodes there are.

The library is imported when it is first asked: it takes most of a second and 60 MB.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol, TypeVar

from whet.errors import InputError, RunError
from whet.server.jobs.cluster.address import place_of

NAME = re.compile(r"whet-(ftjob-[A-Za-z0-9]+)-(\d+)-(\d+)")
CONNECT_SECONDS = 5.0
ASK_SECONDS = 10
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SubmissionName:
    """What Ray calls one try to run a job. It holds for the fence that the job had when it was submitted: whoever
    claims, pauses or cancels the job makes it void."""

    job: str
    fence: int
    attempt: int

    def __str__(self) -> str:
        return f"whet-{self.job}-{self.fence}-{self.attempt}"

    @classmethod
    def read(cls, text: str) -> SubmissionName | None:
        """None for what is not Whet's."""
        found = NAME.fullmatch(text)
        return cls(found[1], int(found[2]), int(found[3])) if found else None


@dataclass(frozen=True, slots=True)
class Submission:
    """`over`: it has ended, well or not; `message` is Ray's, with the end of its log where it failed."""

    name: SubmissionName
    over: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """`memory` in bytes, as Ray lends it out."""

    host: str
    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a Ray job asks for; `memory` in bytes, 0 for none."""

    cpus: int
    gpus: int = 0
    memory: int = 0


class Cluster(Protocol):
    """All of these raise RunError where the cluster does not answer, or refuses."""

    def submissions(self) -> list[Submission]:
        """Those of Whet, of all services that use the cluster."""
        ...

    def submit(self, name: str, command: str, needs: Needs) -> None: ...

    def stop(self, name: str) -> None:
        """Asks it to end; one that has ended, or is not known, is left alone."""
        ...

    def end_of(self, name: str) -> tuple[bool, str] | None:
        """Whether it ended well, and Ray's message; None while it has not ended."""
        ...

    def nodes(self) -> list[Node]:
        """Those that are alive."""
        ...


@dataclass
class RayCluster:
    address: str
    _client: Any = field(default=None, repr=False)

    def submissions(self) -> list[Submission]:
        found = []
        for job in self._ask(lambda client: client.list_jobs()):
            name = SubmissionName.read(job.submission_id or "")
            if name is not None:
                found.append(Submission(name, job.status.is_terminal(), job.message or ""))
        return found

    def submit(self, name: str, command: str, needs: Needs) -> None:
        """As many threads as processors: how many there are shows in the last bits of sums."""
        asked: dict[str, Any] = {
            "entrypoint": command,
            "submission_id": name,
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(needs.cpus)}},
            "entrypoint_num_cpus": needs.cpus,
            "entrypoint_num_gpus": needs.gpus or None,
            "entrypoint_memory": needs.memory or None,
        }
        try:
            self._ask(lambda client: client.submit_job(**asked))
        except RunError as error:
            if "already exists" not in error.what:  # another server over this database was quicker
                raise

    def stop(self, name: str) -> None:
        self._ask(lambda client: client.stop_job(name))

    def end_of(self, name: str) -> tuple[bool, str] | None:
        job = self._ask(lambda client: client.get_job_info(name))
        if not job.status.is_terminal():
            return None
        return job.status.value == "SUCCEEDED", job.message or ""

    def nodes(self) -> list[Node]:
        def ask(client: Any) -> list[Any]:
            from ray.util.state import list_nodes

            return list_nodes(address=client.get_address(), timeout=ASK_SECONDS, detail=True)

        alive = [node for node in self._ask(ask) if node.state == "ALIVE"]
        return [_node(one.node_ip, one.resources_total) for one in alive]

    def _ask(self, question: Callable[[Any], Result]) -> Result:
        ray = ray_library()
        try:
            socket.create_connection(place_of(self.address), CONNECT_SECONDS).close()  # Ray itself waits for minutes
            if self._client is None:
                self._client = ray.job_submission.JobSubmissionClient(self.address)
            return question(self._client)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError, _state_error()) as error:
            self._client = None
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            fix = "start it, or correct --workers; a cluster with a token needs RAY_AUTH_TOKEN here, too"
            raise RunError(
                f"the Ray cluster does not do what is asked: {first}", where=self.address, fix=fix
            ) from error


def ray_library() -> ModuleType:
    """Raises InputError where it is not installed."""
    try:
        import ray.exceptions
        import ray.job_submission
    except ModuleNotFoundError as error:
        what = f"a Ray cluster needs {error.name}, which is not installed"
        raise InputError(what, where="--workers", fix="pip install 'whet[server,ray]'") from error
    return ray


def _state_error() -> type[Exception]:
    from ray.util.state.exception import RayStateApiException

    return RayStateApiException


def _node(host: str, resources: dict[str, float]) -> Node:
    cpus, gpus, memory = (int(resources.get(name, 0)) for name in ("CPU", "GPU", "memory"))
    return Node(host, cpus, gpus, memory)
