"""What a base is called where nobody knows this disk: by its name on the Hub, or by its own and a fingerprint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from whet.recipe.bases import NANO, hub_commit

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
IN_HUB_CACHE = re.compile(r"[/\\]models--([^/\\]+)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]?(.*)$")
"""A state of a model that the Hub's library has fetched."""
PLACEHOLDER = "BASE"
"""Stands in files for a base that has no name on the Hub."""
HEX = 16
"""Digits of a fingerprint that people are shown."""


class BaseFacts(TypedDict):
    """A base in files that leave this disk."""

    base: str
    """Its name."""
    base_revision: str | None
    """The commit on the Hub; None where it is not known."""
    base_fingerprint: str
    """Of its weights; empty where it was not written down."""


@dataclass(frozen=True, slots=True)
class BaseIdentity:
    name: str
    """`owner/model` on the Hub, `owner/model/file.gguf` there, `nano`, or the last name of its folder or file."""
    fingerprint: str
    """Of its weights; empty where it was not written down."""
    on_hub: bool = False
    """Whether transformers finds it there by its name."""
    revision: str | None = None
    """The commit on the Hub, where it is known."""

    @property
    def hub_model(self) -> str | None:
        """`owner/model`, of all that come from the Hub."""
        if self.on_hub or self.revision:
            return "/".join(self.name.split("/")[:2])
        return None

    @property
    def reference(self) -> str:
        """What stands in code and commands: transformers finds the name, or people put a folder there."""
        if self.on_hub:
            return self.name
        return PLACEHOLDER

    @property
    def setting(self) -> str:
        """What stands in a configuration, where libraries may open it by themselves. A name that is none of the Hub is
        written as a folder beside: there may be another model of that name."""
        if self.hub_model or self.name == NANO:
            return self.name
        return f"./{self.name}"

    @property
    def described(self) -> str:
        """For people, with what tells it from others of its name."""
        if self.revision:
            return f"{self.name}, revision {self.revision}"
        if self.fingerprint and not self.hub_model:
            return f"{self.name}, weights {self.fingerprint[:HEX]}"
        return self.name

    def facts(self) -> BaseFacts:
        """For files that leave this disk."""
        return {"base": self.name, "base_revision": self.revision, "base_fingerprint": self.fingerprint}


def base_identity(facts: Mapping[str, Any]) -> BaseIdentity:
    """Of the base in `facts`, which are those of whet.json."""
    base, fingerprint = str(facts["base"]), str(facts.get("base_fingerprint") or "")
    if cached := IN_HUB_CACHE.search(base):
        owner, model, commit, file = cached.groups()
        name = "/".join(part for part in (owner, model, file.replace("\\", "/")) if part)
        return BaseIdentity(name, fingerprint, on_hub=not file, revision=commit)
    if HUB_NAME.fullmatch(base):
        revision = facts.get("base_revision") or _fetched(base, facts)
        return BaseIdentity(base, fingerprint, on_hub=True, revision=revision)
    return BaseIdentity(re.split(r"[/\\]", base.rstrip("/\\"))[-1], fingerprint)


def _fetched(base: str, facts: Mapping[str, Any]) -> str | None:
    """For runs that did not write it down. Only an adapter is opened over the base that lies here, and proved to be
    made of it: whole weights may have been trained on an earlier state."""
    if facts.get("adapter") == "lora" and "head" not in facts:
        return hub_commit("models", base)
    return None
