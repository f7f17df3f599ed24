"""A model wears out, and the next one takes its place: the whole way round, on the bundled base.

    python -m bench.shown.story [--folder build/story]     writes the table of docs/running/story.md

A model is tuned on three kinds of messages to a support desk and served. Then a fourth kind comes. `whet monitor`
raises the alarm, people correct answers, `whet retrain` makes the next version and holds it against the live one, a
canary answers a fifth of the clients, it is promoted and rolled back. Every step is a command or a request as a user
gives it. The server is killed twice on the way, in the midst of requests, and started again.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from openai import APIConnectionError, APIError, APIStatusError, OpenAI

from bench.serving.processes import wait_for
from bench.shown.pages import DOCS, table, write_tables
from whet.demo_data.support_desk import generate

KNOWN, NEW = ("refund", "damaged_item", "cancel_order"), "invoice_copy"
NAME, CLIENTS, SHARE = "desk", 60, 0.2
TUNED, CALM, SHIFTED, AFTER = 300, 120, 160, 120
"""Rows to learn from; requests before the change, after it, and while a canary runs."""
FLUSHED = 2.0
"""Seconds after which a trace is on the disk whatever happens to the server."""


def messages(count: int, kinds: Sequence[str], seed: int) -> list[dict[str, str]]:
    """Messages of these kinds in turn, with what is right: the kind."""
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    for row in generate(40 * count, seed=seed):
        kind = json.loads(row["completion"])["intent"]
        if kind in found and row["prompt"] not in found[kind]:
            found[kind].append(row["prompt"])
    turns = [{"prompt": found[kinds[n % len(kinds)]][n // len(kinds)], "completion": kinds[n % len(kinds)]}
             for n in range(count)]  # fmt: skip
    Random(seed).shuffle(turns)
    return turns


@dataclass
class Desk:
    """The folder of the story, its server, and what was asked of it."""

    folder: Path
    port: int
    here: bool = False
    """Commands run in this process, which saves their imports."""
    server: subprocess.Popen[bytes] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    starts: int = 0
    killed: list[float] = field(default_factory=list)
    asked: list[tuple[float, str, str, str]] = field(default_factory=list)
    """When each answer had come, its id, its client, and the version that gave it."""

    def whet(self, *words: str, code: int = 0) -> dict[str, Any]:
        """What a command prints with --json. Raises RuntimeError for another exit code."""
        ended, out, err = (self._run_here if self.here else self._run)([*words, "--json", "--quiet"])
        if ended != code:
            raise RuntimeError(f"{' '.join(words)} ended with {ended}\n{err[-3000:]}")
        return json.loads(out)

    def _run(self, words: list[str]) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "whet", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def _run_here(self, words: list[str]) -> tuple[int, str, str]:
        from whet.cli.main import run

        out, err = io.StringIO(), io.StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            return run(words), out.getvalue(), err.getvalue()

    def serve(self) -> None:
        """Until `stop`; a server that was killed is started again, as systemd does."""
        command = [sys.executable, "-m", "whet", "serve", "--runs", "runs", "--home", "service", "--no-auth"]
        command += ["--port", str(self.port), "--traces", "content"]
        while not self.stopping.is_set():
            with (self.folder / "server.log").open("ab") as log:
                self.server = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
            self.starts += 1
            self.server.wait()

    def kill(self) -> None:
        assert self.server is not None
        self.killed.append(time.monotonic())
        self.server.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        self.stopping.set()
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(60)

    def ask(self, message: str, client: str) -> tuple[str, str]:
        """(id, answer). Asked again where the connection broke."""
        api = OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="none", max_retries=0)
        end = time.monotonic() + 300
        while True:
            try:
                raw = api.chat.completions.with_raw_response.create(
                    model=NAME, messages=[{"role": "user", "content": message}], user=client, temperature=0
                )
                answer = raw.parse()
                self.asked.append((time.monotonic(), answer.id, client, raw.headers["x-whet-version"]))
                return answer.id, answer.choices[0].message.content or ""
            except APIError as error:
                gone = isinstance(error, APIConnectionError) or (
                    isinstance(error, APIStatusError) and error.status_code >= 500
                )
                if not gone or time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def ask_all(self, rows: Sequence[dict[str, str]], kill_after: int | None = None) -> list[tuple[str, str, str]]:
        """(id, answer, what is right), in order; four clients ask at once. The server is killed after so many."""
        counted, killed = threading.Lock(), False

        def one(number: int) -> tuple[str, str, str]:
            nonlocal killed
            trace, answer = self.ask(rows[number]["prompt"], f"client-{number % CLIENTS}")
            with counted:
                if kill_after is not None and not killed and number >= kill_after:
                    killed = True
                    self.kill()
            return trace, answer, rows[number]["completion"]

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(one, range(len(rows))))

    def say(self, trace: str, right: str, by: str) -> None:
        """Somebody corrects an answer."""
        body = {"id": trace, "corrected": right, "by": by, "key": f"{by} {trace}"}
        httpx2.post(f"http://127.0.0.1:{self.port}/v1/feedback", json=body, timeout=60).raise_for_status()

    def traces(self) -> set[str]:
        """Ids of the traces that the service has."""
        page = httpx2.get(f"http://127.0.0.1:{self.port}/v1/traces/export", timeout=120).raise_for_status()
        return {json.loads(line)["id"] for line in page.text.splitlines() if line.strip()}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def right(answers: Sequence[tuple[str, str, str]]) -> float:
    return sum(answer.strip() == wanted for _, answer, wanted in answers) / len(answers)


def tell(
    folder: Path,
    tuned: int = TUNED,
    calm: int = CALM,
    shifted: int = SHIFTED,
    after: int = AFTER,
    settings: Sequence[str] = (),
    start: str = "auto",
    here: bool = False,
) -> dict[str, Any]:
    """The story; gives its figures. `settings` are keys of the recipe, as `epochs=2`; `start` is where the next version
    begins."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / "tickets.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in messages(tuned, KNOWN, 1)), "utf-8")
    desk, story = Desk(folder, free_port(), here), {}

    keys = [word for setting in settings for word in ("--set", setting)]
    made = desk.whet("tune", rows.name, *keys)
    _make_live(desk, made["run"])
    story["first"] = {key: made[key]["answer" if key == "ship" else "score"] for key in ("ship", "tuned")}
    watching = threading.Thread(target=desk.serve, daemon=True)
    watching.start()
    try:
        wait_for(f"http://127.0.0.1:{desk.port}/health", 120)
        _wear_out(desk, story, calm, shifted)
        _take_its_place(desk, story, after, start)
        story["lost"], story["lost_elsewhere"] = _lost(desk)
        story["kills"] = desk.starts - 1
    finally:
        desk.stop()
        watching.join(60)
    return story


def _make_live(desk: Desk, run: str) -> None:
    version = desk.whet("models", "register", NAME, run)["version"]
    desk.whet("export", f"{NAME}@{version}", "--to", "merged")
    desk.whet("models", "promote", NAME, str(version))


def _wear_out(desk: Desk, story: dict[str, Any], calm: int, shifted: int) -> None:
    before = desk.ask_all(messages(calm, KNOWN, 2), kill_after=calm // 2)
    time.sleep(FLUSHED)
    quiet = desk.whet("monitor", NAME, "--from", "service", "--gate")
    story["calm"] = {"right": right(before), "alarms": len(quiet["alarms"])}

    known, new = messages(shifted // 2, KNOWN, 3), messages(shifted // 2, (NEW,), 4)
    mixed = [row for pair in zip(known, new, strict=True) for row in pair]
    shift = desk.ask_all(mixed)
    time.sleep(FLUSHED)
    worn = desk.whet("monitor", NAME, "--from", "service", "--gate", code=3)
    alarm = next(one for one in worn["alarms"] if one["question"] == "drift")
    kind_of = {row["prompt"]: row["completion"] for row in mixed}
    story["shift"] = {
        "right": right(shift),
        "alarm": alarm["sentence"],
        "suggestion": alarm["suggestion"],
        "examples": len(alarm["examples"]),
        "examples_new": sum(kind_of.get(one["asked"]) == NEW for one in alarm["examples"]),
    }
    corrected = [(trace, wanted) for trace, answer, wanted in shift if answer.strip() != wanted]
    for number, (trace, wanted) in enumerate(corrected):
        desk.say(trace, wanted, f"reviewer-{number % 3}")
    story["corrected"] = len(corrected)


def _take_its_place(desk: Desk, story: dict[str, Any], after: int, start: str) -> None:
    asked = ("retrain", NAME, "--from", "service", "--start", start)
    planned = desk.whet(*asked, "--plan")
    made = desk.whet(*asked)
    assert made["data"]["file"] == planned["data"]["file"]
    story["retrained"] = {
        "new_rows": made["data"]["new"],
        "fresh_test": made["data"]["fresh_test"],
        "start": next(one["start"] for one in made["starts"] if one["chosen"]),
        "against_live": made["against_live"],
    }
    version = made["version"]
    desk.whet("export", f"{NAME}@{version}", "--to", "merged")
    desk.whet("models", "canary", NAME, str(version), "--share", str(SHARE))
    mixed = messages(after, (*KNOWN, NEW), 5)
    met = len(desk.asked)
    answers = desk.ask_all(mixed, kill_after=after // 2)
    _note_canary(desk, story, answers, met, version)

    desk.whet("models", "promote", NAME, str(version))
    story["promoted"] = right(desk.ask_all(messages(after // 2, (*KNOWN, NEW), 6)))
    all_new = {told for _, _, _, told in desk.asked[-(after // 2) :]}
    desk.whet("models", "rollback", NAME)
    story["rolled_back"] = right(desk.ask_all(messages(after // 2, (*KNOWN, NEW), 6)))
    all_old = {told for _, _, _, told in desk.asked[-(after // 2) :]}
    story["versions"] = {"promoted": sorted(all_new), "rolled_back": sorted(all_old)}


def _note_canary(desk: Desk, story: dict[str, Any], answers: Any, met: int, version: int) -> None:
    by_client: dict[str, set[str]] = {}
    for _, _, client, told in desk.asked[met:]:
        by_client.setdefault(client, set()).add(told)
    on_new = [client for client, told in by_client.items() if told == {f"{NAME}@{version}"}]
    story["canary"] = {
        "right": right(answers),
        "clients": len(by_client),
        "on_new": len(on_new),
        "on_both": sum(len(told) > 1 for told in by_client.values()),
    }


def _lost(desk: Desk) -> tuple[int, int]:
    """Answers that were given and have no trace: of the last moments before a kill, and of any other time."""
    time.sleep(FLUSHED)
    kept = desk.traces()
    gone = [when for when, name, _, _ in desk.asked if name not in kept]
    last = sum(any(kill - FLUSHED < when < kill + FLUSHED for kill in desk.killed) for when in gone)
    return last, len(gone) - last


def rows_of(story: dict[str, Any]) -> list[tuple[object, ...]]:
    shift, retrained, canary = story["shift"], story["retrained"], story["canary"]
    return [
        ("tuned on three kinds", f"{100 * story['first']['tuned']:.1f}% of the test rows, {story['first']['ship']}"),
        ("served them", f"{100 * story['calm']['right']:.1f}% right, alarms: {story['calm']['alarms']}"),
        ("a fourth kind came", f"{100 * shift['right']:.1f}% right"),
        (
            "the alarm",
            f"{shift['alarm']} {shift['examples_new']} of {shift['examples']} examples are of the new kind; to do: "
            f"{shift['suggestion']}",
        ),
        ("people corrected", f"{story['corrected']} answers"),
        (
            "retrained",
            f"on {retrained['new_rows']} new rows, {retrained['fresh_test']} held out, from the {retrained['start']}: "
            f"{retrained['against_live']['sentence']}",
        ),
        (
            "canary at 20%",
            f"{canary['on_new']} of {canary['clients']} clients met it, {canary['on_both']} met both versions; "
            f"{100 * canary['right']:.1f}% right",
        ),
        ("promoted", f"{100 * story['promoted']:.1f}% right"),
        ("rolled back", f"{100 * story['rolled_back']:.1f}% right"),
        (
            "killed",
            f"{story['kills']} times; answers without a trace: {story['lost']} of the last {FLUSHED:.0f} seconds "
            f"before, {story['lost_elsewhere']} of any other time",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/story"))
    given = parser.parse_args()
    story = tell(given.folder.resolve())
    (given.folder / "story.json").write_text(json.dumps(story, indent=1), "utf-8")
    print(json.dumps(story, indent=1))
    write_tables(DOCS / "running" / "story.md", {"story": table(("step", "what was seen"), rows_of(story))})


if __name__ == "__main__":
    main()
