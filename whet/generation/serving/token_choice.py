"""How the next token of one request is chosen, in the words of the API that people already use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whet.errors import InputError
from whet.generation.sampling import LEAST_TEMPERATURE

MOST_TOP_LOGPROBS = 20
"""As the API allows."""
MOST_BIAS = 100.0
"""As the API allows: +-100 takes a token always or never."""
MOST_PENALTY = 2.0


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """Temperature 0 is greedy. Order: bias and penalties, guide, temperature, top_k, top_p, min_p.

    Log-probabilities are the model's own, before all of that. Raises InputError for what means nothing.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    """Tokens less likely than this part of the likeliest one are not drawn (Nguyen et al. 2024)."""
    top_k: int | None = None
    seed: int = 0
    presence_penalty: float = 0.0
    """Taken once from the logit of every token that was written: mu_j - [c_j > 0] presence - c_j frequency."""
    frequency_penalty: float = 0.0
    """Taken from a token's logit for each time that it was written."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "temperature": (self.temperature, 0, 1e6, "0 takes the likeliest token, 1 draws as the model says"),
            "min_p": (self.min_p, 0, 1, "0 leaves every token"),
            "presence_penalty": (self.presence_penalty, -MOST_PENALTY, MOST_PENALTY, "0 changes nothing"),
            "frequency_penalty": (self.frequency_penalty, -MOST_PENALTY, MOST_PENALTY, "0 changes nothing"),
            "top_logprobs": (self.top_logprobs, 0, MOST_TOP_LOGPROBS, "0 asks for none"),
        }
        for name, (value, least, most, fix) in ranges.items():
            _refuse_outside(name, value, least, most, fix)
        _refuse_outside("top_p", self.top_p, 0, 1, "1 leaves every token")

        if self.top_p == 0:
            raise _meaningless("top_p", self.top_p, "it must be above 0", "1 leaves every token")
        if 0 < self.temperature < LEAST_TEMPERATURE:
            what = f"below {LEAST_TEMPERATURE:g} the numbers overflow"
            raise _meaningless("temperature", self.temperature, what, "0 takes the likeliest token")
        if type(self.seed) is not int or type(self.top_logprobs) is not int:
            raise _meaningless("seed", self.seed, "seed and top_logprobs are whole numbers", "as in seed=7")
        if self.top_k is not None and (type(self.top_k) is not int or self.top_k < 1):
            raise _meaningless("top_k", self.top_k, "it must be a whole number of at least 1", "leave it out for all")

        for token, bias in self.logit_bias.items():
            if type(token) is not int or token < 0:
                raise _meaningless("logit_bias", token, "its keys are the numbers of tokens", "as in {50256: -100}")
            _refuse_outside(f"logit_bias.{token}", bias, -MOST_BIAS, MOST_BIAS, "-100 bans a token, 100 asks for it")

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0

    @property
    def cuts(self) -> bool:
        """Are some tokens never drawn?"""
        return self.top_p < 1 or self.min_p > 0 or self.top_k is not None

    @property
    def shifts(self) -> bool:
        """Are logits changed before anything is drawn?"""
        return bool(self.logit_bias or self.presence_penalty or self.frequency_penalty)


def _refuse_outside(name: str, value: object, least: float, most: float, fix: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _meaningless(name, value, f"it must be a number from {least:g} to {most:g}", fix)


def _meaningless(where: str, value: object, what: str, fix: str) -> InputError:
    return InputError(what, where=where, value=value, fix=fix)
