"""A server of our own that answers as a test says: an OpenAI-compatible one, at times."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Any]


class Server:
    """Answers each request with what `reply` makes of its body; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.reply: Callable[[int], Reply] = lambda number: (200, said("7"))
        self.headers: dict[str, str] = {}
        outer, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.asked.append((self.path, dict(self.headers), body))
                    status, value = outer.reply(len(outer.asked) - 1)
                send(self, status, value, outer.headers)

            def log_message(self, *arguments: Any) -> None: ...

        self.http = in_a_thread(Handler)
        self.url = url_of(self.http)


def send(handler: BaseHTTPRequestHandler, status: int, value: Any, headers: Mapping[str, str]) -> None:
    """A body of bytes as it is, anything else as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    handler.send_response(status)
    for name, header in headers.items():
        handler.send_header(name, header)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def in_a_thread(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server on a free port of this machine."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    return http


def url_of(http: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{http.server_port}/v1"


def said(text: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def serving() -> Iterator[Server]:
    """For pytest.fixture."""
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()
