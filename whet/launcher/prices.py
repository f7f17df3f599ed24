"""What a run elsewhere would cost, by a price list of the user's: training, and every answer that the verdict asks for.

gpt-4.1-mini:
  training: 5.00          # dollars a million tokens
  input: 0.40
  output: 1.60
  tuned_input: 0.80       # of the tuned model, where it costs another price than its base
  tuned_output: 3.20
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from whet.data.prepare import Prepared
from whet.errors import InputError, nearest
from whet.evaluation.opponents.setting import Setting
from whet.launcher.opposing import Questions, opponents_tokens
from whet.launcher.row_reader import RowReader
from whet.recipe.schema import Recipe
from whet.recipe.yaml_text import parse

MILLION = 1_000_000
FEWEST, MOST, LONGEST = 100, 25_000, 25
"""OpenAI's own rule for `auto`: three epochs, more where three would be fewer than 100 rows (at most 25 epochs), fewer
where they would be more than 25,000 rows (its cookbook, chat_finetuning_data_prep)."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars a million tokens."""

    training: float
    input: float
    output: float
    tuned_input: float | None = None
    tuned_output: float | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """Tokens, and dollars. Those of answers are bounds: each answer as long as it may be, every opponent asked all
    rows."""

    training_tokens: int
    epochs: int
    epochs_chosen_by_service: bool
    base_tokens: tuple[int, int]
    """Read and written by the base: as it is, and as its opponents' prompts ask it."""
    tuned_tokens: tuple[int, int]
    training_dollars: float
    base_dollars: float
    tuned_dollars: float
    counted: str

    @property
    def dollars(self) -> float:
        return self.training_dollars + self.base_dollars + self.tuned_dollars

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "dollars": self.dollars}

    def lines(self) -> list[str]:
        guessed = ", a guess: the service chooses" if self.epochs_chosen_by_service else ""
        training = f"${self.training_dollars:,.2f} for training ({self.training_tokens:,} tokens, "
        training += f"{self.epochs} times{guessed})"
        answers = f"at most ${self.base_dollars:,.2f} for answers of the base and its opponents "
        answers += f"and ${self.tuned_dollars:,.2f} for those of the tuned model"
        return [f"price: about ${self.dollars:,.2f}: {training}, {answers}", f"tokens are {self.counted}"]


def read_prices(path: Path, model: str) -> Prices:
    """Raises InputError for a list that does not hold this model, or no price of it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"the price list cannot be read: {error}", where=str(path), fix="check the path") from error

    listed, _ = parse(text, str(path))
    if not isinstance(listed, dict) or model not in listed:
        known = list(map(str, listed)) if isinstance(listed, dict) else []
        what = f"the price list has no {model!r}{nearest(model, known)}"
        fix = f"add it: {model}: {{training: ..., input: ..., output: ...}}, in dollars a million tokens"
        raise InputError(what, where=str(path), fix=fix)

    given, names = listed[model], [field.name for field in fields(Prices)]
    if not isinstance(given, dict):
        raise InputError(
            "prices are a group", where=f"{path}, {model}", value=given, fix=f"its keys: {', '.join(names)}"
        )
    for key, value in given.items():
        if key not in names:
            raise InputError(f"no such price{nearest(str(key), names)}", where=f"{path}, {model}", value=key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise InputError("a price is a number, 0 or more", where=f"{path}, {model}.{key}", value=value)
    for key in names[:3]:
        if key not in given:
            raise InputError(f"the price of {key} is missing", where=f"{path}, {model}", fix="add it")
    return Prices(**given)


def usual_epochs(rows: int) -> int:
    """What `auto` comes to at OpenAI, by its cookbook."""
    if 3 * rows < FEWEST:
        return min(LONGEST, max(1, FEWEST // rows))
    if 3 * rows > MOST:
        return max(1, MOST // rows)
    return 3


def bill_of(
    prices: Prices, recipe: Recipe, prepared: Prepared, reader: RowReader, questions: Questions, setting: Setting
) -> Bill:
    chosen = recipe.epochs is None
    epochs = usual_epochs(max(1, prepared.rows)) if recipe.epochs is None else int(recipe.epochs)

    renderer, rows = prepared.renderer, questions.turns.rows
    read = sum(len(renderer.prompt_ids(row.prompt, row.tools)) for row in rows)
    written = questions.tokens * len(rows)
    more_read, more_written = opponents_tokens(setting)
    base, tuned = (read + more_read, written + more_written), (read, written)

    tuned_input = prices.input if prices.tuned_input is None else prices.tuned_input
    tuned_output = prices.output if prices.tuned_output is None else prices.tuned_output
    learned = prepared.tokens
    return Bill(
        learned,
        epochs,
        chosen,
        base,
        tuned,
        learned * epochs * prices.training / MILLION,
        (base[0] * prices.input + base[1] * prices.output) / MILLION,
        (tuned[0] * tuned_input + tuned[1] * tuned_output) / MILLION,
        reader.counted,
    )


def refuse_dear(bill: Bill, most: float | None) -> None:
    """Before anything is sent. Raises InputError for more dollars than are allowed."""
    if most is not None and bill.dollars > most:
        what = f"this run may cost ${bill.dollars:,.2f}, and --most-dollars allows ${most:,.2f}; nothing was sent"
        fix = "fewer epochs, a smaller split.max_test, or evaluate.against: [base]; or allow more"
        raise InputError(what, where="--most-dollars", value=most, fix=fix)
