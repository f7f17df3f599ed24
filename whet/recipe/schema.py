"""What a user may ask for. Torch-free and strict: an unknown key is refused with the nearest name.

Keys that are None here get their value from a rule (whet/recipe/rules.py), which is printed with its reason.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from whet.recipe.dialects import Dialect
from whet.recipe.external import FunctionPlace
from whet.recipe.file_key import FileKey
from whet.recipe.methods import AnyMethod, Auto
from whet.recipe.methods import Bake as Bake
from whet.recipe.methods import Classify as Classify
from whet.recipe.methods import Distil as Distil
from whet.recipe.methods import Dpo as Dpo
from whet.recipe.methods import Grpo as Grpo
from whet.recipe.methods import Kind as Kind
from whet.recipe.methods import Kto as Kto
from whet.recipe.methods import Ppo as Ppo
from whet.recipe.methods import Pretrain as Pretrain
from whet.recipe.methods import Reward as Reward
from whet.recipe.methods import Rloo as Rloo
from whet.recipe.methods import Sft as Sft
from whet.recipe.sections.adapters import Full as Full
from whet.recipe.sections.adapters import Lora as Lora
from whet.recipe.sections.compare import Compare as Compare
from whet.recipe.sections.goal import Goal
from whet.recipe.sections.judges import PairJudge
from whet.recipe.sections.keep import Forgetting, Keep, switched
from whet.recipe.sections.release import Release
from whet.recipe.sections.retrieval import Retrieval
from whet.recipe.sections.retrieval import SupportJudge as SupportJudge
from whet.recipe.sections.rewards import AnyReward as AnyReward
from whet.recipe.sections.rewards import Exact as Exact
from whet.recipe.sections.rewards import Function as Function
from whet.recipe.sections.rewards import JsonObject as JsonObject
from whet.recipe.sections.rewards import Judge as Judge
from whet.recipe.sections.rewards import LearnedReward as LearnedReward
from whet.recipe.sections.rewards import Length as Length
from whet.recipe.sections.rewards import Regex as Regex
from whet.recipe.sections.rewards import SomeRewards
from whet.recipe.sections.rewards import UnitTests as UnitTests
from whet.recipe.strict import Name, Strict

HeadMethod = Reward | Classify
"""Methods that put a head in the place of words."""
Method = Annotated[AnyMethod, Field(discriminator="kind")]


Adapter = Annotated[Lora | Full, Field(discriminator="kind")]


Quantise = Literal["nf4"]


Role = Literal["system", "developer", "user", "assistant", "tool", "tool-call"]


class Columns(Strict):
    """Names of your columns, when they are not the usual ones."""

    messages: str | None = Field(default=None, description="Column with the list of messages.")
    prompt: str | None = Field(default=None, description="Column with the input.")
    completion: str | None = Field(default=None, description="Column with the answer to learn.")
    chosen: str | None = Field(default=None, description="Column with the preferred answer of a pair.")
    rejected: str | None = Field(default=None, description="Column with the other answer of a pair.")
    margin: str | None = Field(default=None, description="Column with how much better the chosen answer is (reward).")
    answers: str | None = Field(default=None, description="Column with a list of answers, best first unless scored.")
    scores: str | None = Field(default=None, description="Column with the scores of these answers, higher is better.")
    system: str | None = Field(default=None, description="Column with a system prompt.")
    text: str | None = Field(default=None, description="Column with plain text.")
    label: str | None = Field(default=None, description="Column with the class to learn, or with an answer's mark.")
    group: str | None = Field(default=None, description="Rows with the same value stay on one side of the split.")
    passage: str | None = Field(
        default=None, description="Column that names the passage or document with the answer (retrieval)."
    )
    roles: dict[Name, Role] = Field(
        default_factory=dict, description="Who speaks, where the messages use names of their own: {bard: assistant}."
    )


class Split(Strict):
    """Parts of the data that are held out: a share below 1, or a number of rows."""

    validation: float = Field(default=0.1, ge=0, description="For checkpoints and early stopping.")
    test: float = Field(default=0.1, ge=0, description="Held out and read once, for the verdict.")
    max_validation: int = Field(default=500, ge=1, description="Upper bound in rows for the validation share.")
    max_test: int = Field(default=500, ge=1, description="Upper bound in rows for the test share.")
    near_duplicates: bool = Field(default=True, description="Keep near-duplicates on one side of the split.")
    in_order: bool = Field(
        default=False,
        description="The rows stand in the order of time: the last are the test, those before them the validation.",
    )
    train_share: float = Field(
        default=1.0, gt=0, le=1, description="Share of the training rows that is learned; a smaller lies in a larger."
    )


class Schedule(Strict):
    """Learning rate over the run."""

    kind: Literal["auto", "cosine", "linear", "constant", "hold"] = Field(
        default="auto",
        description="hold: a cosine that waits in its middle while validation improves (sft, classify). "
        "auto: hold where neither steps nor epochs are set, else cosine.",
    )
    shortest: int | None = Field(
        default=None, ge=2, description="hold: steps of the run that never waits; `steps` are those of the longest."
    )
    warmup: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps that warm up linearly from 0.")
    floor: float = Field(default=0.0, ge=0, le=1, description="Final rate as a share of the peak.")


class Optimizer(Strict):
    """AdamW, or Muon for the hidden matrices with AdamW for the rest (learns copying far sooner from scratch)."""

    kind: Literal["adamw", "muon"] = "adamw"
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    epsilon: float = Field(default=1e-8, gt=0)
    state: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="bfloat16: moments in 16 bits, no float32 copy of the weights, stochastic rounding (adamw only).",
    )
    weight_decay: float = Field(default=0.0, ge=0, description="Decoupled, on matrices only.")
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")


OpponentName = Literal["base", "constant", "prompted", "examples"]
"""What a verdict holds the tuned model against (whet/evaluation/opponents/)."""


class Evaluate(Strict):
    """What is measured, on which rows, how often."""

    metric: Annotated[
        Literal[
            "auto",
            "exact-match",
            "json",
            "accuracy",
            "final-answer",
            "tool-call",
            "rouge-l",
            "chrf",
            "nll",
            "preference-accuracy",
            "mark-accuracy",
        ]
        | FunctionPlace,
        FileKey("code", counts=True, confined=True),
    ] = Field(default="auto", description="A function of yours: `file.py:name`, beside the recipe.")
    every: int | None = Field(default=None, ge=1, description="Steps between validations; default: ten in a run.")
    patience: int = Field(default=3, ge=1, description="Validations without improvement before stopping early.")
    early_stop: bool = Field(default=True, description="Stop when the validation loss keeps rising.")
    max_new_tokens: int | None = Field(default=None, ge=1, description="Longest answer; default from the references.")
    temperature: float = Field(
        default=0.0, ge=0, le=5, description="Of the answers to the test rows; 0 is greedy, and what most rows want."
    )
    samples: int = Field(default=1, ge=1, le=1000, description="Answers drawn for each test row, above temperature 0.")
    wins: SomeRewards | None = Field(
        default=None, description="What scores the answers of base and tuned for a win rate: rules, a model or a judge."
    )
    judge: PairJudge | None = Field(
        default=None, description="A language model that compares the answers of base and tuned, pair by pair."
    )
    forgetting: bool = Field(default=True, description="Measure what the tune cost in general ability.")
    against: Literal["auto"] | Annotated[list[OpponentName], Field(min_length=1)] = Field(
        default="auto",
        description="What the tuned model must beat beside base and constant, on all test rows; auto: prompted and "
        "examples too, on a sample of the test rows where all would cost more than 30% of the run.",
    )


class Recipe(Strict):
    """A whole run. `data` is the only required key."""

    data: Annotated[Name | Annotated[list[Name], Field(min_length=1)], FileKey("data", counts=True)] = Field(
        description="File, list of files, folder, or the name of a set on the Hub."
    )
    test: Annotated[Name | None, FileKey("data", counts=True)] = Field(
        default=None, description="Your own test file; the data is then split in two only."
    )
    base: Annotated[Name, FileKey("base", words=frozenset({"nano"}))] = Field(
        default="nano", description="'nano' (bundled), a folder, a GGUF file, or a Hub name."
    )
    method: Method = Field(default_factory=Auto, description="How the model learns; auto: by the form of the rows.")
    adapter: Adapter = Field(default_factory=Lora, description="Which weights are trained.")
    quantise: Annotated[Quantise | None, BeforeValidator(lambda value: None if value == "none" else value)] = Field(
        default=None, description="nf4: the frozen base in 4 bits (QLoRA), for an adapter; default: none."
    )
    format: Literal["auto", Kind] = "auto"
    columns: Columns = Field(default_factory=Columns)
    dialect: Literal["auto", "none"] | Dialect = Field(
        default="auto",
        description="Chat template that texts are already written in. auto: read as turns where writing them back "
        "gives the same text, else asked; none: learned as they stand, marks and all.",
    )
    join_labels: bool = Field(
        default=False, description="Labels that differ in case or Unicode form only are one class."
    )
    system: str | None = Field(default=None, description="System prompt for rows that have none.")
    retrieval: Retrieval | None = Field(default=None, description="Passages in every prompt, learned and looked up.")
    split: Split = Field(default_factory=Split)
    max_tokens: int | None = Field(default=None, ge=2, description="Longest row; default: the base's context.")
    too_long: Literal["drop", "truncate"] = Field(default="drop", description="What happens to a longer row.")
    drop_budget: float = Field(default=0.01, ge=0, le=1, description="Share of rows that may be dropped.")
    learning_rate: float | None = Field(default=None, gt=0, le=1e30, description="Peak of the schedule.")
    batch_tokens: int | None = Field(default=None, ge=1, description="Tokens per optimiser step.")
    micro_batch_tokens: int | None = Field(default=None, ge=1, description="Tokens per forward pass.")
    epochs: float | None = Field(default=None, gt=0, le=1e6, description="Passes over the training rows.")
    steps: int | None = Field(default=None, ge=1, description="A cap; wins over epochs.")
    schedule: Schedule = Field(default_factory=Schedule)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    keep: Annotated[Keep, BeforeValidator(switched)] = Field(
        default_factory=Keep, description="What keeps the base's abilities; false: nothing does."
    )
    evaluate: Evaluate = Field(default_factory=Evaluate)
    goal: Goal | None = Field(default=None, description="What the work is for: reached, missed, or not to be told.")
    release: Release | None = Field(
        default=None, description="Where it is to be served: what that cannot read is refused before the training."
    )
    compare: Compare = Field(default_factory=Compare)
    forgetting: Forgetting = Field(default_factory=Forgetting)
    checkpoint_every: int | None = Field(
        default=None, ge=1, description="Steps between checkpoints; default: 20 in a run."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="auto measures which is faster.")
    tf32: bool = Field(
        default=False,
        description="On a GPU products of float32 in TF32, rounded to 10 bits (no rule: it changes the numbers).",
    )
    attention: Literal["auto", "forest", "plain"] = Field(
        default="auto",
        description="auto: the fastest that is proved right; forest: without Whet's kernels; plain: one row a line.",
    )
    compile: bool = Field(default=False, description="torch.compile each layer: pays only in runs of many minutes.")
    recompute: bool = Field(
        default=False, description="Keep only the input of each layer and run it again: less memory, more time."
    )
    trust_remote_code: bool = Field(default=False, description="Run code that comes with the base. Dangerous.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="The same seed gives the same run.")

    @property
    def asks_for_test(self) -> bool:
        """Whether rows are to be held out for a verdict; without, the run is trained only."""
        return self.test is not None or self.split.test > 0
