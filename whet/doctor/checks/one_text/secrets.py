"""Secrets: keys of services, tokens, private keys, passwords.

Why: what a model was trained on can be asked out of it (Carlini et al. 2021, arXiv 2012.07805), and code models do give
away keys that stood in their training data (Huang et al. 2023, arXiv 2309.07639). A key in a data file has been copied
to wherever the file went, so it is to be revoked in any case.

What is looked at: the published forms of some thirty kinds of keys (AWS, GitHub, GitLab, Slack, OpenAI, Anthropic,
Hugging Face, Google, Stripe and others), private keys, JSON web tokens, passwords in URLs; and what stands behind a
word such as `password=` or `api_key:`, where it has letters and digits in an order that no word has.

Example:
    {"prompt": "Why does it fail?", "completion": "Check the URL: postgres://admin:s3cr3tPw9@db.acme.io/main"}

Fix: revoke them first. `--fix` puts [SECRET] in their place. The diff shows what was taken out: keep it to yourself.

Sure: of known forms, yes; precision and recall on labelled texts stand in docs/data/checks.md. A password that is a
word is not found, nor is one without a word that says what it is.
"""

from __future__ import annotations

from whet.doctor.privacy.redactions import redact
from whet.doctor.privacy.secrets import secret_spans
from whet.doctor.text_checks import TextCheck

SHOWN = 4


class Secrets(TextCheck):
    code = "secrets"
    severity = "error"
    says = "holds|hold keys, tokens or passwords"
    remedy = "revoke them; whet check DATA --fix OUT.jsonl redacts them"

    def find(self, text: str) -> str:
        found = secret_spans(text)
        if found:
            return f"{text[found[0].start :][:SHOWN]}..., {found[0].end - found[0].start} characters"
        return ""

    def fix(self, text: str) -> str:
        return redact(text, secret_spans(text))
