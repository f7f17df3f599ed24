"""The API described: for people as a page without scripts, for programs as OpenAPI (/openapi.json) and llms.txt."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment

router = APIRouter(include_in_schema=False)
METHODS = ("get", "post", "delete")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Whet's API</title><style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font-size: .95em; overflow-wrap: anywhere } li { margin: .4rem 0 }
</style></head><body><main>
<h1>Whet's API {{ version }}</h1>
<p>OpenAI's clients speak it: give them <code>base_url="{{ url }}v1"</code> and a key made by
<code>whet keys create</code>. For programs: <a href="/openapi.json">openapi.json</a>, <a href="/llms.txt">llms.txt</a>.
</p>
{% for group, calls in groups %}<h2>{{ group }}</h2><ul>
{% for call in calls %}<li><code>{{ call.method }} {{ call.path }}</code><br>{{ call.what }}</li>
{% endfor %}</ul>{% endfor %}
</main></body></html>
"""
_page = Environment(autoescape=True).from_string(PAGE)


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """All calls, by what they are about."""
    api = request.app.openapi()
    groups: dict[str, list[dict[str, str]]] = {}
    for call in _calls(api):
        groups.setdefault(call["group"], []).append(call)
    url = str(request.base_url)
    return HTMLResponse(_page.render(version=api["info"]["version"], url=url, groups=groups.items()))


@router.get("/llms.txt")
def llms(request: Request) -> PlainTextResponse:
    """The same in lines, for programs that read text."""
    api = request.app.openapi()
    lines = [
        f"# Whet's API {api['info']['version']}",
        "",
        f"> OpenAI's API for chat, files and fine-tuning at {request.base_url}v1, with a key in the header",
        "> Authorization: Bearer KEY. What is not supported is refused by name.",
        "",
        *(f"- {call['method']} {call['path']}: {call['what']}" for call in _calls(api)),
    ]
    return PlainTextResponse("\n".join(lines) + "\n")


def _calls(api: dict[str, Any]) -> list[dict[str, str]]:
    calls = []
    for path, methods in api["paths"].items():
        for method in METHODS:
            if method not in methods:
                continue
            what = methods[method].get("description") or methods[method].get("summary", "")
            calls.append({"method": method.upper(), "path": path, "what": what, "group": _group(path)})
    return calls


def _group(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1].replace("_", " ").capitalize() if parts[0] == "v1" and len(parts) > 1 else "Operation"
