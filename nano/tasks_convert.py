"""Records between forms: key-value text, CSV, JSON and sentences."""

import json
from collections.abc import Callable
from random import Random

from nano import words as w
from nano.words import Pair, between, pick

Record = dict[str, str | int]

COLUMNS: dict[str, Callable[[Random], str]] = {
    "name": w.person,
    "code": w.code,
    "city": w.city,
    "item": w.thing,
    "day": lambda rng: pick(rng, w.WEEKDAYS),
    "colour": lambda rng: pick(rng, w.COLOURS),
    "price": lambda rng: str(between(rng, 2, 900)),
    "id": w.number,
    "time": w.clock_time,
    "phone": w.phone,
    "email": w.mail_address,
    "job": lambda rng: pick(rng, w.JOBS),
    "animal": lambda rng: pick(rng, w.ANIMALS),
    "food": lambda rng: pick(rng, w.FOODS),
    "key": w.gibberish,
    "title": lambda rng: f"{pick(rng, w.ADJECTIVES)} {pick(rng, w.COMMON)}",
    "place": lambda rng: pick(rng, w.PLACES),
    "age": lambda rng: str(between(rng, 5, 90)),
    "note": w.common_word,
    "model": w.made_up,
    "number": w.number,
    "date": w.date,
    "label": w.mixed_code,
}
COLUMN_NAMES = list(COLUMNS)


def column_names(rng: Random, count: int) -> list[str]:
    names = w.some(rng, COLUMN_NAMES, count)
    if rng.random() < 0.2:  # invented keys, so that keys themselves must be copied
        names[0] = w.gibberish(rng)
    return names


def record(rng: Random, names: list[str]) -> dict[str, str]:
    return {name: COLUMNS.get(name, w.token)(rng) for name in names}


def typed(row: dict[str, str], as_int: bool) -> Record:
    return {name: int(text) if as_int and text.isdigit() and text[0] != "0" else text for name, text in row.items()}


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def row_size(rng: Random, level: int) -> int:
    return between(rng, *((1, 3), (2, 5), (3, 7))[level])


def pairs_to_json(rng: Random, level: int) -> Pair:
    row = record(rng, column_names(rng, row_size(rng, level)))
    joint, equals = pick(rng, (("\n", ": "), (", ", ": "), ("; ", "="), ("\n", " = "), (" | ", ": "), ("\n", " - ")))
    shown = joint.join([f"{key}{equals}{value}" for key, value in row.items()])
    as_int = rng.random() < 0.25
    ask = pick(
        rng, ("Write this as JSON", "Make a JSON object", "Convert to JSON", "Turn these fields into JSON", "JSON")
    )
    note = (
        pick(rng, (" Numbers without quotes.", " Write plain numbers as numbers."))
        if as_int
        else pick(rng, ("", "", " All values are strings."))
    )
    return pick(
        rng,
        (
            f"{ask}.{note}\n{shown}",
            f"{shown}\n\n{ask}.{note}",
            f"{ask}:\n{shown}{chr(10) + note.strip() if note else ''}",
        ),
    ), dumped(typed(row, as_int))


def json_to_value(rng: Random, level: int) -> Pair:
    row = record(rng, column_names(rng, row_size(rng, level)))
    key, value = pick(rng, list(row.items()))
    ask = pick(
        rng,
        (
            "What is the {k}?",
            "Give the value of {k}.",
            'Value of "{k}"?',
            "Read the field {k}.",
            "Which {k} is in the object?",
            "Return only {k}.",
        ),
    ).replace("{k}", key)
    return pick(rng, (f"{dumped(row)}\n{ask}", f"{ask}\n{dumped(row)}", f"JSON: {dumped(row)}\n\n{ask}")), value


def edit_json(rng: Random, level: int) -> Pair:
    row = record(rng, column_names(rng, row_size(rng, level) + 1))
    key = pick(rng, list(row))
    roll = rng.random()
    if roll < 0.35:
        new = COLUMNS.get(key, w.token)(rng)
        ask, changed = pick(rng, (f"Set {key} to {new}.", f"Change {key} to {new}.")), {**row, key: new}
    elif roll < 0.6:
        ask, changed = (
            pick(rng, (f"Remove {key}.", f"Delete the key {key}.", f"Drop {key}.")),
            {k: v for k, v in row.items() if k != key},
        )
    elif roll < 0.8:
        kept = w.some(rng, list(row), min(2, len(row)))
        ask, changed = f"Keep only {w.and_list(kept)}.", {k: row[k] for k in kept}
    else:
        new = w.gibberish(rng)
        ask, changed = f"Rename {key} to {new}.", {new if k == key else k: v for k, v in row.items()}
    return pick(rng, (f"{ask}\n{dumped(row)}", f"{dumped(row)}\n{ask}")), dumped(changed)


def json_keys(rng: Random, level: int) -> Pair:
    row = record(rng, column_names(rng, row_size(rng, level)))
    ask, answer = pick(
        rng,
        (
            ("List the keys.", ", ".join(row)),
            ("List the values.", ", ".join(row.values())),
            ("How many keys are there?", str(len(row))),
            ("Write one key: value per line.", "\n".join([f"{k}: {v}" for k, v in row.items()])),
        ),
    )
    return f"{ask}\n{dumped(row)}", answer


SENTENCE_ASKS = ("Write a sentence from this JSON.", "Say this in one sentence.", "Turn the JSON into a sentence.")


def json_to_sentence(rng: Random, level: int) -> Pair:
    names = w.some(rng, ("code", "city", "item", "day", "colour", "price", "time", "job"), between(rng, 1, 2 + level))
    row = record(rng, ["name", *names])
    answer = f"For {row['name']}, " + w.and_list([f"the {name} is {row[name]}" for name in names]) + "."
    return (
        f"{pick(rng, SENTENCE_ASKS)}\n{dumped(row)}",
        answer,
    )


def csv_to_json(rng: Random, level: int) -> Pair:
    names = column_names(rng, between(rng, 2, 2 + level))
    rows = [record(rng, names) for _ in range(between(rng, 1, 1 + 2 * level))]
    mark = pick(rng, (",", ",", ";", "\t", " | "))
    table = "\n".join([mark.join(names), *[mark.join(row.values()) for row in rows]])
    if rng.random() < 0.6 or len(rows) == 1:
        ask = pick(
            rng,
            (
                "Convert the table to a JSON list.",
                "CSV to JSON.",
                "Write the rows as a list of JSON objects.",
                "Make a list of objects from this table.",
            ),
        )
        return f"{ask}\n{table}", dumped(rows)
    row = pick(rng, rows)
    if sum(other[names[0]] == row[names[0]] for other in rows) > 1:
        return f"How many rows are there, without the head?\n{table}", str(len(rows))
    return f"{table}\nWrite the row with {names[0]} {row[names[0]]} as JSON.", dumped(row)


def list_to_json(rng: Random, level: int) -> Pair:
    maker = pick(rng, (w.common_word, w.code, w.first_name, w.made_up, w.thing))
    items = [maker(rng) for _ in range(between(rng, 2, 3 + 3 * level))]
    key = pick(rng, ("items", "names", "list", "values", "words"))
    if rng.random() < 0.5:
        return f"{pick(rng, ('Write a JSON list', 'Make a JSON array'))}: {', '.join(items)}", dumped(items)
    return (
        f"{pick(rng, ('JSON with the key', 'Put the list into JSON under the key'))} {key}: {', '.join(items)}",
        dumped({key: items}),
    )


JOBS = (
    pairs_to_json,
    pairs_to_json,
    pairs_to_json,
    json_to_value,
    json_to_value,
    edit_json,
    json_keys,
    json_to_sentence,
    csv_to_json,
    csv_to_json,
    list_to_json,
)


def convert(rng: Random, level: int) -> Pair:
    return pick(rng, JOBS)(rng, level)
