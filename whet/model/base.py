"""A base model by name: the bundled one, a folder, or the Hugging Face Hub. safetensors only, no remote code."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from whet.building import building
from whet.errors import ModelError, count, nearest
from whet.model.accelerator import is_processor
from whet.model.architecture_proof import prove_head
from whet.model.gguf.convert import cost, unpacked
from whet.model.quantised.load import load_quantised
from whet.model.quantised.nf4 import keep_weights_unpacked
from whet.model.size_limits import refuse_absurd_sizes
from whet.model.weights_identity import fingerprint
from whet.recipe import bases
from whet.recipe.bases import folder_of, gguf_base
from whet.recipe.schema import Quantise
from whet.recipe.trust import refuse_foreign_code

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it would print every retry; the last error says it all
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # on processors with AVX-512 it asks for a package of kernels
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")

PROCESSOR = torch.device("cpu")
NANO = Path(__file__).parent / "nano"
UNKNOWN_CONTEXT = 1024
TOKENIZER_FIX = "add tokenizer.json and tokenizer_config.json to the folder"
LAYER = re.compile(r"(model\.|transformer\.|gpt_neox\.)?(layers|h)\.\d+\.")
"""Of the decoder itself: what belongs to other parts (a vision tower, a second head) may be left out of a text
model."""
UNREADABLE = (
    OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError, TypeError, ArithmeticError,
    SafetensorError, StrictDataclassError,
)  # fmt: skip
"""What transformers raises for a folder that it cannot make sense of."""


@dataclass(slots=True)
class Base:
    name: str
    path: str
    model: Any
    tokenizer: Any
    fingerprint: str
    """Which weights these were when they were loaded."""

    @property
    def context(self) -> int:
        return context_of(self.model.config.get_text_config())

    @property
    def hidden_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)


def context_of(config: Any) -> int:
    """Most tokens the positions allow; 1024 where the config does not say.

    Dynamic and LongRoPE positions stretch for the whole batch as soon as one row in it is longer than the original
    context, so that a row would be read differently beside a long neighbour: there the original context is the limit.
    """
    longest = int(getattr(config, "max_position_embeddings", None) or UNKNOWN_CONTEXT)
    rope = getattr(config, "rope_parameters", None) or {}
    for kind in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        if kind.get("rope_type") in ("dynamic", "longrope"):
            original = kind.get("original_max_position_embeddings")
            longest = min(longest, int(original or getattr(config, "original_max_position_embeddings", longest)))

    return longest


def locate(name: str) -> str:
    """The folder of a local base, of a GGUF file the one that it is unpacked to, or the Hub name unchanged. Raises
    ModelError for a folder without a model."""
    if name == bases.NANO:
        return str(NANO)
    file = gguf_base(name)
    return str(unpacked(file) if file else folder_of(name) or name)


def base_notes(name: str) -> list[str]:
    """What it means that a base is a GGUF file, which is unpacked for this; nothing of others."""
    file = gguf_base(name)
    return [cost(file)] if file else []


def load_tokenizer(name: str, trust_remote_code: bool = False) -> Any:
    """The base's own tokenizer. Raises ModelError when there is none."""
    return _tokenizer(name, locate(name), trust_remote_code)


def saved_tokenizer(folder: Path) -> Any:
    """The tokenizer that a run left in its model folder. Raises ModelError."""
    return _tokenizer(str(folder), str(folder), False)


def _tokenizer(name: str, path: str, trust_remote_code: bool) -> Any:
    from transformers import AutoTokenizer

    _refuse_foreign(name, trust_remote_code)
    with loadable(name):
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)

    special = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    if not set(tokenizer.get_vocab()) - special:  # some classes start empty where their files are missing
        raise ModelError("its tokenizer is missing", where="base", value=name, fix=TOKENIZER_FIX)
    return tokenizer


def load_config(name: str, trust_remote_code: bool = False) -> Any:
    """The base's text config, without its weights. Raises ModelError."""
    from transformers import AutoConfig, PreTrainedConfig

    _refuse_foreign(name, trust_remote_code)
    with loadable(name):
        refuse_absurd_sizes(PreTrainedConfig.get_config_dict(locate(name))[0], name)
        return AutoConfig.from_pretrained(locate(name), trust_remote_code=trust_remote_code).get_text_config()


def random_base(name: str, dtype: torch.dtype, seed: int, trust_remote_code: bool = False) -> Base:
    """The base's shape and tokenizer with fresh random weights, for pre-training from scratch."""
    from transformers import AutoModelForCausalLM

    config = load_config(name, trust_remote_code)
    with building(), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)

    for parameter in model.parameters():  # not model.to(dtype): that would round the rotary frequencies too
        parameter.data = parameter.data.to(dtype)
    prove_head(model.eval(), name)
    return Base(name, locate(name), model, load_tokenizer(name, trust_remote_code), fingerprint(model))


def load_base(
    name: str,
    dtype: torch.dtype,
    trust_remote_code: bool = False,
    quantise: Quantise | None = None,
    where: torch.device = PROCESSOR,
) -> Base:
    """Model and tokenizer in the given dtype; with `quantise` the linear layers in 4 bits, computing in that dtype.

    Each tensor goes from its file to the device, so that no second model is in the machine's memory; a 4-bit base
    is made on the processor (whet/model/quantised/load.py) and moved. Raises ModelError with the reason in one line.
    """
    path = locate(name)
    refuse_pickles(name)
    tokenizer = load_tokenizer(name, trust_remote_code)

    with loadable(name):
        if quantise:
            model, report, identity = load_quantised(path, dtype, trust_remote_code)
            model.to(where)
        else:
            model, report = load_whole(name, dtype, trust_remote_code, **straight_to(where))
            identity = fingerprint(model)

    refuse_incomplete(report, name)
    refuse_larger_tokenizer(tokenizer, model.get_input_embeddings().weight.shape[0], name)
    prove_head(model.eval(), name)
    return Base(name, path, model, tokenizer, identity)


def refuse_incomplete(report: dict[str, Any], name: str) -> None:
    """Raises ModelError where transformers did not find every tensor of the model in its files, or more layers than the
    model has."""
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{len(missing)} tensors of the model are not in its weights, the first is {missing[0]}; "
            "they would be random",
            where="base",
            value=name,
            fix="give a complete causal language model; for an adapter, give the run that made it",
        )

    left = sorted(key for key in report["unexpected_keys"] if LAYER.match(key))
    if left:
        raise ModelError(
            f"its config.json leaves out {count(len(left), 'tensor')} of layers that are in its weights, the first is "
            f"{left[0]}; the model would be another one",
            where="base",
            value=name,
            fix="copy or download the folder again, or correct num_hidden_layers in config.json",
        )


def _refuse_foreign(name: str, trust_remote_code: bool) -> None:
    """Raises InputError where a run from elsewhere would have code run that comes with a base."""
    if trust_remote_code:
        refuse_foreign_code(name)


def refuse_larger_tokenizer(tokenizer: Any, rows: int, name: str) -> None:
    """A token beyond the last row of the embedding could not be read. Tokens that were added may be beyond it, as
    some published bases have them, as long as no row holds one. Raises ModelError."""
    added = tokenizer.get_added_vocab()
    largest = max(number for token, number in tokenizer.get_vocab().items() if token not in added)
    if largest >= rows:
        raise ModelError(
            f"its tokenizer is not the one of its weights: it has a token with the number {largest:,}, and the "
            f"embedding has {rows:,} rows",
            where="base",
            value=name,
            fix="put the tokenizer of these weights into the folder; or, to learn the new tokens, save the model again "
            "after model.resize_token_embeddings(len(tokenizer))",
        )


def load_whole(name: str, dtype: torch.dtype | str, trust_remote_code: bool, **more: Any) -> tuple[Any, dict[str, Any]]:
    """A model in 16 or 32 bits, and what transformers says of its loading; `more` is for transformers."""
    from transformers import AutoModelForCausalLM

    with building():
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            locate(name),
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
            **more,
        )
    keep_weights_unpacked(loaded[0])  # a base may come in 4 bits

    return loaded


def straight_to(where: torch.device) -> dict[str, Any]:
    """What transformers must be told so that no tensor waits in the machine's memory for the others."""
    if is_processor(where):
        return {}
    return {"device_map": {"": where}}


def refuse_pickles(name: str) -> None:
    """Say in so many words why a folder with old weights does not load; loading itself takes safetensors only."""
    folder = Path(locate(name))
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return

    pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in folder.glob(pattern))
    if pickles:
        held = f"only {pickles[0]}, a pickle, which can run code when it is opened"
    else:
        held = "no weights"

    raise ModelError(
        f"there are no safetensors weights in this folder, {held}",
        where="base",
        value=name,
        fix="save it again with model.save_pretrained(folder) in an environment you trust",
    )


@contextmanager
def loadable(name: str) -> Iterator[None]:
    """What transformers raises while it reads this base becomes a ModelError with the reason in one line."""
    try:
        yield
    except UNREADABLE as error:
        raise _not_loadable(name, error) from error


def _not_loadable(name: str, error: Exception) -> ModelError:
    text = str(error).strip()
    if text:
        reason = text.splitlines()[0]
    else:
        reason = type(error).__name__

    fix = bases.FIX
    if "/" not in name and not Path(name).exists():
        reason = f"there is no base of this name{nearest(name, ['nano'])}"
    elif isinstance(error, SafetensorError):
        reason, fix = f"its weights are damaged: {reason}", "copy or download the folder again"
    elif isinstance(error, KeyError | json.JSONDecodeError | StrictDataclassError):
        reason = f"one of its files is damaged: {text.splitlines()[-1].strip()}"
        fix = "copy or download the folder again"
    elif "custom code" in text:
        reason = "it needs code from its own folder or repository, which is not run"
        fix = "set trust_remote_code: true if you trust its author with your machine"
    elif "backend tokenizer" in text or "sentencepiece" in text:
        reason, fix = "its tokenizer is missing", TOKENIZER_FIX
    elif "mismatched" in text:
        reason = "its weights have other shapes than its config.json says"
    elif any(word in text for word in ("couldn't connect", "offline", "ConnectError", "resolve", "cached files")):
        reason = bases.UNREACHED

    return ModelError(reason, where="base", value=name, fix=fix)
