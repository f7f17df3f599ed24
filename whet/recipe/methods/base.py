"""What every method answers about itself from the recipe alone: no torch, no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from whet.recipe.methods.features import SENTENCES, Feature, Refusal
from whet.recipe.methods.usual import DataFacts, Work, usual_batch, usual_epochs, usual_rate
from whet.recipe.strict import Conflict, Strict

if TYPE_CHECKING:
    from whet.recipe.schema import Recipe

Kind = Literal[
    "chat",
    "prompt-completion",
    "alpaca",
    "sharegpt",
    "text",
    "label",
    "preference",
    "ranking",
    "unpaired",
    "prompt",
]
"""The forms of rows."""
PAIRED: frozenset[Kind] = frozenset({"preference", "ranking"})
MARKED: frozenset[Kind] = frozenset({"unpaired"})
ANSWERED: frozenset[Kind] = frozenset({"chat", "prompt-completion", "alpaca", "sharegpt", "label"})
TEXT: frozenset[Kind] = frozenset({"text"})
PROMPTS: frozenset[Kind] = frozenset({"prompt"})
NAME_PROMPTS = "name the column of the prompts: columns: {prompt: ...}; or set method: sft"
Rendering = Literal["conversation", "prompt", "text", "prefixed", "document"]
"""How a row becomes tokens: whole, up to its answer, its text alone, under a system prompt, or in blocks of text."""


Fill = Callable[[str, tuple[Any, str]], None]
"""Gives a key of the method its value, with the reason, where the recipe leaves it out."""


@dataclass(frozen=True, slots=True)
class RowNeeds:
    """Which rows a method learns from, and how they become tokens."""

    forms: frozenset[Kind] = ANSWERED | TEXT
    """Forms of rows that can be learned from."""
    rendering: Rendering = "conversation"
    answered: bool = True
    """A row must hold an answer."""
    per_tree: bool = False
    """A tree of segments is one example: a pair, a marked answer, a text with its target."""
    margin: bool = False
    """It reads by how much the better answer of a pair is better."""

    @property
    def as_text(self) -> bool:
        """Text is learned as it is, whatever it looks like."""
        return self.rendering == "document"

    @property
    def only_marks(self) -> bool:
        """It learns from the marks of answers, and from nothing else."""
        return self.forms == MARKED


Target = Literal["class", "classes", "number"]
"""What a head learns of a row."""


@dataclass(frozen=True, slots=True)
class PlanNeeds:
    """What a plan counts beside the tokens of the rows."""

    rows_unseen: bool = False
    """The longest rows are not in the data: they are still to be written."""
    written: int = 0
    """Tokens that a row grows by at most while it is answered."""
    notes: tuple[str, ...] = ()
    """What is not counted, in sentences."""


class MethodKeys(Strict):
    """The keys of a training method, and what follows from them without a model. `kind` is a field of each class; a
    class adds no other field for what it answers, because every field is part of a run's name."""

    summary: ClassVar[str]
    """What it does: its row in the table of docs/methods/README.md."""
    guide: ClassVar[str]
    """Its page in docs/."""
    rows: ClassVar[RowNeeds] = RowNeeds()
    chosen_by: ClassVar[frozenset[Kind]] = frozenset()
    """`method: auto` takes it for rows of these forms."""
    chosen_because: ClassVar[str] = ""
    """The reason that is given then."""
    cannot: ClassVar[frozenset[Feature]] = frozenset()
    """What it never goes with. What it goes with by some of its keys only is told by `why_not`."""
    no_failures: ClassVar[str] = "its rows have none"
    """Why its validation rows have no answers that could fail, where `failures` is among what it cannot."""
    by_last_answer: ClassVar[bool] = False
    """Of a conversation its last answer alone is scored, because rewards judge no earlier one."""
    many_passes: ClassVar[bool] = False
    """It makes several passes over its rows, so that the rate may be held while they help."""
    has_head: ClassVar[bool] = False
    """Its model gives numbers by a head, and writes nothing."""
    replays: ClassVar[bool] = False
    """The base's own words are learned beside its rows, unless the recipe says otherwise."""

    @property
    def name(self) -> str:
        """Its kind."""
        return str(getattr(self, "kind"))

    @property
    def random_start(self) -> bool:
        """Whether it begins with random weights in the base's shape."""
        return False

    @property
    def answer_tokens(self) -> int | None:
        """The longest answer that it writes while it learns; None for a method that writes none."""
        return None

    @property
    def step_prompts(self) -> int | None:
        """Prompts of a step; None for a method whose steps are counted in tokens."""
        return None

    @property
    def block_tokens(self) -> int | None:
        """Tokens of the blocks that text is cut into; None for a method that reads rows."""
        return None

    @property
    def target(self) -> Target | None:
        """What a head learns of each row, beside the text; None for all others."""
        return None

    @property
    def prefix(self) -> str | None:
        """The system prompt that rows are read under, and which they do not hold; None for all but `bake`."""
        return None

    def with_context(self, context: int) -> Self:
        """The method with the lengths that a base of this context settles."""
        return self

    def cache_key(self) -> str:
        """What of it changes the rows as they are prepared; "" where nothing does."""
        return ""

    def plan(self) -> PlanNeeds:
        return PlanNeeds()

    def other_rows(self, form: Kind) -> tuple[str, str]:
        """Why rows of a form that is none of its own cannot be learned from, and what to do. Of pairs and of marked
        answers the rows themselves tell it."""
        what = f"these rows hold prompts without answers, which {self.name} cannot learn from"
        return what, "add the answers, or let rewards score the model's own: method: grpo"

    def why_not(self, feature: Feature, recipe: Recipe) -> Refusal | None:
        """Why it does not go with a feature; None where it does."""
        if feature not in self.cannot:
            return None
        what, fix = SENTENCES[feature]
        return Refusal(what.format(kind=self.name, without=self.no_failures), fix, self.name)

    def conflicts(self, recipe: Recipe) -> list[Conflict]:
        """Keys that are right alone and wrong beside this method's own."""
        return []

    def refuses(self, recipe: Recipe, feature: Feature, asked: bool, value: str) -> list[Conflict]:
        """The conflict of a recipe that asks, as `value`, for what its method does not go with; else none."""
        if asked:
            why = self.why_not(feature, recipe)
        else:
            why = None
        if why is None:
            return []
        return [(True, why.what, value, why.fix)]

    # ---- rules for what the recipe leaves out; each gives (value, reason)

    def fill(self, facts: DataFacts, fill: Fill) -> None:
        """Its own keys."""

    def epochs(self, facts: DataFacts) -> tuple[float, str]:
        """Passes over the training rows."""
        return usual_epochs(facts)

    def batch_tokens(self, recipe: Recipe, facts: DataFacts, passes: float) -> tuple[int, str] | None:
        """Tokens of a step; None where a step is counted otherwise."""
        return usual_batch(recipe, facts, passes, least_rows=1, floor="")

    def work(self, recipe: Recipe, facts: DataFacts) -> Work:
        """What an epoch consists of; `recipe.batch_tokens` is filled in where it counts."""
        assert recipe.batch_tokens is not None
        return Work(facts.tokens, recipe.batch_tokens, "tokens")

    def step_tokens(self, recipe: Recipe, facts: DataFacts) -> int:
        """Tokens of an optimiser step; where answers are written the most that there can be."""
        assert recipe.batch_tokens is not None
        return recipe.batch_tokens

    def checkpoint_every(self, every: int) -> int:
        """Steps between checkpoints: those of the rule, or the nearest that the method can resume from."""
        return every

    def rate(self, hidden: int) -> tuple[float, str]:
        """(rate for all weights of a base of this hidden size, its source)."""
        return usual_rate(hidden)
