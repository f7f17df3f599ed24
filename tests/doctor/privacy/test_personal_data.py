"""The cheap looks that come before the patterns keep nothing from them."""

from __future__ import annotations

from random import Random

from bench.planted.labelled import labelled
from whet.doctor.privacy import personal_data as personal
from whet.doctor.privacy.national_ids import formed_ids, named_ids
from whet.doctor.privacy.redactions import Redaction, without_overlap
from whet.doctor.privacy.secrets import secret_spans
from whet.recipe.secret_keys import HINTED, KEYS

LOOKS = (
    *(personal._emails, personal._macs, personal._ipv6, personal._ipv4),
    lambda text: (Redaction(*m.span(), "IBAN") for m in personal.IBAN.finditer(text) if personal.iban.is_valid(m[0])),
    *(formed_ids, named_ids, personal._cards, personal._phones_abroad, personal._phones_at_home),
)
"""In the order of personal_spans."""
TOUCHING = ("-", " ", ".", ", ", "/", "(", "+", "00", ":", "A", "7")


def test_patterns_behind_cheap_looks_find_what_they_find_alone() -> None:
    random, kinds = Random(5), set()
    texts = [text for text, _ in labelled(random, 60)]
    texts += [f"{one[-20:]}{random.choice(TOUCHING)}{random.choice(texts)[:40]}" for one in texts for _ in range(4)]
    for text in texts:
        alone = without_overlap(span for look in LOOKS for span in look(text))
        assert personal.personal_spans(text) == alone, text
        kinds |= {span.kind for span in alone}
    assert kinds == {"EMAIL", "PHONE", "CARD", "IBAN", "ID", "IP", "MAC"}


def test_every_key_is_looked_for_once_though_it_has_several_hints() -> None:
    key = "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYz135"
    assert secret_spans(f"gho_ ghu_ {key}") == [Redaction(10, 10 + len(key), "SECRET")]
    assert {hint for hint, _ in HINTED} == {hint for hints, _ in KEYS for hint in hints}
