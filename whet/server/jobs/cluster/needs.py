"""What a job asks of a cluster: a GPU where there are any, else all processors of the smallest node.

It asks for the same each time that it goes on, so that its sums have the same last bits: it is kept in its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.server.jobs.cluster.ray_cluster import Needs, Node
from whet.store.atomic import write_json

KEPT = "ray.json"


def needs_of(nodes: Sequence[Node], estimate: Mapping[str, Any] | None, folder: Path) -> Needs | None:
    """Of a job with this estimate, whose folder keeps it; None where no node has any processor for jobs."""
    before = _kept(folder)
    if before is not None and any(_holds(node, before) for node in nodes):
        return before

    needs = _first_needs(nodes, estimate)
    if needs is not None:
        write_json(folder / KEPT, asdict(needs))
    return needs


def places(nodes: Sequence[Node]) -> int:
    """Jobs that train at once."""
    needs = _first_needs(nodes, None)
    if needs is None:
        return 0
    if needs.gpus:
        return sum(node.gpus for node in nodes)
    return sum(node.cpus // needs.cpus for node in nodes)


def _first_needs(nodes: Sequence[Node], estimate: Mapping[str, Any] | None) -> Needs | None:
    with_gpus = [node for node in nodes if node.gpus and node.cpus]
    if with_gpus:
        return Needs(min(max(1, node.cpus // node.gpus) for node in with_gpus), 1)

    working = [node for node in nodes if node.cpus]
    if not working:
        return None
    smallest = min(working, key=lambda node: (node.cpus, node.memory))
    memory = int((estimate or {}).get("memory_bytes") or 0)
    return Needs(smallest.cpus, 0, min(memory, smallest.memory))  # what fits nowhere is told by the job, not by waiting


def _kept(folder: Path) -> Needs | None:
    path = folder / KEPT
    return Needs(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def _holds(node: Node, needs: Needs) -> bool:
    return node.cpus >= needs.cpus and node.gpus >= needs.gpus and node.memory >= needs.memory
