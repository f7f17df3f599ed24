"""The workloads of a log: its requests by the template of the system prompt and the set of tools."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from whet.monitoring.trace import Trace, text_of
from whet.workloads.templates import templates_of

INSTRUCTS = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Workload:
    """Traces are in the order of the log. `id` stays the same while its template stays the one with most requests."""

    id: str
    system: str
    """The system prompt that most of its requests have; empty where they have none."""
    systems: int
    """Different system prompts that are this template."""
    tools: list[str]
    label: str | None
    """What the log calls it, where no system prompt tells what it is."""
    traces: list[Trace]


def find_workloads(traces: Sequence[Trace]) -> list[Workload]:
    """All workloads, the one with most requests first."""
    template = templates_of(Counter(system_prompt(trace) for trace in traces))
    grouped: dict[tuple[str, tuple[str, ...], str | None], list[Trace]] = defaultdict(list)
    for trace in traces:
        system = system_prompt(trace)
        label = None if system else trace.workload
        grouped[template[system], tools_of(trace), label].append(trace)

    found = [_workload(*key, members) for key, members in grouped.items()]
    return sorted(found, key=lambda workload: (-len(workload.traces), workload.id))


def _workload(key: str, tools: tuple[str, ...], label: str | None, traces: list[Trace]) -> Workload:
    systems = Counter(system_prompt(trace) for trace in traces)
    digest = hashlib.blake2b(repr((key, tools, label)).encode("utf-8", "surrogatepass"), digest_size=4)
    system = min(systems, key=lambda text: (-systems[text], text))
    return Workload(digest.hexdigest(), system, len(systems), list(tools), label, traces)


def system_prompt(trace: Trace) -> str:
    """What stands before the first turn of a person."""
    return "\n\n".join(text_of(message) for message in trace.messages if message.get("role") in INSTRUCTS)


def tools_of(trace: Trace) -> tuple[str, ...]:
    """The names of the tools that were offered, in alphabetical order."""
    names = set()
    for tool in trace.tools or []:
        inner = tool.get("function")
        names.add(str((inner if isinstance(inner, dict) else tool).get("name")))
    return tuple(sorted(names))
