"""The studio's pictures in README and docs/running/studio.md: a run on nano, from its file to its answers.

python -m bench.shown.studio     writes docs/images/studio-*.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench.shown.pages import DOCS
from tests.in_browser import started_browser
from tests.runs_of_methods import messages_of, write_conversations
from tests.web.studio import Studio, studio

KINDS = ("refund", "damaged_item", "cancel_order", "change_address", "invoice_copy")
ROWS, LONG = 400, 600_000
MESSAGE = "My parcel came broken, the mug is in pieces."
PICTURES = DOCS / "images"


def walk(page: Any, opened: Studio, file: Path) -> None:
    page.set_default_timeout(LONG)
    page.goto(f"{opened.url}/data")
    page.set_input_files("#file", str(file))
    page.get_by_role("link", name="Tune on this").wait_for()
    _keep(page, "data")
    page.get_by_role("link", name="Tune on this").click()
    page.get_by_text("at most").first.wait_for()
    page.fill("#name", "support-desk")
    page.locator("#name").blur()
    _keep(page, "new-run")
    page.get_by_role("button", name="Start").click()
    page.locator("[data-step='12'], [data-step='13'], [data-step='14'], [data-step='15'], [data-step='16']").wait_for()
    page.locator("canvas").first.wait_for()
    _keep(page, "run")
    page.get_by_role("link", name="The verdict").click()
    page.get_by_role("link", name="Try it").wait_for()
    _keep(page, "verdict")
    model = page.get_by_role("link", name="Try it").get_attribute("href").partition("models=")[2]
    page.goto(f"{opened.url}/play?models=nano,{model}&prompt={MESSAGE.replace(' ', '+')}")
    page.get_by_role("button", name="Ask").click()
    for answer in page.get_by_role("button", name="Good").all():
        answer.wait_for()
    page.get_by_text("ended by itself").last.wait_for()
    _keep(page, "playground")


def _keep(page: Any, name: str) -> None:
    page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / f"studio-{name}.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "runs").mkdir()
        with studio(home / "home", runs=home / "runs", workers=1) as opened:
            for browser in started_browser():
                with opened.page(browser) as page:
                    walk(page, opened, write_conversations(home / "messages.jsonl", messages_of(KINDS, ROWS)))


if __name__ == "__main__":
    main()
