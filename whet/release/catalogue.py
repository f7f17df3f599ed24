"""Forms and consumers by their names: one file each, found in its folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

from whet.errors import InputError, nearest
from whet.release import consumers, forms
from whet.release.consumers.protocol import Consumer, Scorer, Served
from whet.release.forms.protocol import Form

SHARED = {"protocol", "in_process", "template_date"}
"""Files in these folders that hold none of them."""


def consumer_names() -> list[str]:
    return _names(consumers)


def form_names() -> list[str]:
    return _names(forms)


ELSEWHERE = {
    "onnx": "take the form merged, and convert its folder with optimum-cli export onnx",
    "mlx": "take the form merged, and convert its folder with mlx_lm.convert; what serves it can be proved by its URL",
}
"""Forms that others write well, and that no consumer on this kind of machine could prove."""


def form_named(name: str) -> Form:
    """Raises InputError for a form that there is not."""
    if name in ELSEWHERE:
        what = "Whet does not write this form, because it could not prove it here"
        raise InputError(what, value=name, fix=ELSEWHERE[name])
    return _module(forms, name, "form").FORM


def why_missing(name: str) -> str | None:
    """What must be installed before this consumer can be asked; None where it is there."""
    return _module(consumers, name, "consumer").missing()


def open_consumer(name: str, served: Served) -> Consumer:
    """Raises ModelError where the consumer cannot open what is there: that is a finding of the proof, too."""
    return _module(consumers, name, "consumer").open_consumer(served)


def open_scorer(name: str, served: Served) -> Scorer:
    """The same for a model with a head."""
    return _module(consumers, name, "consumer").open_scorer(served)


def _names(room: ModuleType) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(room.__path__) if module.name not in SHARED)


def _module(room: ModuleType, name: str, noun: str) -> ModuleType:
    known = _names(room)
    if name not in known:
        fix = f"the {noun}s are: {', '.join(known)}"
        raise InputError(f"there is no {noun} of this name{nearest(name, known)}", value=name, fix=fix)
    return import_module(f"{room.__name__}.{name}")
