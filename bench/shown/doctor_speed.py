"""How long `whet check` takes on many chat rows, and how much memory: `python -m bench.shown.doctor_speed`.

The rows are the clean ones of bench/planted, no two alike. The whole command is timed from outside, with everything
that it does: reading, the ledger, the split, every check.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import psutil

from bench.planted.clean import clean_rows


def run(folder: Path, rows: int = 100_000) -> dict[str, Any]:
    """`seconds` on the clock, `cpu_seconds` of all processes, `peak_bytes` of all processes together (proportional
    set size, sampled five times a second), and the findings by code."""
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in clean_rows(Random(0), rows))
    command = [sys.executable, "-m", "whet", "check", file.name, "--json"]
    start, peak, cpu = time.monotonic(), 0, 0.0
    with (folder / "result.json").open("w") as result:
        process = psutil.Popen(command, cwd=folder, stdout=result)
        while process.poll() is None:
            memory, cpu = footprint(process, cpu)
            peak = max(peak, memory)
            time.sleep(0.2)
    seconds = time.monotonic() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    findings = json.loads((folder / "result.json").read_text())["findings"]
    return {
        "rows": rows,
        "bytes": file.stat().st_size,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_bytes": peak,
        "findings": {finding["code"]: finding["count"] for finding in findings},
    }


def footprint(process: psutil.Process, cpu: float) -> tuple[int, float]:
    """Bytes of the process and its workers, and the most seconds of work seen so far."""
    memory = 0
    try:
        own = process.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for each in [process, *process.children(recursive=True)]:
            memory += each.memory_full_info().pss
            if each.pid != process.pid:
                used += sum(each.cpu_times()[:2])
    except psutil.Error:  # a worker that has just ended
        return memory, cpu
    return memory, max(cpu, used)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), int((sys.argv[1:] or ["100000"])[0])), indent=2))
