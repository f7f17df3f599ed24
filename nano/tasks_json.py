"""JSON tasks: take fields and labels from a message, and convert between JSON and other forms."""

import json
from random import Random
from typing import NamedTuple

from nano import words as w
from nano.domains import DOMAINS
from nano.message_fields import DISTRACTORS, NUMBER_MAKERS, Field, reference
from nano.message_labels import Label
from nano.words import Pair, and_list, between, capital, pick

Value = str | int | None | list["Value"] | dict[str, "Value"]


class Wanted(NamedTuple):
    """One key of the answer: how the instruction describes it and what belongs there."""

    key: str
    hint: str
    options: tuple[str, ...]
    value: Value
    number: bool = False  # the instruction says that a bare number is expected


class Notice(NamedTuple):
    message: str
    wanted: list[Wanted]


def dumped(value: Value, style: str = "plain") -> str:
    if style == "compact":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(value, ensure_ascii=False, indent=2 if style == "indented" else None)


def joined_clauses(rng: Random, clauses: list[str]) -> str:
    """Sentences from clauses: sometimes two share a sentence, sometimes all is lower-case or chatty."""
    careless = rng.random() < 0.18
    sentences: list[str] = []
    at = 0
    while at < len(clauses):
        sentence = clauses[at]
        at += 1
        if at < len(clauses) and rng.random() < 0.3:
            sentence += pick(rng, (", ", " and ", ", and ", " - ", ", ")) + clauses[at]
            at += 1
        end = pick(rng, (".", ".", ".", ".", "!", "..", " ", ",")) if careless else pick(rng, (".", ".", ".", ".", "!"))
        sentences.append((sentence if careless else capital(sentence)) + end)
    return " ".join(sentences).rstrip(", ")


def message_text(rng: Random, clauses: list[str], level: int) -> str:
    body = joined_clauses(rng, clauses)
    if level > 0 and rng.random() < 0.5:
        body = f"{pick(rng, w.GREETINGS)}{pick(rng, (', ', '! ', ', ', chr(10)))}{body}"
    if level > 0 and rng.random() < 0.3:
        body = f"{body} {pick(rng, w.CLOSINGS)}{pick(rng, ('', '.', '!'))}"
    return body


def domain_notice(rng: Random, level: int, labels_wanted: bool | None = None, numbers_as_int: bool = False) -> Notice:
    """A message of one domain and the keys to take from it."""
    domain = pick(rng, DOMAINS)
    fields = w.some(rng, domain.fields, min(len(domain.fields), between(rng, *((1, 2), (1, 4), (2, 5))[level])))
    use_label = rng.random() < (0.35, 0.6, 0.65)[level] if labels_wanted is None else labels_wanted
    labels = (
        w.some(rng, domain.labels, 1 if level == 0 or rng.random() < 0.7 else len(domain.labels)) if use_label else []
    )
    fields = fields[:1] if level == 0 and labels else fields
    return build_notice(rng, level, fields, labels, numbers_as_int)


def build_notice(rng: Random, level: int, fields: list[Field], labels: list[Label], numbers_as_int: bool) -> Notice:
    clauses: list[str] = []
    wanted: list[Wanted] = []
    used: set[str] = set()
    families = {field.family for field in fields}
    for field in fields:
        key = next((key for key in w.some(rng, field.keys, len(field.keys)) if key not in used), "")
        if not key or used_twice(field, wanted):
            continue
        used.add(key)
        make = w.number if numbers_as_int and field.make is reference else field.make
        number = field.hint.startswith("the number of") or (numbers_as_int and make in NUMBER_MAKERS)
        value: Value = None
        if level == 0 or rng.random() > 0.07 or len(fields) == 1:
            text = make(rng)
            clauses.append(pick(rng, field.clauses).replace("{v}", text))
            value = int(text) if number else text
        wanted.append(Wanted(key, field.hint, (), value, number))
    for label in labels:
        key = next((key for key in w.some(rng, label.keys, len(label.keys)) if key not in used), "")
        if key:
            used.add(key)
            chosen = pick(rng, list(label.cues))
            clauses.append(pick(rng, label.cues[chosen]))
            wanted.append(Wanted(key, label.hint, tuple(w.some(rng, list(label.cues), len(label.cues))), chosen))
    if level > 0:
        for _ in range(between(rng, 0, 1 + level)):
            family, make = pick(rng, DISTRACTORS)
            if family not in families:
                clauses.append(make(rng))
    rng.shuffle(clauses)
    rng.shuffle(wanted)
    message = message_text(rng, clauses, level)
    if rng.random() < 0.2:
        message = safe_typo(rng, message, wanted)
    return Notice(message, wanted)


def used_twice(field: Field, wanted: list[Wanted]) -> bool:
    return any(other.hint == field.hint for other in wanted)


def safe_typo(rng: Random, message: str, wanted: list[Wanted]) -> str:
    """A typo that leaves every value that must be copied intact."""
    changed = w.typo(rng, message)
    intact = all(str(want.value) in changed for want in wanted if want.value is not None and not want.options)
    return changed if intact else message


def described(rng: Random, wanted: list[Wanted], style: str) -> str:
    """The keys in the words of the instruction; label keys always show their options."""
    parts = []
    for want in wanted:
        if style == "schema":
            kind = f'"{"|".join(want.options)}"' if want.options else "0" if want.number else '"..."'
            parts.append(f'"{want.key}": {kind}')
        elif style == "dash":
            meaning = f"one of {', '.join(want.options)}" if want.options else want.hint
            parts.append(f"- {want.key}: {meaning}{' (number)' if want.number else ''}")
        else:
            note = (
                pick(rng, (" or ", ", ", "/")).join(want.options) if want.options else "number" if want.number else ""
            )
            parts.append(f"{want.key} ({note})" if note else want.key)
    if style == "schema":
        return "{" + ", ".join(parts) + "}"
    return "\n".join(parts) if style == "dash" else pick(rng, (and_list, ", ".join))(parts)


ASKS = (
    "Extract {keys} from the message. Answer with JSON.",
    "Return a JSON object with the keys {keys}.",
    "Read the text and give {keys} as JSON.",
    "Make JSON with {keys} from this note.",
    "Turn the message into JSON. Keys: {keys}.",
    "Find {keys} in the text below and write JSON.",
    "Fields: {keys}. Output: JSON only.",
    "Please fill the JSON fields {keys}.",
    "I need {keys} from this message as a JSON object.",
    "Parse the message into JSON with {keys}.",
    "JSON please: {keys}.",
    "Take {keys} out of the letter. JSON only, no other text.",
    "Which {keys} does the writer give? Answer in JSON.",
    "Summarise the message as JSON with the fields {keys}.",
    "You read messages and answer with one JSON object: {keys}.",
    "Reply only with JSON. It has the keys {keys}.",
    "Get {keys}. Give JSON.",
    "From the text below collect {keys} and output a JSON object.",
)
SCHEMA_ASKS = (
    "Fill this JSON from the message: {keys}",
    "Answer in this form: {keys}",
    "Turn the text into JSON like {keys}",
    "Use the format {keys}",
    "Extract the data. Schema: {keys}",
    "Output must look like this:\n{keys}",
    "Read the message and complete {keys}",
    "Reply with {keys}",
    "Return only JSON: {keys}",
)
DASH_ASKS = (
    "Read the message and answer with a JSON object that has these keys:\n{keys}",
    "Extract as JSON:\n{keys}",
    "Fill in the keys:\n{keys}\nAnswer with JSON only.",
    "Return JSON. Keys:\n{keys}",
    "Extract the following from the text:\n{keys}\nJSON only.",
    "Write one JSON object with\n{keys}",
)
STYLE_NOTES = {
    "compact": ("Write it compact.", "No spaces in the JSON.", "Use compact JSON."),
    "indented": ("Indent the JSON.", "Write it on several lines."),
    "plain": ("", "", "", "", "One line."),
}
MISSING_NOTES = (
    "Use null for what is missing.",
    "Missing values are null.",
    "If a value is not given, write null.",
    "null if not stated.",
)
MESSAGE_HEADS = ("Message: ", "Text: ", "Message:\n", "", '"', "Note: ", "Letter:\n", "Input: ", "They wrote: ", "> ")


def instruction(rng: Random, wanted: list[Wanted], always_null: bool = False) -> tuple[str, str]:
    """The wording of the request and the JSON style it asks for."""
    style = pick(rng, ("plain",) * 12 + ("compact", "indented"))
    roll = rng.random()
    form, asks = ("list", ASKS) if roll < 0.55 else ("schema", SCHEMA_ASKS) if roll < 0.8 else ("dash", DASH_ASKS)
    ask = pick(rng, asks).replace("{keys}", described(rng, wanted, form))
    notes = [pick(rng, STYLE_NOTES[style])]
    if always_null or any(want.value is None for want in wanted) or rng.random() < 0.2:
        notes.insert(0, pick(rng, MISSING_NOTES))
    # Bare keys at the end need a line break before the next sentence.
    joint = " " if ask.endswith(".") else "\n"
    return joint.join([ask, *[note for note in notes if note]]), style


def answer_of(notice: Notice, order: list[Wanted], style: str) -> str:
    value_of = {want.key: want.value for want in notice.wanted}
    return dumped({want.key: value_of[want.key] for want in order}, style)


def numbers_are_int(rng: Random) -> bool:
    return rng.random() < 0.25


def extract(rng: Random, level: int) -> Pair:
    notice = domain_notice(rng, level, numbers_as_int=numbers_are_int(rng))
    ask, style = instruction(rng, notice.wanted)
    answer = answer_of(notice, notice.wanted, style)
    if rng.random() < 0.25:
        return f"{notice.message}\n\n{ask}", answer
    head = pick(rng, MESSAGE_HEADS)
    return f"{ask}{pick(rng, (chr(10), chr(10) * 2))}{head}{notice.message}{chr(34) if head == chr(34) else ''}", answer


def pick_out(rng: Random, level: int) -> Pair:
    """One value out of a message, without JSON."""
    notice = domain_notice(rng, level, labels_wanted=False)
    given = [want for want in notice.wanted if want.value is not None]
    if not given:
        return pick_out(rng, level)
    want = pick(rng, given)
    ask = pick(
        rng,
        (
            "What is {h}?",
            "Write only {h}.",
            "Find {h} in the text.",
            "Give me {h}.",
            "Tell me {h}, nothing else.",
            "Which value is {h}?",
            "Copy {h} from the message.",
        ),
    )
    ask = ask.replace("{h}", want.hint)
    return pick(
        rng, (f"{notice.message}\n\n{ask}", f"{ask}\n{notice.message}", f"{ask}\n\nMessage: {notice.message}")
    ), str(want.value)


def json_text(rng: Random, level: int) -> str:
    """Raw pairs of a note and its JSON, without a request."""
    lines = []
    for _ in range((1, 1, 3)[level]):
        notice = domain_notice(rng, level, numbers_as_int=False)
        # Nothing asks for keys here, so a missing value could not be foreseen.
        found = {want.key: want.value for want in notice.wanted if want.value is not None}
        keys = f"[{', '.join(found)}]\n" if rng.random() < 0.6 else ""
        lines.append(f"{notice.message}\n{keys}{dumped(found)}")
    return "\n\n".join(lines)
