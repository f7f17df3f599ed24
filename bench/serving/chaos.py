"""Requests and jobs while the service and its workers are killed at random: nothing that was accepted is lost.

    python -m bench.serving.chaos [--requests 10000] [--kills 20] [--jobs 6] [--database URL] [--seed 0]

A killer ends the server, a worker or a training process with SIGKILL, at random moments; the server is started again,
as systemd would. Clients ask models that sign their answers, and ask again where a connection broke. Afterwards, in
peace, each job is made once more from the same file and seed: its weights must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
from openai import APIConnectionError, APIError, APIStatusError, OpenAI
from sqlalchemy import select

from bench.serving.signed import SIGNS, answer_of, question, questions, signed_run
from whet.server.database.opening import open_database
from whet.server.database.tables import models
from whet.server.settings import Settings

CLIENTS = 16
PATIENCE = 1800
JOB_ROWS = 60
ENDED = ("succeeded", "failed", "cancelled")


@dataclass(slots=True)
class Service:
    """A service that is started again whenever it ends."""

    command: list[str]
    log: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
            self.starts += 1
            self.process.wait()
            time.sleep(0.2)

    def stop(self) -> None:
        self.stopping.set()
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)

    def kill(self, rng: Random) -> str:
        """The server, or one of its processes that train. Says which."""
        assert self.process
        try:
            server = psutil.Process(self.process.pid)
            below = [one for one in server.children(recursive=True) if "whet.server.jobs" in " ".join(one.cmdline())]
            chosen = rng.choice(below) if below and rng.random() < 0.6 else server
            what = "server" if chosen == server else "worker"
            chosen.kill()
        except psutil.NoSuchProcess:
            return "nobody"
        return what


@dataclass(slots=True)
class Tally:
    answers: int = 0
    wrong: int = 0
    broken: int = 0
    refused: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def patiently(act: Callable[[], Any], tally: Tally) -> Any:
    """What `act` gives, asked again while the service is away."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except APIStatusError as error:
            if error.status_code < 500 or time.monotonic() > end:
                raise
        except APIError as error:  # a connection that broke, also in the midst of an answer
            if not isinstance(error, APIConnectionError) and time.monotonic() > end:
                raise
        with tally.lock:
            tally.broken += 1
        time.sleep(0.3)


def ask(client: OpenAI, number: int, tally: Tally) -> None:
    rng = Random(number)
    model, words = rng.choice(SIGNS), question(rng)

    def once() -> str:
        asked = [{"role": "user", "content": words}]
        answer = client.chat.completions.create(model=model, messages=asked, temperature=0, max_tokens=40)  # type: ignore[arg-type]
        return answer.choices[0].message.content or ""

    try:
        text = patiently(once, tally)
    except APIError as error:
        with tally.lock:
            tally.refused.append(f"{type(error).__name__}: {error}")
        return
    with tally.lock:
        tally.answers += 1
        tally.wrong += text.strip() != answer_of(model)


def job_file(number: int) -> bytes:
    sign = SIGNS[number % len(SIGNS)]
    rows = []
    for asked in questions(JOB_ROWS, 100 + number):
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer_of(sign)}]
        rows.append(json.dumps({"messages": turns}) + "\n")
    return "".join(rows).encode()


def started_job(client: OpenAI, base: str, number: int, suffix: str, tally: Tally) -> tuple[str, str]:
    """(file, job)."""
    content = job_file(number)
    name = f"job-{number}.jsonl"
    file = patiently(lambda: client.files.create(file=(name, io.BytesIO(content)), purpose="fine-tune"), tally)
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}

    def create() -> Any:
        return client.fine_tuning.jobs.create(
            model=base,
            training_file=file.id,
            seed=number,
            suffix=suffix,
            method=method,  # type: ignore[arg-type]
        )

    return file.id, patiently(create, tally).id


def ended(client: OpenAI, job: str, tally: Tally) -> Any:
    end = time.monotonic() + PATIENCE
    while True:
        found = patiently(lambda: client.fine_tuning.jobs.retrieve(job), tally)
        if found.status in ENDED or time.monotonic() > end:
            return found
        time.sleep(0.5)


def weights_of(home: Path, url: str, model: str) -> str:
    """Digest of a model's weights."""
    with open_database(url or Settings(home=home).database_url).read() as connection:
        folder = connection.execute(select(models.c.folder).where(models.c.name == model)).scalar_one()
    return hashlib.sha256(next(Path(folder).glob("model/*.safetensors")).read_bytes()).hexdigest()


def measured(given: argparse.Namespace) -> dict[str, Any]:
    runs = [str(signed_run(sign, given.base, given.folder)) for sign in SIGNS]
    rng, tally = Random(given.seed), Tally()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        port = ["--port", str(given.port)]
        whet = [sys.executable, "-m", "whet", "serve", given.base, *runs, "--home", str(home), *port]
        options = ["--database", given.database] if given.database else []
        service = Service([*whet, "--no-auth", *options], Path(scratch) / "serve.log")
        keeper = threading.Thread(target=service.run)
        keeper.start()
        client = OpenAI(base_url=f"http://127.0.0.1:{given.port}/v1", api_key="none", max_retries=0, timeout=120)
        patiently(lambda: client.models.list(), tally)

        made = [started_job(client, given.base, number, "harmed", tally) for number in range(given.jobs)]
        killed: dict[str, int] = {}
        done = threading.Event()

        def killer() -> None:
            for _ in range(given.kills):
                if done.wait(rng.uniform(*given.every)):
                    return
                what = service.kill(rng)
                killed[what] = killed.get(what, 0) + 1

        hunting = threading.Thread(target=killer)
        hunting.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda number: ask(client, number, tally), range(given.requests)))
        hunting.join()
        done.set()

        jobs = [ended(client, job, tally) for _, job in made]
        files = [patiently(lambda file=file: client.files.content(file).read(), tally) for file, _ in made]
        again = [started_job(client, given.base, number, "unharmed", tally) for number in range(given.jobs)]
        unharmed = [ended(client, job, tally) for _, job in again]
        same = 0
        for one, other in zip(jobs, unharmed, strict=True):
            if one.fine_tuned_model and other.fine_tuned_model:
                both = (one.fine_tuned_model, other.fine_tuned_model)
                same += len({weights_of(home, given.database, model) for model in both}) == 1
        service.stop()
        keeper.join()
        return {
            "requests": given.requests,
            "answers": tally.answers,
            "wrong": tally.wrong,
            "refused": tally.refused[:5],
            "asked_again": tally.broken,
            "killed": killed,
            "starts": service.starts,
            "jobs": {one.id: one.status for one in jobs},
            "job_errors": [one.error.message for one in jobs if one.error and one.error.message],
            "files_whole": sum(job_file(number) == content for number, content in enumerate(files)),
            "same_weights": same,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, nargs=2, default=(5.0, 20.0), help="seconds between two kills")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", default="")
    parser.add_argument("--port", type=int, default=18233)
    parser.add_argument("--folder", type=Path, default=Path("build/serving"))
    print(json.dumps(measured(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
