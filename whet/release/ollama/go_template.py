"""The shape of a chat as a Go template for Ollama, and such a template rendered: the proof that both say the same.

Only what `go_template` writes is rendered: `range`, `if`, `else if`, `end`, `eq` and `ne` of a role, `.Content` and a
text in quotes. Go's own rules for these are those of https://pkg.go.dev/text/template; `range .Messages` puts a turn
into the dot, and what stands outside {{ }} is written as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from whet.release.ollama.chat_shape import ChatShape
from whet.types import Message

TAG = re.compile(r"{{(.*?)}}", re.DOTALL)
NO_SYSTEM = 'if ne (index .Messages 0).Role "system"'
EACH = "range .Messages"
ROLE = re.compile(r'(?:else )?if eq \.Role "(\w+)"')


def go_template(shape: ChatShape) -> str:
    """As Ollama reads it. The order of roles is that of how often they occur."""
    parts = [_text(shape.start)]
    if shape.default:
        parts.append(f"{{{{ {NO_SYSTEM} }}}}{_text(shape.default)}{{{{ end }}}}")
    parts.append(f"{{{{ {EACH} }}}}")

    for n, role in enumerate(("user", "assistant", "system")):
        before, after = shape.around[role]
        parts.append(
            f'{{{{ {"else " if n else ""}if eq .Role "{role}" }}}}{_text(before)}{{{{ .Content }}}}{_text(after)}'
        )

    parts.append("{{ end }}{{ end }}" + _text(shape.answer))
    return "".join(parts)


def _text(text: str) -> str:
    """A text of the template; one with braces as a constant in quotes, which Go writes as it is."""
    if "{{" in text or "}}" in text:
        return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"
    return text


def render(template: str, talk: Sequence[Message]) -> str:
    """What Go makes of such a template. Raises ValueError for anything that `go_template` does not write."""
    pieces = iter(_pieces(template))
    written = "".join(_block(pieces, list(talk), None, True))
    if next(pieces, None) is not None:
        raise ValueError("the template goes on behind its last end")
    return written


def _pieces(template: str) -> list[tuple[str, str]]:
    """(`text` or `tag`, content)."""
    found, at = [], 0
    for tag in TAG.finditer(template):
        found += [("text", template[at : tag.start()]), ("tag", tag[1].strip())]
        at = tag.end()
    return [*found, ("text", template[at:])]


def _block(pieces: Iterator[tuple[str, str]], talk: list[Message], turn: Message | None, shown: bool) -> list[str]:
    """Writes up to the end of this block; where it is not `shown`, only reads over it."""
    written: list[str] = []
    for kind, content in pieces:
        if kind == "text":
            written += [content] if shown else []
        elif content == "end":
            return written
        elif content == EACH:
            written += _each(pieces, talk, shown)
        elif content == NO_SYSTEM:
            written += _block(pieces, talk, turn, shown and talk[0]["role"] != "system")
        elif ROLE.fullmatch(content):
            written += _choice(pieces, content, turn, shown)
            continue
        elif content == ".Content" and turn is not None:
            written += [turn["content"]] if shown else []
        elif content.startswith('"'):
            written += [json.loads(content)] if shown else []
        else:
            raise ValueError(f"this is not understood: {content}")

    return written


def _each(pieces: Iterator[tuple[str, str]], talk: list[Message], shown: bool) -> list[str]:
    body = _body(pieces)
    return [part for turn in talk for part in _block(iter(body), talk, turn, shown)]


def _choice(pieces: Iterator[tuple[str, str]], condition: str, turn: Message | None, shown: bool) -> list[str]:
    """An if with its else ifs; the first that fits is written."""
    written: list[str] = []
    fits = shown and turn is not None and ROLE.fullmatch(condition)[1] == turn["role"]  # type: ignore[index]

    done = fits
    for kind, content in pieces:
        if kind == "tag" and content == "end":
            return written

        if kind == "tag" and (found := ROLE.fullmatch(content)):
            fits = shown and not done and turn is not None and found[1] == turn["role"]
            done = done or fits
        elif kind == "text":
            written += [content] if fits else []
        elif content == ".Content" and turn is not None:
            written += [turn["content"]] if fits else []
        elif content.startswith('"'):
            written += [json.loads(content)] if fits else []
        else:
            raise ValueError(f"this is not understood within a turn: {content}")

    raise ValueError("an if has no end")


def _body(pieces: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pieces up to the end that belongs to this block."""
    found, depth = [], 1
    for piece in pieces:
        kind, content = piece
        if kind == "tag" and (content == EACH or content.startswith("if ")):
            depth += 1
        if kind == "tag" and content == "end" and (depth := depth - 1) == 0:
            return found
        found.append(piece)

    raise ValueError("a range has no end")
