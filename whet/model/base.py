"""A base model by name: the bundled one, a folder, or the Hugging Face Hub. safetensors only, no remote code."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from whet.errors import ModelError, nearest

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")

NANO = Path(__file__).parent / "nano"


@dataclass(slots=True)
class Base:
    name: str
    path: str
    model: Any
    tokenizer: Any

    @property
    def context(self) -> int:
        """Most tokens the positions allow; 1024 where the config does not say."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 1024)

    @property
    def hidden_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)


def locate(name: str) -> str:
    """The folder of a local base, or the Hub name unchanged. Raises ModelError for a folder without a model."""
    if name == "nano":
        return str(NANO)
    path = Path(name).expanduser()
    if not path.exists():
        if name.count("/") > 1 or name.startswith((".", "/", "~")):
            raise ModelError("there is no such base folder", where="base", value=name, fix="check the path")
        return name
    if not (path / "config.json").is_file():
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8]) if path.is_dir() else "a file"
        raise ModelError(
            f"this is not a model folder: config.json is missing (it holds {inside or 'nothing'})",
            where="base",
            value=name,
            fix="give the folder that save_pretrained wrote, with config.json and *.safetensors",
        )
    return str(path)


def load_tokenizer(name: str, trust_remote_code: bool = False) -> Any:
    """The base's own tokenizer. Raises ModelError when there is none."""
    from transformers import AutoTokenizer

    path = locate(name)
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        raise _not_loadable(name, error) from error


def load_config(name: str, trust_remote_code: bool = False) -> Any:
    """The base's text config, without its weights. Raises ModelError."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(locate(name), trust_remote_code=trust_remote_code).get_text_config()
    except (OSError, ValueError, KeyError) as error:
        raise _not_loadable(name, error) from error


def random_base(name: str, dtype: torch.dtype, seed: int, trust_remote_code: bool = False) -> Base:
    """The base's shape and tokenizer with fresh random weights, for pre-training from scratch."""
    from transformers import AutoModelForCausalLM

    config = load_config(name, trust_remote_code)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    return Base(name, locate(name), model.to(dtype).eval(), load_tokenizer(name, trust_remote_code))


def load_base(name: str, dtype: torch.dtype, trust_remote_code: bool = False) -> Base:
    """Model and tokenizer in the given dtype. Raises ModelError with the reason in one line."""
    from transformers import AutoModelForCausalLM

    path = locate(name)
    tokenizer = load_tokenizer(name, trust_remote_code)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, trust_remote_code=trust_remote_code, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _not_loadable(name, error) from error
    model.eval()
    return Base(name, path, model, tokenizer)


def _not_loadable(name: str, error: Exception) -> ModelError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "/" not in name and not Path(name).exists():
        reason = f"there is no base of this name{nearest(name, ['nano'])}"
    elif any(word in str(error) for word in ("couldn't connect", "offline", "ConnectError", "resolve", "cached files")):
        reason = "it is neither on this disk nor could the Hugging Face Hub be reached"
    return ModelError(
        reason,
        where="base",
        value=name,
        fix="use 'nano' (bundled), a local folder with safetensors weights, or a Hub name with the network up",
    )
