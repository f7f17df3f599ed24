"""The one renderer: messages to token ids with the model's own chat template, for training, evaluation and serving.

Which tokens are supervised is derived by rendering (see whet/data/render/turn_spans.py) and then checked. A row is
refused when the pieces do not join to the full rendering, a trained turn does not end in a stop token, nothing is
supervised, a field vanishes, the template raises, the row's own text contains a control token, or a token joins the
prompt to the answer and cannot be cut (serving would then start from other tokens than training did).
"""

from __future__ import annotations

import copy
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from whet.data.refused import RowRefused
from whet.data.render import encoding
from whet.data.render import field_coverage as coverage
from whet.data.render import turn_frames as frames
from whet.data.render.chat_template import Render, TemplateRaised, bind
from whet.data.render.encoding import Document
from whet.data.render.fallback_template import choose_template
from whet.data.render.probe_conversations import probes, wants_text_arguments
from whet.data.render.turn_frames import TurnFrame
from whet.data.render.turn_spans import CannotLocate, PromptDiffers, Turn, locate, prompt_text, spans_of
from whet.errors import ModelError
from whet.types import Message, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NO_THINKING = "{%- set enable_thinking = false -%}\n"

__all__ = ["Rendered", "Renderer", "spans_of"]


@dataclass(slots=True)
class Rendered:
    """A row as the model sees it. `weights[i]` is the weight of predicting `ids[i]`; 0 means context only."""

    ids: list[int]
    weights: list[float]
    text: str
    spans: list[tuple[int, int]]
    """The supervised spans, in characters of `text`."""

    @property
    def supervised(self) -> int:
        return sum(1 for weight in self.weights if weight)


class Renderer:
    """Binds a tokenizer to a chat template: the given one, else the tokenizer's own, else Whet's plain one.

    `variables` are handed to the template (as `enable_thinking`). `clock` is the date for templates that write one;
    it is fixed when the renderer is made, so that a run that is resumed tomorrow renders the same tokens.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        template: str | None = None,
        *,
        variables: dict[str, Any] | None = None,
        clock: datetime | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.clock = clock or datetime.now()

        if template:
            self.templates = {"default": template}
        else:
            self.templates = choose_template(tokenizer)

        self.variables = {**tokenizer.special_tokens_map, **(variables or {})}
        self._encoder = encoding.Encoder(tokenizer)
        # GPT-2 has one for both
        if self._encoder.bos == self._encoder.eos:
            self._bos = None
        else:
            self._bos = self._encoder.bos

        self._eos = self._encoder.eos
        self._arguments_as_text = wants_text_arguments(self._bound)
        self._checked_shapes: set[tuple[Any, ...]] = set()
        self._frames: dict[tuple[Any, ...], list[TurnFrame] | None] = {}

    @property
    def template(self) -> str:
        """The template of a conversation without tools."""
        return self.templates["default"]

    @property
    def chat_template(self) -> str | dict[str, str]:
        """What a release must set as its tokenizer's `chat_template`: the very templates that were trained with."""
        if len(self.templates) == 1:
            return self.template
        return dict(self.templates)

    @property
    def control_tokens(self) -> frozenset[str]:
        """The tokenizer's special tokens, as they are written."""
        return self._encoder.special

    @cached_property
    def fingerprint(self) -> str:
        """Changes with anything that changes the ids: the key of caches, and of golden ids in a release."""
        parts = [self._encoder.definition, repr(sorted(self.templates.items())), repr(sorted(self.variables.items()))]
        if any("strftime_now" in template for template in self.templates.values()):
            parts.append(self.clock.date().isoformat())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def without_thinking(self) -> Renderer | None:
        """The same renderer with thinking switched off in the template itself; None where it has no such switch.

        For data without reasoning: a prompt that opens a thought would be trained to close it at once, and the release
        then carries a template that asks for what was learned.
        """
        if not any("enable_thinking" in template for template in self.templates.values()):
            return None
        other = Renderer(self.tokenizer, variables=self.variables, clock=self.clock)
        other.templates = {name: NO_THINKING + template for name, template in self.templates.items()}

        return other

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Every token that ends a turn: the end token, and what probes of the template show after an answer."""
        if self._encoder.eos_id is None:
            found = set()
        else:
            found = {self._encoder.eos_id}

        for messages, tools in probes(self._arguments_as_text):
            try:
                shape = coverage.shape_of(messages, tools)
                text, turns = self._locate(messages, tools, [number for number, _ in _answers(messages)], shape)
            except (TemplateRaised, CannotLocate):  # a template need not support tools, or this order of roles
                continue

            for turn in turns:
                marker = text[turn.words_end : turn.end].strip()
                found.update(i for i in self._encoder.ids(marker) if i in self._encoder.added)

        return frozenset(found)

    def forgetful(self) -> Renderer:
        """The same renderer, knowing no rows yet. What a row becomes must not depend on which rows a worker has seen;
        so each chunk of rows begins with one of these."""
        other = copy.copy(self)
        other._checked_shapes, other._frames = set(), {}
        return other

    def render(self, row: Row) -> Rendered:
        """Ids and weights of a row. Raises RowRefused."""
        try:
            if row.text is not None:
                return self._text(row)
            return self._chat(row)
        except RowRefused as refusal:
            refusal.where = refusal.where or row.where
            raise

    def prompt_ids(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None) -> list[int]:
        """What serving and evaluation give the model before it answers. Raises RowRefused `template-raises`."""
        return self._encoder.ids(self.prompt_text(messages, tools))

    def prompt_text(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None = None) -> str:
        """The text of `prompt_ids`."""
        try:
            return prompt_text(self._bound(tools), self._clean(messages))
        except TemplateRaised as error:
            raise _template_raises(error, messages, tools) from error

    def words_of(self, text: str) -> str:
        """What an evaluation sees of a text: it goes through the tokenizer, and special tokens are left out."""
        ids = self._encoder.ids(text)
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def document(self, row: Row) -> Document:
        """The whole text of a row for pre-training, where every token is learned. Raises RowRefused."""
        if row.text is not None:
            return Document(row.text)
        try:
            return Document(self._bound(row.tools)(self._clean(row.messages), prompt=False), framed=True)
        except TemplateRaised as error:
            raise _template_raises(error, row.messages, row.tools) from error

    def _bound(self, tools: list[dict[str, Any]] | None) -> Render:
        if tools:
            source = self.templates.get("tool_use", self.template)
        else:
            source = self.template
        name = str(getattr(self.tokenizer, "name_or_path", ""))
        return bind(source, tools=tools or None, variables=self.variables, clock=self.clock, name=name)

    def _clean(self, messages: Sequence[Message]) -> list[Message]:
        """Without the keys that are Whet's own, and with tool arguments in the form that the template expects."""
        cleaned = []
        for message in messages:
            clean = {key: value for key, value in message.items() if key != "weight" and value is not None}
            if self._arguments_as_text and clean.get("tool_calls"):
                clean["tool_calls"] = [encoding.text_arguments(call) for call in clean["tool_calls"]]
            cleaned.append(clean)
        return cleaned

    def _text(self, row: Row) -> Rendered:
        ids = self._encoder.document_ids(row.text or "")
        if len(ids) < 2:
            raise RowRefused("nothing-to-learn", "the text is empty", value=row.text, fix="remove the row")
        return Rendered(ids, [0.0] + [1.0] * (len(ids) - 1), row.text or "", [(0, len(row.text or ""))])

    def _chat(self, row: Row) -> Rendered:
        messages = self._clean(row.messages)
        self.refuse_foreign(messages, row.tools)

        weights = {number: weight for number, weight in _answers(row.messages) if weight}
        if not weights:
            raise RowRefused(
                "nothing-to-learn",
                "no assistant turn is to be learned",
                fix="end the row with an assistant message whose weight is not 0",
            )

        shape = coverage.shape_of(messages, row.tools)
        try:
            text, turns = self._locate(messages, row.tools, list(weights), shape)
        except TemplateRaised as error:
            raise _template_raises(error, messages, row.tools) from error
        except PromptDiffers as error:
            raise RowRefused("prompt-differs", str(error), fix="use a base with a consistent template") from error
        except CannotLocate as error:
            raise RowRefused("answer-not-found", str(error), fix="give earlier assistant turns weight 0") from error

        text, turns = self._close(messages, row.tools, text, turns)
        coverage.check_words(messages, row.tools, text, {turn.message: turn for turn in turns})

        if shape not in self._checked_shapes:
            coverage.check_structure(self._bound(row.tools), messages)
            self._checked_shapes.add(shape)

        return self._weigh(text, turns, weights)

    def _locate(
        self,
        messages: Sequence[Message],
        tools: list[dict[str, Any]] | None,
        numbers: Sequence[int],
        shape: tuple[Any, ...],
    ) -> tuple[str, list[Turn]]:
        """The rendered text and the turns `numbers` in it: in the frames of an earlier row of this shape where they
        fit, otherwise by rendering around every turn. Both give the same."""
        render = self._bound(tools)
        text = render(messages, prompt=False)
        key = (shape, *numbers)

        turns = frames.apply_frames(render, messages, text, self._frames.get(key))
        if turns is None:
            stops = self._encoder.added_pattern
            turns = [locate(render, messages, number, text, stops, self._bos, self._eos) for number in numbers]

            if key not in self._frames:
                self._frames[key] = frames.frames_of(render, messages, text, turns)

        for before, after in zip(turns, turns[1:], strict=False):
            if after.start < before.end:
                raise CannotLocate("the spans of two answers overlap")

        return text, turns

    def _close(
        self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, text: str, turns: list[Turn]
    ) -> tuple[str, list[Turn]]:
        """Every trained turn must end in a control token; a last one that has none gets what would follow it.

        Some templates (Qwen1.5, GLM) write the stop only when the conversation goes on. Then that stop is taken from
        the rendering with one more user message, or else the tokenizer's end token.
        """
        closed = []
        for turn in turns:
            if turn.end == turn.words_end:
                after = text[turn.words_end :]
                if turn.message < len(messages) - 1 or after.strip():
                    raise _no_stop("after an answer", after[:24])

                closing = self._closing(messages, tools, text[: turn.words_end])
                text = text[: turn.words_end] + closing
                turn = Turn(turn.message, turn.start, turn.words_end, len(text))
            closed.append(turn)

        return text, closed

    def _closing(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, text: str) -> str:
        try:
            longer = self._bound(tools)([*messages, {"role": "user", "content": "x"}], prompt=False)
        except TemplateRaised:
            longer = ""

        if longer.startswith(text):
            found = self._encoder.added_pattern.match(longer, len(text))
            if found and found.group() != self._bos:
                return found.group()

        if self._eos is None:
            raise _no_stop("after the last answer, and the tokenizer has no end token", "")
        return self._eos

    def _weigh(self, text: str, turns: Sequence[Turn], weights: dict[int, float]) -> Rendered:
        tokens = self._encoder.tokens_of(text, [turn.start for turn in turns])
        if self._encoder.bos_id is not None and tokens.ids[:2] == [self._encoder.bos_id] * 2:
            raise ModelError("the chat template writes the begin token twice", fix="remove one bos_token from it")

        weight_T = [0.0] * len(tokens.ids)
        for turn in turns:
            first, last = tokens.before(turn.start), tokens.before(turn.end)
            if first == 0:
                raise RowRefused(
                    "no-prompt", "nothing comes before the answer", fix="put a user message first, or weight 0"
                )
            if tokens.ids[last - 1] not in self._encoder.added:
                raise _no_stop("at the end of the answer", text[turn.words_end : turn.end])

            weight_T[first:last] = [weights[turn.message]] * (last - first)

        return Rendered(tokens.ids, weight_T, text, [(turn.start, turn.end) for turn in turns])

    def refuse_foreign(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None) -> None:
        """Raises RowRefused for what a text model cannot see, and for text that would turn into control tokens."""
        for number, message in enumerate(messages):
            content = message.get("content")
            for part in content if isinstance(content, list) else []:
                if not isinstance(part, dict) or not (part.get("text") or part.get("type") == "tool_reference"):
                    raise RowRefused(
                        "not-text", f"message {number + 1} holds a part that is not text", value=part, fix="remove it"
                    )

        strings = coverage.strings_in([messages, tools])
        if not self._encoder.special_pattern.search("\0".join(strings)):
            return

        for value in strings:
            found = self._encoder.special_pattern.search(value)
            if found:
                raise RowRefused(
                    "control-token-in-text",
                    f"the text contains {found.group()!r}, which this tokenizer turns into a control token",
                    value=value,
                    fix="remove it from the row, or write it in another way",
                )


def _answers(messages: Sequence[Message]) -> list[tuple[int, float]]:
    """Position and weight of each assistant turn. Raises RowRefused for a weight that is not a number >= 0."""
    answers = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            weight = message.get("weight")
            weight = 1.0 if weight is None else weight
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                what = f"message {number + 1}: weight must be a number, 0 or more"
                raise RowRefused("bad-weight", what, value=weight, fix="use 0 or 1")

            answers.append((number, float(weight)))

    return answers


def _template_raises(
    error: TemplateRaised, messages: Sequence[Message], tools: list[dict[str, Any]] | None
) -> RowRefused:
    does, fix = "refuses", "change the order of roles in the row, or use a base whose template allows it"
    if re.match(r"(Undefined|ZeroDivision|Type|Value|Key|Index|Attribute|Security|Arithmetic)Error: ", str(error)):
        does = "fails on"  # it is nothing that the template says of itself
        fix = "bring what the template asks for, or repair the chat template in the base's folder"
    if tools or any(message.get("tool_calls") or message["role"] == "tool" for message in messages):
        fix = "use a base whose chat template knows tools, or leave tool calls and their results out of the row"
    return RowRefused("template-raises", f"the base's chat template {does} this conversation: {error}", fix=fix)


def _no_stop(place: str, found: str) -> RowRefused:
    return RowRefused(
        "no-stop",
        f"the chat template writes no control token of this tokenizer {place}, so the model would never learn to stop",
        value=found,
        fix="use a template that fits the tokenizer and ends its turns; or give earlier assistant turns weight 0",
    )
