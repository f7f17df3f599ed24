"""Which fault a failed proof looks like: a table of signatures, each with what it shows and what to do.

A signature speaks of one of the tests; the first that fits a failed test is named. What is seen is behaviour alone, so
a name says what it looks like, and not who did it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whet.release.consumers.protocol import UNTOLD
from whet.release.golden import Golden, PromptKind
from whet.release.proof import FOREIGN, TOLD, Proof, Test
from whet.release.readings import Readings

NEAR_BASE = 0.1
"""A tune fraction so near to 0 is the base's."""
TWICE = (1.6, 2.4)
HALF = (0.4, 0.6)


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    test: Test
    looks_like: str
    """A sentence."""
    fix: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the signatures look at."""

    proof: Proof
    kinds: dict[PromptKind, tuple[int, int]]
    """Of each kind of prompt: how many were rendered otherwise, and how many were rendered."""
    first: tuple[list[int], list[int]] | None
    """(golden ids, the consumer's) of the shortest prompt that was rendered otherwise."""
    foreign_stops: int
    """Answers that the consumer ended at a token that training never taught as an end."""
    unended: int
    """Answers that should have ended and did not."""

    @property
    def fraction(self) -> float:
        value = self.proof.measured.fraction
        return float("nan") if value is None else value

    def differs_only_in(self, *wanted: PromptKind) -> bool:
        """Prompts of these kinds were rendered otherwise, and no others."""
        wrong = {kind for kind, (bad, _) in self.kinds.items() if bad}
        return bool(wrong) and wrong <= set(wanted)

    def all_differ_in(self, *wanted: PromptKind) -> bool:
        """Each prompt of these kinds that there is was rendered otherwise."""
        there = [self.kinds[kind] for kind in wanted if kind in self.kinds]
        return bool(there) and all(bad == total for bad, total in there)


@dataclass(frozen=True, slots=True)
class Signature:
    fault: Fault
    fits: Callable[[Evidence], bool]


def _added_in_front(seen: Evidence) -> bool:
    return seen.first is not None and seen.first[1][1:] == seen.first[0]


def _doubled(seen: Evidence) -> bool:
    return _added_in_front(seen) and seen.first is not None and seen.first[1][0] == seen.first[0][0]


def _missing_in_front(seen: Evidence) -> bool:
    return seen.first is not None and seen.first[0][1:] == seen.first[1]


def _cut_behind(seen: Evidence) -> bool:
    if seen.first is None:
        return False
    wanted, found = seen.first
    return len(found) < len(wanted) and wanted[: len(found)] == found


def _default_system(seen: Evidence) -> bool:
    """What has no system prompt got one; what has its own is as it was."""
    own = seen.kinds.get("system", (0, 0))
    return own[1] > 0 and own[0] == 0 and seen.all_differ_in("no-system", "shortest")


def _beside(seen: Evidence) -> bool:
    found = seen.proof.measured
    return found.beside is not None and found.effect >= TOLD and found.beside > FOREIGN * found.effect


def _signature(
    name: str, test: Test, looks_like: str, fix: str, fits: Callable[[Evidence], bool] = lambda seen: True
) -> Signature:
    return Signature(Fault(name, test, looks_like, fix), fits)


SIGNATURES: tuple[Signature, ...] = (
    _signature(
        "base-answers", "fraction",
        "It is the base that answers: the adapter is not applied, or its B is zero.",
        "load the adapter and ask for it by its name (vLLM: its options enable-lora and lora-modules; PEFT: "
        "PeftModel.from_pretrained), or serve the merged form",
        lambda seen: abs(seen.fraction) < NEAR_BASE,
    ),
    _signature(
        "applied-twice", "fraction",
        "The tune is there twice: an adapter over weights that it was merged into, or loaded two times.",
        "serve the merged model without the adapter, or the adapter over the base that it was trained on",
        lambda seen: TWICE[0] <= seen.fraction <= TWICE[1] and not _beside(seen),
    ),
    _signature(
        "half-the-scale", "fraction",
        "The tune is there by half: alpha/r is read as 1 where it is 2, or as 1 where it should double.",
        "take the form adapter, which folds scales into B; or merged, which has none",
        lambda seen: HALF[0] <= seen.fraction <= HALF[1] and not _beside(seen),
    ),
    _signature(
        "other-weights", "fraction",
        "It answers neither as the base nor as the tuned model: tensors are swapped, permuted, of another run or of "
        "another base.",
        "export again from the run, and check that the base is the one that was trained on",
        _beside,
    ),
    _signature(
        "scale-too-small", "fraction",
        "The tune is there in part: a scale is too small, or some modules have no adapter.",
        "take the form adapter, which folds scales into B; check that the consumer adapts every target module",
        lambda seen: seen.fraction < 1,
    ),
    _signature(
        "scale-too-large", "fraction",
        "The tune is there too strongly: a scale is too large.",
        "take the form adapter, which folds scales into B; or merged, which has none",
    ),
    _signature(
        "not-a-number", "difference",
        "Some log-probabilities are not numbers: the weights overflow in this dtype.",
        "use bfloat16 or float32 in the place of float16",
        lambda seen: not seen.proof.measured.finite,
    ),
    _signature(
        "rounding", "difference",
        "The tune is there, and the numbers differ by more than rounding explains: another dtype, a quantised base, or "
        "one tensor that differs.",
        "serve in the dtype that was trained in, over the same base; or export again",
        lambda seen: "fraction" not in seen.proof.failed,
    ),
    _signature(
        "weights-differ", "difference",
        "The numbers are not those of the trained model.",
        "mend what the tune fraction says first",
    ),
    _signature(
        "bos-doubled", "ids",
        "The begin token stands there twice: the template writes it and the tokenizer adds it.",
        "tokenise rendered text with add_special_tokens=False, or take the token out of the template",
        _doubled,
    ),
    _signature(
        "token-added", "ids",
        "A token stands before every prompt that training did not have.",
        "switch off that the server adds a begin token (add_bos_token: false)",
        _added_in_front,
    ),
    _signature(
        "bos-missing", "ids",
        "The first token of every prompt is missing.",
        "switch on that the server adds the begin token, or restore the template",
        _missing_in_front,
    ),
    _signature(
        "no-generation-prompt", "ids",
        "Prompts end before the answer begins: the template is asked without its generation prompt, or has lost it.",
        "restore chat_template.jinja of the export, and render with add_generation_prompt=True",
        lambda seen: _cut_behind(seen) and not seen.differs_only_in("longest"),
    ),
    _signature(
        "context-cut", "ids",
        "Long prompts are cut.",
        "raise the context of the server (vLLM's option max-model-len, llama.cpp's option ctx-size)",
        lambda seen: seen.differs_only_in("longest"),
    ),
    _signature(
        "default-system", "ids",
        "Conversations without a system prompt get one that training did not have.",
        "restore chat_template.jinja of the export: the server uses a template of its own",
        _default_system,
    ),
    _signature(
        "tools-dropped", "ids",
        "Tools are not written into the prompt as they were in training.",
        "serve with the export's own template (vLLM's option chat-template), which knows tools",
        lambda seen: seen.differs_only_in("tools"),
    ),
    _signature(
        "tokenizer-differs", "ids",
        "Some texts are cut into other tokens: another tokenizer, pre-tokenizer or normaliser.",
        "restore tokenizer.json of the export; for GGUF convert again with a converter that knows this pre-tokenizer",
        lambda seen: seen.differs_only_in("unicode", "longest", "text"),
    ),
    _signature(
        "template-replaced", "ids",
        "Prompts are rendered by another template.",
        "serve with the export's own chat_template.jinja (vLLM's option chat-template)",
    ),
    _signature(
        "foreign-stop", "stops",
        "Answers end at a token that training never taught as an end.",
        "restore generation_config.json of the export: its eos_token_id is what was trained",
        lambda seen: seen.foreign_stops > 0,
    ),
    _signature(
        "no-stop", "stops",
        "Answers do not end where training taught them to: the list of stop tokens is empty or another one.",
        "restore generation_config.json of the export, and let the server read it (vLLM's option generation-config)",
    ),
    _signature(
        "task-lost", "task",
        "The task suffers more than the budget allows.",
        "take a finer form: q8_0 or f16 in the place of fewer bits",
    ),
)  # fmt: skip
"""In the order in which they are tried."""


def diagnose(golden: Golden, readings: Readings, proof: Proof) -> list[Fault]:
    """The fault that each failed test looks like."""
    seen = evidence(golden, readings, proof)
    found = []
    for test in proof.failed:
        fits = (one.fault for one in SIGNATURES if one.fault.test == test and one.fits(seen))
        found += [fault for fault in [next(fits, None)] if fault is not None]
    return found


def evidence(golden: Golden, readings: Readings, proof: Proof) -> Evidence:
    kinds: dict[PromptKind, tuple[int, int]] = {}
    otherwise: list[tuple[list[int], list[int]]] = []
    for kind, wanted, found in _rendered(golden, readings):
        if found is None:
            continue

        bad, total = kinds.get(kind, (0, 0))
        kinds[kind] = (bad + (found != wanted), total + 1)
        otherwise += [(wanted, found)] if found != wanted else []

    stops = [one.written.stop_id for one in readings.cases if one.written]
    return Evidence(
        proof=proof,
        kinds=kinds,
        first=min(otherwise, key=lambda pair: len(pair[0]), default=None),
        foreign_stops=sum(stop not in (*golden.stop_ids, None, UNTOLD) for stop in stops),
        unended=proof.measured.should_end - proof.measured.ended,
    )


def _rendered(golden: Golden, readings: Readings) -> Sequence[tuple[PromptKind, list[int], list[int] | None]]:
    cases = zip(golden.cases, readings.cases, strict=True)
    rows = zip(golden.scores, readings.scores, strict=True)
    return [
        *((case.prompt.kind, case.prompt.ids, read.ids) for case, read in cases),
        *(("task", row.ids, read.ids) for row, read in rows),
    ]
