"""A base is called what others know it by, and never by a folder of this disk."""

from __future__ import annotations

import pytest

from whet.model import base_identity as identities
from whet.model.base_identity import base_identity

CACHE = "/home/somebody/.cache/huggingface/hub/models--owner--model/snapshots/" + "a" * 40


@pytest.mark.parametrize(
    ("base", "name", "reference", "setting"),
    [
        ("nano", "nano", "BASE", "nano"),
        ("/home/somebody/our-base/", "our-base", "BASE", "./our-base"),
        ("C:\\Users\\somebody\\our.gguf", "our.gguf", "BASE", "./our.gguf"),
        ("owner/model", "owner/model", "owner/model", "owner/model"),
        (CACHE, "owner/model", "owner/model", "owner/model"),
        (f"{CACHE}/m.gguf", "owner/model/m.gguf", "BASE", "owner/model/m.gguf"),
    ],
)
def test_names(base: str, name: str, reference: str, setting: str) -> None:
    found = base_identity({"base": base, "base_fingerprint": "f" * 64})
    assert (found.name, found.reference, found.setting) == (name, reference, setting)
    assert found.revision == ("a" * 40 if base.startswith(CACHE) else None)
    assert "somebody" not in str(found.facts()) + found.described


def test_a_revision_is_told_where_it_was_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "hub_commit", lambda kind, name: "b" * 40)
    facts = {"base": "owner/model", "base_fingerprint": "f" * 64}
    assert base_identity(facts | {"adapter": "lora"}).described == "owner/model, revision " + "b" * 40
    for unproved in ({"adapter": "full"}, {"adapter": "lora", "head": {}}):
        assert base_identity(facts | unproved).revision is None


def test_weights_tell_bases_of_one_name_apart() -> None:
    found = base_identity({"base": "/x/our-base", "base_fingerprint": "f" * 64})
    assert found.described == f"our-base, weights {'f' * 16}" and found.hub_model is None
