"""A tuned model's golden answers, asked through the very batch that will answer for it.

What a run's golden.json says of base and tuned model (whet/release/golden.py) is held against what the service computes
with this adapter in this batch: ids of the prompts, and log-probabilities of golden answers and contrasts, with the
tokens that ended them. The bounds of whet/release/proof.py decide. An adapter that is not applied, is applied twice, or
is another one does not pass.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from whet.errors import ProofError, RunFolderError
from whet.model.saved_model import ModelFacts
from whet.release.forms.protocol import ROUNDING
from whet.release.golden import FILE, Golden, GoldenCase, is_of, read_golden
from whet.release.proof import prove
from whet.release.proving import loosened
from whet.release.readings import CaseReading, Readings
from whet.server.inference.hosting.forced import forced_request
from whet.server.inference.hosting.host import Host
from whet.server.inference.words.wording import Wording
from whet.store.run import Run

NAME = "the service"


@dataclass(frozen=True, slots=True)
class Replay:
    host: Host
    adapter: str | None
    wording: Wording
    size: int
    """Tokens of the model."""
    dtype: str
    """The numbers that it computes in here; golden answers are of float32 where that was possible."""


def golden_of_served(run: Run, facts: ModelFacts) -> Golden | None:
    """The golden answers of a run that are of its present weights; None where it has none. Raises RunFolderError for
    those of other weights."""
    if not (run.folder / FILE).exists():
        return None
    golden = read_golden(run.folder)
    if not is_of(golden, facts):
        what = "the golden answers of this run are of other weights than those in its model folder"
        raise RunFolderError(what, where=str(run.folder / FILE), fix="whet export RUN asks the models again")
    return golden


async def prove_served(golden: Golden, replay: Replay) -> None:
    """Raises ProofError where the answers are not those of the training."""
    cases = await asyncio.gather(*(_read(case, replay) for case in golden.cases))
    bound = loosened(ROUNDING[replay.dtype], golden)
    proof = prove(golden, Readings(NAME, cases=list(cases)), bound)
    if not proof.passed:
        measured = proof.measured
        what = (
            f"served here it does not answer as it did in training ({', '.join(proof.failed)}): "
            f"tune fraction {measured.fraction}, largest difference {measured.largest_difference}"
        )
        raise ProofError(what, fix="restore its folder; or train again")


async def _read(case: GoldenCase, replay: Replay) -> CaseReading:
    prompt = case.prompt
    if prompt.messages is None:
        rendered = await asyncio.to_thread(replay.wording.ids, prompt.text)
    else:
        rendered = await asyncio.to_thread(replay.wording.prompt, prompt.messages, prompt.tools)

    answer, contrast = await asyncio.gather(
        logprobs(replay, prompt.ids, case.answer.tokens), logprobs(replay, prompt.ids, case.contrast.tokens)
    )
    return CaseReading(rendered, answer, contrast, None)


async def logprobs(replay: Replay, prompt: list[int], tokens: list[int]) -> list[float]:
    """Of each of `tokens`, which are written whatever the model would write."""
    if not tokens:
        return []
    ticket = replay.host.enter(forced_request(prompt, tokens, replay.size, replay.adapter), always=True)
    return [written.logprob async for written in ticket.tokens()]
