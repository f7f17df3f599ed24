"""vLLM and SGLang as far as their documented calls go, over Whet's own engine: what was loaded truly answers.

What was loaded is a model of a `whet serve` behind it; what the engines are told beyond OpenAI's API (top_k 0 or -1,
repetition_penalty 1) is taken off, after a look that it changes nothing. `lying` acknowledges every load, and lets the
base answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from tempfile import mkdtemp
from typing import Any, Literal

from tests.server.serving import in_a_thread
from whet.data.render.renderer import Renderer
from whet.model.base import load_tokenizer
from whet.server.application import create_app
from whet.server.database.tuned_models import add_model
from whet.server.inference.catalogue import Catalogue
from whet.server.settings import Settings

NEUTRAL = {"repetition_penalty": (1.0,), "top_k": (0, -1), "min_p": (0.0,)}
Reply = tuple[int, Any]


@dataclass
class StandIn:
    """An ASGI application. `adapters` are those that it holds now, by name."""

    app: Any
    home: Path
    kind: Literal["vllm", "sglang"] = "vllm"
    lying: bool = False
    adapters: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(load or unload, name), as they came."""
    url: str = ""

    def __post_init__(self) -> None:
        self.renderer = Renderer(load_tokenizer("nano"))
        keys = self.app.state.service.keys
        self.project = keys.verify(keys.create("stand-in", "default", ("infer",))[1]).project

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in self.routes:
            await self.app(scope, receive, send)
            return

        content, more = b"", True
        while more:
            message = await receive()
            content, more = content + message.get("body", b""), message.get("more_body", False)
        body = json.loads(content) if content else {}
        reply = self.routes[scope["path"]](body)
        if reply is not None:
            await _send(send, *reply)
            return

        content = json.dumps(self.plain(body)).encode()
        kept = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        scope = scope | {"headers": [*kept, (b"content-length", str(len(content)).encode())]}
        given = [{"type": "http.request", "body": content, "more_body": False}]

        async def again() -> Any:
            return given.pop() if given else await receive()

        await self.app(scope, again, send)

    @property
    def routes(self) -> dict[str, Any]:
        prefix = "/v1" if self.kind == "vllm" else ""
        return {
            "/v1/models": lambda body: (200, {"object": "list", "data": self.models()}),
            f"{prefix}/load_lora_adapter": self.load,
            f"{prefix}/unload_lora_adapter": self.unload,
            "/tokenize": lambda body: (200, {"tokens": self.tokens(body)}),
            "/v1/chat/completions": self.refusal,
            "/v1/completions": self.refusal,
        }

    def models(self) -> list[dict[str, Any]]:
        names = ["nano", *self.adapters]
        return [{"id": name, "object": "model", "created": 1, "owned_by": self.kind} for name in names]

    def load(self, body: dict[str, Any]) -> Reply:
        name, path = body["lora_name"], body["lora_path"]
        self.calls.append(("load", name))
        if name in self.adapters:
            return 400, {"error": {"message": f"The lora adapter '{name}' has already been loaded."}}
        if not (Path(path) / "adapter_config.json").is_file():
            return 404, {"error": {"message": f"No adapter found for {path}"}}
        self.adapters[name] = path
        service = self.app.state.service
        if not self.lying:
            copy = Path(
                copytree(path, mkdtemp(dir=self.home), dirs_exist_ok=True)
            )  # without its run: nothing proves it
            with service.database.write() as connection:
                add_model(connection, name, self.project, "nano", copy, service.database.now(connection))
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, body: dict[str, Any]) -> Reply:
        name = body["lora_name"]
        self.calls.append(("unload", name))
        if name not in self.adapters:
            return 404, {"error": {"message": f"The lora adapter '{name}' cannot be found."}}
        self.forget(name)
        return 200, f"Success: LoRA adapter '{name}' removed successfully."

    def forget(self, name: str) -> None:
        """As a restart does."""
        del self.adapters[name]
        if not self.lying:
            catalogue: Catalogue = self.app.state.service.answering.catalogue
            catalogue.remove(name, self.project)

    def refusal(self, body: dict[str, Any]) -> Reply | None:
        """None where the engine behind it answers."""
        if self.asked(body["model"]) in ("nano", *self.adapters):
            return None
        return 404, {"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}}

    def asked(self, model: str) -> str:
        base, sign, adapter = model.partition(":")
        if self.kind == "vllm" or not sign:
            return model
        return adapter if base == "nano" else model

    def plain(self, body: dict[str, Any]) -> dict[str, Any]:
        for key, neutral in NEUTRAL.items():
            if body.get(key) in neutral:
                del body[key]
        name = self.asked(body["model"])
        return body | {"model": "nano" if self.lying else name}

    def tokens(self, body: dict[str, Any]) -> list[int]:
        if "messages" in body:
            return self.renderer.prompt_ids(body["messages"], body.get("tools"))
        return self.renderer.tokenizer(body["prompt"])["input_ids"]


async def _send(send: Any, status: int, value: Any) -> None:
    content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@contextmanager
def stand_in(home: Path, **more: Any) -> Iterator[StandIn]:
    """Serves nano, and what is loaded."""
    engine = StandIn(create_app(Settings(home, auth=False, workers=0)), home, **more)
    with in_a_thread(engine) as port:  # type: ignore[arg-type]
        engine.url = f"http://127.0.0.1:{port}/v1"
        yield engine
