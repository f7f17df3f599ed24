"""Encoders that transformers reads: a text's vector is pooled from what its tokens' last layer says.

How it is pooled, how long a text may be and what is put before it says the folder, as sentence-transformers saves it; a
folder that says nothing is pooled by the mean. Weights are safetensors, and no code of the folder is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from whet.building import building
from whet.data.retrieval.encoders.modules import module_paths, read_json
from whet.errors import ModelError

if TYPE_CHECKING:
    import torch

KNOWN = ("Transformer", "Pooling", "Normalize")
"""Modules that are read. Vectors are brought to length 1 in any case."""
WAYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}
"""Older names of the ways to pool."""
BATCH = 32
"""Texts that are read at a time."""
MOST_TOKENS = 8192
"""Of a text, where neither tokenizer nor model says how many it takes."""
ELSEWHERE = "name another one, or serve this one behind a URL that speaks /v1/embeddings"


class PooledEncoder:
    """B texts of T tokens, each with a state of width D. It runs on a GPU where torch finds one."""

    probe = None

    def __init__(self, folder: Path, identity: str) -> None:
        """Raises ModelError for a folder that holds none, or one whose modules are not known."""
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.identity = identity
        paths = module_paths(folder)
        foreign = [name for name in paths if name not in KNOWN]
        if foreign:
            what = "this kind of encoder is not known"
            raise ModelError(what, where=str(folder), value=foreign, fix=ELSEWHERE)
        inner = folder / paths.get("Transformer", "")
        self.way = _way(folder / paths["Pooling"] / "config.json") if "Pooling" in paths else "mean"
        self._before = _prompts(folder)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(inner, local_files_only=True, trust_remote_code=False)
            with building():
                model = AutoModel.from_pretrained(
                    inner,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=False,
                    dtype=torch.float32,
                )
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = str(error).strip().splitlines()
            what = f"this encoder cannot be opened: {said[0] if said else type(error).__name__}"
            raise ModelError(what, where=str(folder), fix="it needs a tokenizer, and weights as safetensors") from error

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = model.eval().to(self._device)
        told = read_json(inner / "sentence_bert_config.json")
        positions = getattr(model.config, "max_position_embeddings", None) or MOST_TOKENS
        self._most = told.get("max_seq_length") or min(self._tokenizer.model_max_length, positions)
        self._lower = bool(told.get("do_lower_case"))

    def encode_query(self, inputs: list[str], /) -> np.ndarray:
        """(questions, D), float32."""
        return self._encode(inputs, self._before[0])

    def encode_document(self, inputs: list[str], /) -> np.ndarray:
        """(passages, D), float32."""
        return self._encode(inputs, self._before[1])

    def _encode(self, texts: list[str], before: str) -> np.ndarray:
        told = [before + (text.lower() if self._lower else text) for text in texts]
        order = sorted(range(len(told)), key=lambda place: len(told[place]))  # so that few tokens are padding
        found: list[np.ndarray] = []
        for begin in range(0, len(order), BATCH):
            found.extend(self._states([told[place] for place in order[begin : begin + BATCH]]))
        vectors = np.empty((len(told), found[0].shape[0]), np.float32)
        vectors[order] = found
        return vectors

    def _states(self, texts: list[str]) -> np.ndarray:
        import torch

        given = self._tokenizer(
            texts, padding=True, truncation=True, max_length=self._most, return_tensors="pt", padding_side="right"
        ).to(self._device)
        with torch.inference_mode():
            state_BTD = self._model(**given).last_hidden_state
            return pooled(state_BTD, given["attention_mask"], self.way).float().cpu().numpy()


def pooled(state_BTD: torch.Tensor, mask_BT: torch.Tensor, way: str) -> torch.Tensor:
    """One vector a text, (B, D), of the tokens that `mask_BT` counts: padding stands at the right."""
    import torch

    mask_BT1 = mask_BT.unsqueeze(-1).to(state_BTD.dtype)
    number_B1 = mask_BT1.sum(1).clamp(min=1)
    match way:
        case "cls":
            return state_BTD[:, 0]
        case "lasttoken":
            return state_BTD[torch.arange(len(state_BTD)), number_B1[:, 0].long() - 1]
        case "max":
            return state_BTD.masked_fill(mask_BT1 == 0, -torch.inf).amax(1)
        case "weightedmean":
            weight_BT1 = mask_BT1 * torch.arange(1, mask_BT.shape[1] + 1, device=mask_BT.device)[None, :, None]
            return (state_BTD * weight_BT1).sum(1) / weight_BT1.sum(1).clamp(min=1)
        case "mean_sqrt_len_tokens":
            return (state_BTD * mask_BT1).sum(1) / number_B1.sqrt()
    return (state_BTD * mask_BT1).sum(1) / number_B1


def _way(path: Path) -> str:
    """How tokens are pooled. Raises ModelError for a way that is not known, or several."""
    told = read_json(path)
    ways = told.get("pooling_mode") or [way for key, way in WAYS.items() if told.get(key)] or ["mean"]
    ways = [ways] if isinstance(ways, str) else list(ways)
    if len(ways) > 1 or ways[0] not in WAYS.values() or told.get("include_prompt") is False:
        raise ModelError("this way to pool tokens is not known", where=str(path), value=ways, fix=ELSEWHERE)
    return ways[0]


def _prompts(folder: Path) -> tuple[str, str]:
    """What is put before a question, and before a passage."""
    told = read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    passage = next((told[name] for name in ("document", "passage", "corpus") if told.get(name)), "")
    return told.get("query") or "", passage
