"""An export against the same export made anew: every difference in its files, named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from whet.errors import ModelError
from whet.observer import Silent
from whet.release.adapter_weights import adapter_weights, merged_weight, of_pattern
from whet.release.consumers.protocol import Served
from whet.release.diagnosis import Fault
from whet.release.forms.protocol import Form
from whet.release.inspection.gguf_file import gguf_faults
from whet.release.inspection.settings import setting_faults
from whet.release.inspection.tensors import Stored, tensor_faults
from whet.release.merging import base_shapes
from whet.release.opening import refuse_other_base
from whet.release.tensor_files import read_tensor, shapes_in
from whet.release.tuned import Tuned

MODELFILE = "Modelfile"


@contextmanager
def made_anew(model: Tuned, form: Form, kind: str | None, beside: Path) -> Iterator[Path]:
    """The export as it should be, in a folder that goes with the block."""
    with TemporaryDirectory(dir=beside) as folder:
        form.export(model, kind, Path(folder), Silent())
        yield Path(folder)


def inspected(model: Tuned, served: Served, wanted: Path) -> list[Fault]:
    """What differs in the folder that is served from `wanted`, and in the base that it lies over."""
    found = served.folder
    if found is None:
        return []

    faults = [*_base(model, served), *setting_faults(wanted, found)]
    for file in sorted(wanted.glob("*.gguf")):
        if (found / file.name).is_file():
            faults += gguf_faults(file, found / file.name)
        else:
            faults.append(
                Fault("file-missing", "difference", f"The file {file.name} is missing.", "export the run again")
            )

    faults += _modelfile(wanted, found)
    if any(wanted.glob("*.safetensors")):
        faults += tensor_faults(_stored(wanted), _stored(found), _before(model, found))
    return [*_sharper(model, faults, wanted, found), *faults]


def _base(model: Tuned, served: Served) -> list[Fault]:
    """Whether an adapter lies over the base that it was trained on."""
    if not served.base or not model.is_adapter or served.base.endswith(".gguf"):
        return []

    try:
        refuse_other_base(replace(model, base=served.base))
    except ModelError as error:
        if _holds_the_tune(model, served.base):
            what = "The adapter lies over weights that it was merged into, so that it is there twice."
            return [Fault("applied-twice", "fraction", what, "serve the merged model alone")]

        return [Fault("base-differs", "difference", f"{error.what}.", error.fix)]

    return []


def _holds_the_tune(model: Tuned, base: str) -> bool:
    """Whether an adapted tensor of this base is what the base's own becomes with the adapter."""
    adapter = adapter_weights(model)
    before, found = (_tensors_of(folder) for folder in (model.base, base))
    module = next(iter(adapter.modules.values()))

    name = f"{module.name}.weight"
    if name not in before.shapes or before.shapes[name] != found.shapes.get(name):
        return False
    wanted = merged_weight(before.read(name), module, adapter)
    tune = (wanted - before.read(name).float()).norm()

    return bool((found.read(name).float() - wanted).norm() <= 0.1 * tune)


def _stored(folder: Path) -> Stored:
    shapes: dict[str, tuple[int, ...]] = {}
    files: dict[str, str] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, one in shapes_in(file).items():
            shapes[name], files[name] = one.shape, file.name
    return Stored(shapes, files, lambda name: read_tensor(folder / files[name], name))


def _before(model: Tuned, found: Path) -> Callable[[str], Tensor | None]:
    """The base's tensor of a name, where the export is a whole model made of an adapter."""
    if not model.is_adapter or (found / "adapter_config.json").is_file():
        return lambda name: None
    base = _tensors_of(model.base)
    return lambda name: base.read(name) if name in base.shapes else None


def _tensors_of(base: str) -> Stored:
    """Of a base in a folder or on the Hub."""
    shapes: dict[str, tuple[int, ...]] = {}
    files: dict[str, str] = {}
    for file, held in base_shapes(base).items():
        shapes |= {name: one.shape for name, one in held.items()}
        files |= dict.fromkeys(held, file)
    return Stored(shapes, files, lambda name: read_tensor(files[name], name))


def _modelfile(wanted: Path, found: Path) -> list[Fault]:
    right, seen = wanted / MODELFILE, found / MODELFILE
    if not right.is_file():
        return []
    if not seen.is_file():
        return [Fault("file-missing", "ids", "The Modelfile is missing.", "export the run again")]
    if right.read_text("utf-8") == seen.read_text("utf-8"):
        return []
    return [Fault("template-replaced", "ids", "The Modelfile was changed.", "restore it, or export the run again")]


def _sharper(model: Tuned, faults: list[Fault], wanted: Path, found: Path) -> list[Fault]:
    """Names that follow from how the model was trained."""
    names = {fault.name for fault in faults}
    again = "export the run again"

    if model.quantised and names & {"tensor-differs", "scale-changed", "rows-permuted"} and _plain(model, found):
        what = "The adapter was added to the base as it is, and was trained over the base in 4 bits."
        return [Fault("merged-without-dequantising", "difference", what, again)]
    if not names & {"scale-changed", "tune-twice"} or not model.is_adapter:
        return []

    config = model.adapter_config
    if config.get("use_rslora"):
        return [
            Fault("rslora-dropped", "fraction", "The scale is that of a plain adapter: rsLoRA is not in it.", again)
        ]
    if config.get("alpha_pattern") and _only_patterned(config["alpha_pattern"], wanted, found):
        what = "Only the modules with an alpha of their own have another scale: the pattern is not in it."
        return [Fault("alpha-pattern-dropped", "fraction", what, again)]

    return []


def _plain(model: Tuned, found: Path) -> bool:
    """Whether this is what comes out where nobody minds that the base was quantised."""
    from whet.release.forms.merged import FORM

    careless = replace(model, facts=model.facts | {"quantise": None})
    with made_anew(careless, FORM, None, found.parent) as folder:
        return not tensor_faults(_stored(folder), _stored(found), lambda name: None)


def _only_patterned(pattern: dict[str, float], wanted: Path, found: Path) -> bool:
    """Whether those tensors differ whose module the pattern names, and no others."""
    right, seen = _stored(wanted), _stored(found)
    changed = {name for name in right.shapes if not right.read(name).equal(seen.read(name))}
    modules = {name.partition(".lora_")[0].removeprefix("base_model.model.") for name in changed}
    return bool(modules) and all(of_pattern(module.removesuffix(".weight"), pattern, 0.0) for module in modules)
