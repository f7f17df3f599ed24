"""Which engines there are, and what each of them takes: a parameter that one ignores is refused for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from whet.errors import InputError, nearest

Calls = Literal["vllm", "sglang"]
"""Whose calls load an adapter."""
TOP_K = "OpenAI's API has no such key, and a server may ignore it; leave it out."
STRICT = "this engine holds no call to its schema; send tools without strict."


@dataclass(frozen=True, slots=True)
class Kind:
    """`neutral` is sent where the client says nothing, so that no default of the engine's own changes an answer."""

    name: str
    owner: str = ""
    """What its list of models says in `owned_by`; empty: nothing that tells it from others."""
    neutral: MappingProxyType[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    refused: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Parameters that it ignores or does not know, with what a client is told."""
    max_tokens: bool = True
    """It takes the limit as `max_tokens`, whichever of the two names a client used."""
    developer: bool = False
    """It knows the role `developer`; to others it is sent as `system`."""
    seeds: tuple[int, int] = (-(2**63), 2**63 - 1)
    """Least and largest."""
    adapters: Calls | None = None


def _fixed(**values: Any) -> MappingProxyType[str, Any]:
    return MappingProxyType(values)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "vllm",
            owner="vllm",
            neutral=_fixed(temperature=1.0, top_p=1.0, top_k=0, min_p=0.0, repetition_penalty=1.0),
            refused=_fixed(strict=STRICT),
            adapters="vllm",
        ),
        Kind(
            "sglang",
            owner="sglang",
            neutral=_fixed(temperature=1.0, top_p=1.0, top_k=-1, min_p=0.0, repetition_penalty=1.0),
            refused=_fixed(
                strict=STRICT,
                seed="SGLang heeds a seed in its deterministic mode alone, and does not say whether that is on.",
                parallel_tool_calls="SGLang does not hold an answer to one call; leave it out.",
            ),
            adapters="sglang",
        ),
        Kind(
            "llama.cpp",
            owner="llamacpp",
            neutral=_fixed(temperature=1.0, top_p=1.0, top_k=0, min_p=0.0, repeat_penalty=1.0),
            refused=_fixed(
                strict=STRICT,
                tool_choice="llama.cpp's server ignores the name of a tool; send none, auto or required.",
            ),
            seeds=(0, 2**32 - 2),
        ),
        Kind("whet", owner="whet", neutral=_fixed(temperature=1.0, top_p=1.0), developer=True),
        Kind("openai", refused=_fixed(top_k=TOP_K, min_p=TOP_K), max_tokens=False, developer=True),
    )
}
"""By name. vLLM and SGLang take a model's own generation_config.json as defaults, llama.cpp's server has its own (top_k
40, min_p 0.05): `neutral` sets them aside."""
OPENAI = KINDS["openai"]


def kind_named(name: str) -> Kind:
    """Raises InputError."""
    if name in KINDS:
        return KINDS[name]
    what = f"no engine has this name{nearest(name, list(KINDS))}"
    raise InputError(what, where="--engine-kind", value=name, fix=f"use one of {', '.join(KINDS)}; or leave it out")


def kind_of(owners: Iterable[object]) -> Kind:
    """By what the models of an engine have in `owned_by`; what is not known speaks OpenAI's API and no more."""
    told = {kind.owner: kind for kind in KINDS.values() if kind.owner}
    return next((told[owner] for owner in owners if isinstance(owner, str) and owner in told), OPENAI)
