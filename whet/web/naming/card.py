"""The model card as HTML: its text is Markdown that Whet writes (whet/reports/model_card.py)."""

from __future__ import annotations

from markupsafe import Markup

from whet.reports.model_card import card
from whet.store.run import Run

FRONT = "---\n"
"""What encloses the metadata of a card."""


def card_of(run: Run) -> Markup | None:
    """None for a run without a model. HTML in the text stays text, and nothing is loaded from elsewhere."""
    if not (run.model / "whet.json").is_file():
        return None
    return shown(card(run))


def shown(text: str) -> Markup:
    """Headings one level deeper, because the page has its own title."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(_without_front(text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 1)}"
        elif token.type == "table_open":
            token.attrSet("tabindex", "0")  # on a phone it scrolls, which a keyboard must be able to do
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # html is off: all of it is escaped


def _without_front(text: str) -> str:
    if not text.startswith(FRONT):
        return text
    return text.removeprefix(FRONT).partition(f"\n{FRONT}")[2]
