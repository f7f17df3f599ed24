"""A small stand-in of OpenAI's fine-tuning API, with faults that a test plants: what it received is kept."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.chat_server import in_a_thread, send, url_of

Facts = dict[str, Any]
Answer = Callable[[str, list[Facts]], str]
"""What a model says: of its name and the messages."""


class FineTuning:
    """Jobs succeed after `polls` questions. `lose` names requests, as `POST /v1/files`, whose next answer is lost when
    the service has done what was asked; `deny` those that are answered 503 and not done."""

    def __init__(self) -> None:
        self.files: dict[str, Facts] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, Facts] = {}
        self.seen: list[str] = []
        self.bodies: list[Any] = []
        self.chats: list[Facts] = []
        self.polls = 2
        self.owner = "somebody"
        """Of its models: "whet" where it is to be taken for a whet serve."""
        self.fails: Facts | None = None
        self.lose: list[str] = []
        self.deny: list[str] = []
        self.estimate: Facts | None = None
        self.says: Answer = lambda model, messages: "?"
        self.serves_as: Callable[[str], str] = lambda model: model
        self.interrupt: Callable[[], None] = lambda: None
        self.keys: set[str | None] = set()
        self.lock = threading.RLock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.answer("GET")

            def do_POST(self) -> None:
                self.answer("POST")

            def answer(self, verb: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = urlsplit(self.path)
                said = f"{verb} {parts.path}"
                with outer.lock:
                    outer.seen.append(said)
                    outer.keys.add(self.headers.get("Authorization"))
                    denied = said in outer.deny
                    if denied:
                        outer.deny.remove(said)
                        status, value = 503, {"error": {"message": "busy"}}
                    else:
                        status, value = outer.route(said, parse_qs(parts.query), body, self.headers)
                    if said in outer.lose and not denied:
                        outer.lose.remove(said)
                        self.close_connection = True
                        self.connection.close()
                        return
                send(self, status, value, {"Content-Type": "application/json"})

            def log_message(self, *arguments: Any) -> None: ...

        self.http = in_a_thread(Handler)
        self.url = url_of(self.http)

    # ---- what it does

    def route(self, said: str, query: dict[str, list[str]], body: bytes, headers: Any) -> tuple[int, Any]:
        if said == "POST /v1/files":
            return 200, self.take_file(body, headers["Content-Type"])
        if said == "GET /v1/files":
            return 200, listed(list(self.files.values()), query)
        if said == "POST /v1/fine_tuning/jobs/estimate":
            return (404, error("no such path")) if self.estimate is None else (200, self.estimate)
        if said == "POST /v1/fine_tuning/jobs":
            return self.make_job(json.loads(body))
        if said == "GET /v1/fine_tuning/jobs":
            return 200, listed(list(self.jobs.values()), query)
        if said == "POST /v1/chat/completions":
            return self.chat(json.loads(body))
        if named := re.fullmatch(r"GET /v1/models/(.+)", said):
            return 200, {"id": unquote(named[1]), "object": "model", "owned_by": self.owner}
        if named := re.fullmatch(r"(?:GET|POST) /v1/fine_tuning/jobs/([^/]+)(?:/(events|cancel))?", said):
            return self.of_job(self.jobs[named[1]], named[2], query)
        return 404, error(f"no such path: {said}")

    def take_file(self, body: bytes, kind: str) -> Facts:
        boundary = kind.partition("boundary=")[2].encode()
        found: Facts = {}
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'name="(\w+)"(?:; filename="([^"]+)")?', head)
            assert name, head
            found[name[1].decode()] = content.removesuffix(b"\r\n")
            if name[2]:
                found["filename"] = name[2].decode()
        made = {"id": f"file-{len(self.files) + 1}", "object": "file", "filename": found["filename"]}
        made |= {"bytes": len(found["file"]), "purpose": found["purpose"].decode(), "status": "processed"}
        self.files[made["id"]], self.contents[made["id"]] = made, found["file"]
        return made

    def make_job(self, body: Facts) -> tuple[int, Facts]:
        self.bodies.append(body)
        if body["training_file"] not in self.files:
            return 400, error("no such file", "invalid_value", "training_file")
        name = f"ftjob-{len(self.jobs) + 1}"
        job = {"id": name, "object": "fine_tuning.job", "created_at": 1000, "status": "validating_files", "polled": 0}
        self.jobs[name] = job | body | {"fine_tuned_model": None, "finished_at": None, "error": None}
        return 200, self.jobs[name]

    def of_job(self, job: Facts, verb: str | None, query: dict[str, list[str]]) -> tuple[int, Any]:
        if verb == "cancel":
            job["status"] = "cancelled"
        elif verb == "events":
            return 200, listed(self.events(job), query)
        elif job["status"] not in ("succeeded", "failed", "cancelled"):
            job["polled"] += 1
            self.interrupt()
            job["status"] = "running"
            if job["polled"] >= self.polls:
                end = {"status": "succeeded", "fine_tuned_model": f"ft:{job['model']}:{job['suffix']}:{job['id']}"}
                job |= {"status": "failed", "error": self.fails} if self.fails else end
                job |= {"finished_at": 1060, "trained_tokens": 4321}
        return 200, job

    def events(self, job: Facts) -> list[Facts]:
        """As many as the job was asked for."""
        begun = "Fine-tuning job started"
        made: list[Facts] = [{"id": f"{job['id']}-begun", "message": begun, "type": "message", "level": "info"}]
        for step in range(1, job["polled"] + 1):
            data = {"step": step, "total_steps": self.polls, "train_loss": 2.0 / step, "valid_loss": None}
            made.append({"id": f"{job['id']}-{step}", "message": f"Step {step}", "type": "metrics", "data": data})
        return made

    def chat(self, body: Facts) -> tuple[int, Facts]:
        self.chats.append(body)
        model = self.serves_as(body["model"])
        message = {"role": "assistant", "content": self.says(model, body["messages"])}
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        return 200, {"model": model, "usage": usage, "choices": [{"message": message, "finish_reason": "stop"}]}

    @property
    def received(self) -> str:
        """All rows that were uploaded."""
        return b"".join(self.contents.values()).decode()


def error(message: str, code: str | None = None, param: str | None = None) -> Facts:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": param}}


def listed(entries: list[Facts], query: dict[str, list[str]]) -> Facts:
    """The newest first, two a page, whatever was asked."""
    newest = entries[::-1]
    after = query.get("after", [""])[0]
    start = next((n + 1 for n, entry in enumerate(newest) if entry["id"] == after), 0)
    page = newest[start : start + 2]
    return {"object": "list", "data": page, "has_more": start + 2 < len(newest)}


def serving() -> Iterator[FineTuning]:
    """For pytest.fixture."""
    made = FineTuning()
    yield made
    made.http.shutdown()
    made.http.server_close()
