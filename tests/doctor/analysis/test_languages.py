"""Many texts at once get the language that py3langid gives them one by one."""

from __future__ import annotations

from pathlib import Path
from random import Random

import py3langid
import pytest

from whet.doctor.analysis.languages import AHEAD, identifier
from whet.doctor.checks.one_row.language import BATCH, Language
from whet.types import Row

TEXTS = {
    "en": "Please pull the plug first and let the machine cool down before you open the lid of it.",
    "de": "Bitte ziehen Sie zuerst den Stecker und lassen Sie das Gerät abkühlen, bevor Sie es öffnen.",
    "fr": "Veuillez d'abord débrancher la machine et la laisser refroidir avant d'ouvrir le couvercle.",
    "ru": "Сначала отключите прибор от сети и дайте ему остыть, прежде чем открывать крышку.",
    "sr": "Молимо вас да прво искључите апарат из струје и оставите га да се охлади пре отварања.",
    "el": "Βγάλτε πρώτα το φις από την πρίζα και αφήστε τη συσκευή να κρυώσει πριν την ανοίξετε.",
    "ja": "まず電源プラグを抜いて、機械が冷めるまで待ってから、ふたを開けてください。",
    "ar": "يرجى فصل القابس أولا وترك الجهاز يبرد قبل فتح الغطاء",
}
ODD = ["", "a", "?!", "123 456", "ß", "\ud800 lone", "ok ok ok", "e\u0301te\u0301 a\u0300 la plage avec les enfants"]


def one_by_one(text: str) -> str:
    first, second = py3langid.rank(text)[:2]
    return first[0] if first[1] - second[1] >= AHEAD else ""


def test_each_text_gets_the_language_that_it_gets_alone() -> None:
    texts = [*TEXTS.values(), *(text.upper() for text in TEXTS.values()), *ODD]
    texts += [" ".join((one[:30], other[-30:])) for one in TEXTS.values() for other in TEXTS.values()]
    found = identifier().certain(texts)
    assert found == [one_by_one(text) for text in texts]
    assert set(found) >= {*TEXTS, ""} - {"ar"}
    assert identifier().certain([]) == [] and identifier().certain(["?!"]) == [""]


@pytest.mark.parametrize("name", ["books", "banking77/train.csv", "mbpp/mbpp.jsonl", "hh_rlhf/README.md"])
def test_pieces_of_real_files_get_the_language_that_they_get_alone(data_dir: Path, name: str) -> None:
    random, texts = Random(name), []
    files = sorted((data_dir / name).glob("*.md")) if (data_dir / name).is_dir() else [data_dir / name]
    for text in (file.read_text("utf-8") for file in files):
        starts = [random.randrange(len(text)) for _ in range(400 // len(files))]
        texts += [text[start : start + random.randrange(20, 200)] for start in starts]
    assert identifier().certain(texts) == [one_by_one(text) for text in texts]


def test_a_row_counts_once_for_a_language_however_many_of_its_texts_are_in_it() -> None:
    def row(index: int, *codes: str) -> Row:
        turns = [("user", "?"), *(("assistant", TEXTS[code]) for code in codes)]
        return Row(index, f"rows:{index + 1}", messages=[{"role": role, "content": text} for role, text in turns])

    check = Language()
    check([row(0, "en", "de", "en"), *(row(n, "en") for n in range(1, BATCH + 9)), row(BATCH + 9, "fr")])
    assert check.rows[1] == {"en": list(range(BATCH + 9)), "de": [0], "fr": [BATCH + 9]} and not check.rows[0]
    assert check.first == {(1, "en"): "rows:1", (1, "de"): "rows:1", (1, "fr"): f"rows:{BATCH + 10}"}
