"""A tuned model's golden answers, asked of the engine that will answer for it.

As `whet prove --url` asks them: ids from /tokenize beside /v1, log-probabilities from /completions with `echo`, greedy
answers. An engine that tells no log-probabilities cannot be told from its base, and is not believed.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from whet.data.render.renderer import Renderer
from whet.errors import ProofError
from whet.generation.chat_client import ChatClient
from whet.model.base import saved_tokenizer
from whet.model.open import prove_trained
from whet.model.saved_model import ModelFacts
from whet.observer import Silent
from whet.release.consumers.template_date import of_other_days
from whet.release.consumers.url import Server
from whet.release.diagnosis import diagnose
from whet.release.forms.protocol import ROUNDING
from whet.release.golden import Golden
from whet.release.proof import prove
from whet.release.proving import loosened
from whet.release.readings import read_cases
from whet.server.inference.catalogue import ServedModel
from whet.server.inference.engines.client import EngineClient
from whet.server.inference.hosting.replay import golden_of_served
from whet.store.run import Run

SECONDS = 60.0
"""For one question. A service that stops waits for it."""
UNTOLD = "the engine tells no log-probabilities of a given text, so that nothing shows whose answers these are"
log = logging.getLogger("whet.server")


async def prove_at(client: EngineClient, served: ServedModel, facts: ModelFacts, model: str) -> None:
    """Is what the engine answers under the name `model` what was trained? Raises ProofError, RunFolderError for files
    that changed, RunError where the engine goes away meanwhile."""
    await asyncio.to_thread(_prove, client, served, facts, model)


def _prove(client: EngineClient, served: ServedModel, facts: ModelFacts, model: str) -> None:
    run = served.run
    if run is None:
        fix = "ask again once its job has succeeded; the built-in engine serves checkpoints"
        raise ProofError("a checkpoint has no golden answers to prove it by in another engine", fix=fix)
    prove_trained(run, None)
    golden = golden_of_served(run, facts)
    if golden is None or not golden.cases:
        fix = f"whet export {run.name} writes them"
        raise ProofError("the run has no golden answers to prove it by in another engine", fix=fix)
    _judge(golden, _server(client, golden, run, facts, model))


def _server(client: EngineClient, golden: Golden, run: Run, facts: ModelFacts, model: str) -> Server:
    renderer = Renderer(saved_tokenizer(run.model), clock=datetime.fromisoformat(facts["clock"]))
    remote = ChatClient(client.url, model, client.key or None, seconds=SECONDS, retries=0)
    return Server(remote, golden.stop_ids, of_other_days(golden, renderer))


def _judge(golden: Golden, server: Server) -> None:
    readings = read_cases(golden, server, Silent())
    proof = prove(golden, readings, loosened(ROUNDING["bfloat16"], golden))
    if proof.measured.mean_difference is None and proof.measured.finite:
        raise ProofError(UNTOLD, fix="serve it by vLLM or SGLang, or by the built-in engine")
    if not proof.passed:
        fault = diagnose(golden, readings, proof)[0]
        what = f"in the engine it does not answer as it did in training ({fault.name}): {fault.looks_like}"
        raise ProofError(what.rstrip("."), fix=fault.fix)
    for note in proof.notes:
        log.warning("%s: %s", server.remote.model, note)
