"""What a client reads of a file that was examined: lines of it, and no path of the server's."""

from __future__ import annotations

import pytest

from whet.server.jobs.children.examination import plain_places


@pytest.mark.parametrize(
    "said, told",
    [
        ("29 rows hold it (/srv/jobs/x/training.jsonl:9: telephone)", "29 rows hold it (line 9: telephone)"),
        ("/srv/jobs/x/training.jsonl:4 is no JSON", "line 4 is no JSON"),
        ("rows [/srv/validation.jsonl:2, ...]", "rows [line 2 of the validation file, ...]"),
        ("/srv/training.jsonl: is empty", "the training file: is empty"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_places_are_lines_of_the_file(said: str, told: str) -> None:
    assert plain_places(said) == told
