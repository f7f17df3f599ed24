"""Every causal architecture of transformers trains two checked steps, or is refused in one true sentence."""

from __future__ import annotations

import pytest

from tests import architectures
from tests.architectures import NO_SMALL_ONE, kinds, outcome, table
from whet.errors import ModelError
from whet.model.adapter import add_adapter
from whet.recipe.schema import Lora

SAMPLE = [
    "bert-generation", "falcon_h1", "gemma3n_text", "hyperclovax", "llama", "llama4_text", "mamba2", "mixtral",
]  # fmt: skip
"""Those that once crashed, or were refused for a reason that was not true; and two that must be fast."""
TRIED = [kind for kind in kinds() if kind not in NO_SMALL_ONE]


@pytest.mark.parametrize("kind", SAMPLE)
def test_a_sample_is_what_the_page_says(kind: str) -> None:
    assert outcome(kind).line.strip() == table()[kind]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in TRIED if kind not in SAMPLE])
def test_every_architecture_is_what_the_page_says(kind: str) -> None:
    assert outcome(kind).line.strip() == table()[kind]


def test_the_page_names_every_architecture_once() -> None:
    assert sorted(table()) == kinds()


def test_every_refusal_is_a_sentence_of_whet() -> None:
    """None is a bare exception of a library, and what a fast path is refused for is no crash."""
    refused = [line.partition(" | ")[2] for line in table().values() if line.startswith(("refused", "plain"))]
    assert len(refused) > 60 and all(len(line.split()) >= 5 for line in refused)


@pytest.mark.parametrize("kind", ["falcon_h1", "mamba2", "nemotron_h"])
def test_what_a_refusal_of_all_linear_says_helps(kind: str) -> None:
    """The layers that its message names can be adapted, and train."""
    with pytest.raises(ModelError, match="PEFT cannot adapt out_proj and conv1d") as caught:
        architectures.trained(architectures.small_model(kind), kind, "all-linear")
    named = str(caught.value.fix).split("[")[1].split("]")[0].split(", ")
    assert outcome(kind, named).path == "plain"


@pytest.mark.parametrize("kind", ["bert-generation", "xlnet", "xlm", "cpmant"])
def test_what_looks_ahead_is_refused(kind: str) -> None:
    """It would learn from the very tokens that it is to predict, at a loss near zero."""
    assert "does not write from left to right" in outcome(kind).why


@pytest.mark.parametrize("kind", ["beam", "deepseek_v3"])
def test_peft_does_not_write_into_the_recipe(kind: str) -> None:
    """For some mixtures it puts patterns of its own into those it is given, and Whet then found them idle."""
    adapter = Lora.model_validate({"rank": 4, "alpha": 8.0})
    add_adapter(architectures.small_model(kind), adapter, seed=0)
    assert adapter == Lora.model_validate({"rank": 4, "alpha": 8.0})
