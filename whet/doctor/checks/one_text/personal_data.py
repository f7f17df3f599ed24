"""Personal data: e-mail addresses, telephone, card, account and identity numbers, addresses of machines.

Why: language models repeat what they were trained on, word for word, and a text that occurs once can be enough (Carlini
et al. 2021, arXiv 2012.07805); fine-tuned models leak the personal data of their rows, and redaction before training is
what helps most (Lukas et al. 2023, arXiv 2302.00539).

What is looked at, each by a validator of its own: e-mail by form; telephone numbers by phonenumbers (Google's
libphonenumber), with a country code, in the American form, or beside a word such as "call"; cards by their issuer's
digits and Luhn's sum; IBAN and national numbers of 15 countries by their checksums (python-stdnum); IP and MAC
addresses, without versions.

Example:
    {"prompt": "I am anna.kern@posteo.de, where is my parcel?", "completion": "On its way, Anna."}

Fix: `--fix` puts [EMAIL], [PHONE], [CARD], [IBAN], [ID], [IP] and [MAC] in the place of it. Keep the file that had it
out of the training folder, and the diff too: it shows what was taken out.

Sure: precision and recall on labelled texts stand in docs/data/checks.md. Names and postal addresses are not looked
for: no validator tells them from other words.
"""

from __future__ import annotations

from collections import Counter

from whet.doctor.privacy.personal_data import personal_spans
from whet.doctor.privacy.redactions import redact
from whet.doctor.text_checks import ExampleCheck, count_phrase, texts_of
from whet.types import Finding, Row

NAMES = {"EMAIL": "e-mail", "PHONE": "telephone", "CARD": "card", "IBAN": "account", "ID": "identity number"}


class PersonalData(ExampleCheck):
    code = "personal-data"
    says = "holds|hold personal data"
    remedy = "whet check DATA --fix OUT.jsonl redacts it"

    def __init__(self) -> None:
        super().__init__()
        self.kinds: Counter[str] = Counter()

    def inspect(self, row: Row) -> str | None:
        kinds = set()
        for text in texts_of(row):
            for span in personal_spans(text):
                kinds.add(span.kind)
        return ",".join(sorted(kinds)) or None

    def record(self, index: int, where: str, found: str) -> None:
        kinds = found.split(",")
        self.kinds.update(kinds)
        super().record(index, where, NAMES.get(kinds[0], kinds[0]))

    def findings(self) -> list[Finding]:
        if not self.rows:
            return []
        listed = ", ".join(f"{NAMES.get(kind, kind)} {count:,}" for kind, count in self.kinds.most_common())
        message = f"{count_phrase(len(self.rows), self.says)}: {listed} ({self.example})"
        return [self.finding(self.severity, message, self.rows, self.remedy)]

    def fix(self, text: str) -> str:
        return redact(text, personal_spans(text))
