"""Broken input, as tables: what a user might give, and words that the one message about it must contain."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from whet.demo_data.support_desk import generate

GOOD = generate(30, 0)


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def answer(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def nested(levels: int) -> str:
    return '{"a": ' * levels + "1" + "}" * levels


NOISE = bytes((n * 197 + 31) % 255 + 1 for n in range(400))
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + NOISE
LINE_812 = jsonl(generate(811, 2)) + b'{"prompt": "a", "completion": "b"\n'

FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.jsonl", b"", "a.jsonl: the file is empty"),
    "empty csv": ("a.csv", b"", "a.csv: the file is empty"),
    "empty parquet": ("a.parquet", b"", "not a readable Parquet file"),
    "blank lines": ("a.jsonl", b"\n \n\t\r\n", "holds no rows"),
    "blank text": ("a.txt", b"\n \n", "holds no rows"),
    "only a mark": ("a.jsonl", b"\xef\xbb\xbf", "holds no rows"),
    "only a header": ("a.csv", b"prompt,completion\n", "holds no rows"),
    "binary": ("a.jsonl", b"\x01\0\x02" + NOISE, "binary, not text"),
    "binary csv": ("a.csv", b"\x01\0\x02" + NOISE, "binary, not text"),
    "binary parquet": ("a.parquet", NOISE, "not a readable Parquet file"),
    "binary without zeros": ("a.jsonl", b"\xc5" + NOISE, "byte 0 is not valid UTF-8"),
    "picture": ("a.png", PNG, "neither a recipe"),
    "picture as jsonl": ("a.jsonl", PNG, "binary, not text"),
    "cut gzip": ("a.jsonl.gz", gzip.compress(jsonl(GOOD))[:-20], "gzip file is damaged"),
    "no gzip": ("a.jsonl.gz", jsonl(GOOD), "gzip file is damaged"),
    "wrong columns": ("a.jsonl", jsonl([{"foo": 1, "bar": 2}] * 30), "a.jsonl:1: cannot tell what to learn"),
    "no columns": ("a.jsonl", b"{}\n" * 30, "a.jsonl:1: the first row has no columns"),
    "mixed": ("a.jsonl", jsonl([*GOOD, {"messages": [user("a"), answer("b")]}]), "a.jsonl:31: row 31 has another form"),
    "row is a list": ("a.jsonl", jsonl([*GOOD, [1, 2]]), "a.jsonl:31: a row must be a JSON object"),
    "one row": ("a.jsonl", jsonl(GOOD[:1]), "too few rows: 1"),
    "two rows": ("a.jsonl", jsonl(GOOD[:2]), "a.jsonl: too few rows: 2"),
    "all rows equal": ("a.jsonl", jsonl(GOOD[:1] * 30), "near-duplicates of each other"),
    "bad utf-8": ("a.jsonl", jsonl(GOOD) + b'{"prompt": "caf\xe9"}\n', "a.jsonl:31: byte"),
    "bad utf-8 in csv": ("a.csv", b"prompt,completion\na,b\ncaf\xe9,c\n", "a.csv:3: byte 25 is not valid UTF-8"),
    "utf-16": ("a.jsonl", jsonl(GOOD).decode().encode("utf-16"), "the file is UTF-16"),
    "utf-16, no mark": ("a.jsonl", jsonl(GOOD).decode().encode("utf-16-be"), "the file is UTF-16"),
    "utf-32": ("a.jsonl", jsonl(GOOD).decode().encode("utf-32"), "the file is UTF-32"),
    "zero byte": ("a.csv", b"prompt,completion\n" + b"a,b\n" * 4000 + b"c\0,d\n", "a.csv:4002: byte"),
    "key twice": ("a.jsonl", jsonl(GOOD) + b'{"prompt": "a", "prompt": "b"}\n', "a.jsonl:31: the key 'prompt' occurs"),
    "key twice in a list": ("a.json", b'[\n{"a": 1},\n{"a": 1, "a": 2}\n]', "a.json:3: the key 'a' occurs twice"),
    "error on line 812": ("a.jsonl", LINE_812, "a.jsonl:812: not valid JSON at column 34"),
    "deep": ("a.jsonl", b"[" * 100_000 + b"]" * 100_000, "nested more than 100 levels"),
    "deep column": (
        "a.jsonl",
        f'{{"prompt": "a", "completion": {nested(300)}}}\n'.encode(),
        "a.jsonl:1: JSON is nested",
    ),
    "not a number": ("a.jsonl", b'{"prompt": "a", "completion": NaN}\n', "a.jsonl:1: NaN is not JSON"),
    "infinite number": ("a.jsonl", b'{"prompt": "a", "completion": 1e999}\n', "the number 1e999 is too large"),
    "endless number": ("a.jsonl", b'{"prompt": "a", "completion": ' + b"9" * 5000 + b"}\n", "5000 digits is too large"),
    "half a character": ("a.jsonl", b'{"prompt": "a\\ud83d", "completion": "b"}\n', "half of a character"),
    "not a list": ("a.json", b'{"a": 1}', "must hold a list of rows"),
    "empty list": ("a.json", b"[]", "holds no rows"),
    "null": ("a.json", b"null", "must hold a list of rows"),
    "html": ("a.jsonl", b"<!DOCTYPE html>\n<html></html>\n", "a.jsonl:1: not valid JSON"),
    "ragged csv": ("a.csv", b"prompt,completion\na,b\nc,d,e\n", "a.csv:3: 3 fields where the header has 2"),
    "open quote": ("a.csv", b'prompt,completion\na,"b\nc,d\n', "not valid CSV"),
    "header twice": ("a.csv", b"prompt,prompt\na,b\n", "must name the columns, each once"),
    "huge row": (
        "a.jsonl",
        jsonl([{"prompt": "x " * 1_000_000, "completion": "y"}]),
        "1000006 tokens, but the longest",
    ),
    "answers alone": ("a.jsonl", jsonl([{"chosen": "b", "rejected": "c"}] * 9), "nothing comes before the answers"),
    "unknown format": ("a.xls", b"x", "neither a recipe"),
    "no Excel file": ("a.xlsx", b"PK\x03\x04 and no more", "not a readable Excel file"),
    "an Excel file with a password": ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "has a password"),
}
"""Name of the file, its bytes, words of the message."""

ROWS: dict[str, tuple[Any, str]] = {
    "tools as broken text": ({"messages": [user("a"), answer("b")], "tools": "{"}, "2 x bad-json"),
    "unknown role": ({"messages": [{"role": "wizard", "content": "a"}, answer("b")]}, "unknown role (got 'wizard')"),
    "no role": ({"messages": [{"content": "a"}, answer("b")]}, "message 1 has no role"),
    "control token asked": ({"messages": [user("a <|end|> b"), answer("c")]}, "2 x control-token-in-text"),
    "control token answered": ({"messages": [user("a"), answer("b<|end|>")]}, "the text contains '<|end|>'"),
    "empty answer": ({"messages": [user("a"), answer("")]}, "2 x empty-answer"),
    "blank answer": ({"messages": [user("a"), answer(" \n")]}, "2 x empty-answer"),
    "null answer": ({"messages": [user("a"), answer(None)]}, "message 2 has no content"),
    "no answer": ({"messages": [user("a")]}, "2 x no-answer"),
    "no messages": ({"messages": []}, "2 x empty-text"),
    "null messages": ({"messages": None}, "2 x wrong-type"),
    "text for messages": ({"messages": "hello"}, "2 x bad-json"),
    "weight 0": ({"messages": [user("a"), answer("b", weight=0)]}, "2 x nothing-to-learn"),
    "negative weight": ({"messages": [user("a"), answer("b", weight=-1)]}, "2 x bad-weight"),
    "number for text": ({"messages": [user(3), answer("b")]}, "the content must be a text (got 3)"),
    "picture": ({"messages": [user([{"type": "image_url"}]), answer("b")]}, "holds a part that is not text"),
    "too long": ({"messages": [user("word " * 3000), answer("c")]}, "2 x too-long"),
    "reasoning": ({"messages": [user("a"), answer("x", reasoning_content="hm")]}, "2 x field-vanishes"),
    "tool call without name": ({"messages": [user("a"), answer("", tool_calls="x")]}, "2 x bad-tool-call"),
    "arguments with NaN": (
        {"messages": [user("a"), answer("", tool_calls=[{"function": {"name": "f", "arguments": '{"a": NaN}'}}])]},
        "NaN is not JSON",
    ),
}
"""A row that stands twice at the end of 30 good conversations, and words of the message."""

NONE_USABLE: dict[str, tuple[Callable[[int], Any], str]] = {
    "chosen equals rejected": (
        lambda n: {"prompt": f"a{n}", "chosen": f"b{n}", "rejected": f"b{n}"},
        "same-answer, for example a.jsonl:1: ",
    ),
    "prompts of a pair that differ": (
        lambda n: {
            "chosen": [user(f"a{n}"), answer("b")],
            "rejected": [user(f"c{n}"), answer("d")],
        },
        "other-prompt, for example a.jsonl:1: the questions differ",
    ),
    "a prompt that is an object": (
        lambda n: {"prompt": {"question": f"a{n}"}, "completion": "b"},
        "wrong-type, for example a.jsonl:1: 'prompt' must be a text (got {'question': 'a0'})",
    ),
    "reasoning_content": (
        lambda n: {"messages": [user(f"a{n}"), answer("b", reasoning_content=f"hm{n}")]},
        "field-vanishes, for example a.jsonl:1: ",
    ),
    "a control token in the answer": (
        lambda n: {"prompt": f"a{n}", "completion": f"b{n}<|end|>"},
        "control-token-in-text, for example a.jsonl:1: the text contains '<|end|>'",
    ),
    "an empty answer": (lambda n: {"prompt": f"a{n}", "completion": " "}, "empty-answer, for example a.jsonl:1: "),
    "a number for messages": (lambda n: {"messages": [user(n), answer("b")]}, "wrong-type, for example a.jsonl:1: "),
}
"""A row for each number, of which no use can be made, and words of the message."""

RECIPES: dict[str, tuple[bytes, str]] = {
    "unknown key": (b"data: d.jsonl\nlerning_rate: 1e-3\n", "r.yaml:2: unknown key 'lerning_rate'; did you mean"),
    "unknown inner key": (b"data: d.jsonl\nadapter: {rnak: 3}\n", "unknown key 'adapter.rnak'; did you mean 'rank'?"),
    "key of another kind": (b"data: d.jsonl\nadapter: {kind: full, rank: 3}\n", "it belongs to adapter.kind: lora"),
    "wrong type": (b"data: d.jsonl\nepochs: many\n", "r.yaml:2: epochs must be a number (got 'many')"),
    "truth for number": (b"data: d.jsonl\nepochs: true\n", "epochs must be a number (got True)"),
    "tab": (b"data: d.jsonl\nadapter:\n\trank: 3\n", "r.yaml:3:1: this is not sound YAML"),
    "empty": (b"", "this file holds nothing"),
    "list": (b"- a\n- b\n", "this file holds a list"),
    "text": (b"hello\n", "this file holds a text"),
    "number as key": (b"1: 2\ndata: d.jsonl\n", "r.yaml:1: a key must be a word (got '1')"),
    "key twice": (b"data: d.jsonl\ndata: e.jsonl\n", "the key 'data' occurs twice"),
    "tag": (b"data: !!python/object:os.system d\n", "anchors, aliases and tags"),
    "deep": (b"data: " + b"[" * 1000, "nested too deeply"),
    "utf-16": ("data: d.jsonl\n".encode("utf-16"), "not UTF-8 text"),
    "no data": (b"base: nano\n", "the key 'data' is missing"),
    "empty data": (b"data: ''\n", "r.yaml:1: data must be the name of something"),
    "empty list of data": (b"data: []\n", "a list with something in it"),
    "missing data": (b"data: nope.jsonl\n", "nope.jsonl: no such file"),
    "missing test": (b"data: d.jsonl\ntest: nope.jsonl\n", "nope.jsonl: no such file"),
    "test is the data": (
        b"data: d.jsonl\ntest: d.jsonl\n",
        "all 30 rows leak into the test file",
    ),
    "unknown column": (b"data: d.jsonl\ncolumns: {prompt: nope}\n", "columns.prompt names a column that the data does"),
    "metric that asks for ####": (
        b"data: d.jsonl\nevaluate: {metric: final-answer}\n",
        "the reference has no final answer after ####",
    ),
    "metric that asks for JSON": (
        b"data: words.jsonl\nevaluate: {metric: json}\n",
        "the reference is not a JSON object",
    ),
    "metric that fails": (b"data: d.jsonl\nevaluate: {metric: 'own.py:fails'}\n", "failed: ValueError: not today"),
    "metric that gives no number": (b"data: d.jsonl\nevaluate: {metric: 'own.py:words'}\n", "returned no number"),
    "metric of pairs": (b"data: d.jsonl\nevaluate: {metric: preference-accuracy}\n", "this needs pairs"),
    "reward that asks for ####": (
        b"data: d.jsonl\nmethod: {kind: grpo, rewards: [{kind: exact, part: final}]}\n",
        "the reference has no result after ####",
    ),
    "reward without its column": (
        b"data: d.jsonl\nmethod: {kind: grpo, rewards: [{kind: tests, column: nope}]}\n",
        "the reward 'tests' wants Python code in the column 'nope'",
    ),
    "wins that ask for ####": (
        b"data: d.jsonl\nevaluate: {wins: [{kind: exact, part: final}]}\n",
        "the reference has no result after ####",
    ),
    "missing reward file": (
        b"data: d.jsonl\nmethod: {kind: grpo, rewards: [{kind: function, function: 'nope.py:score'}]}\n",
        "nope.py",
    ),
    "missing teacher": (b"data: d.jsonl\nmethod: {kind: distil, teacher: nope}\n", "there is no such teacher"),
    "one class": (
        b"data: one.jsonl\nmethod: classify\n",
        "the rows have 1 class(es)",
    ),
    "dpo without pairs": (b"data: d.jsonl\nmethod: dpo\n", "dpo learns from preference pairs"),
    "kto without marks": (b"data: d.jsonl\nmethod: kto\n", "these rows hold no mark"),
    "class of a goal that no row has": (
        b"data: few.jsonl\ngoal: {class_at_least: {green: 0.5}}\n",
        "no test row has this class",
    ),
    "missing replay": (b"data: d.jsonl\nkeep: {replay: nope.jsonl}\n", "nope.jsonl"),
    "replay that is no rows": (b"data: d.jsonl\nkeep: {replay: odd.jsonl}\n", "cannot tell what to learn"),
    "scale without validation rows": (
        b"data: d.jsonl\nkeep: {scale: auto}\nsplit: {validation: 0}\n",
        "there are no validation rows with answers",
    ),
    "missing suite": (b"data: d.jsonl\nforgetting: {suites: [nope.jsonl]}\n", "nope.jsonl"),
    "text too short for pretrain": (b"data: short.txt\nmethod: pretrain\n", "there is hardly any text"),
    "other format": (b"data: d.jsonl\nformat: chat\n", "as format: chat"),
}

BESIDE: dict[str, bytes] = {
    "words.jsonl": jsonl([{"prompt": f"What of {n}?", "completion": f"Of {n} it is said {n * n}."} for n in range(30)]),
    "one.jsonl": jsonl([{"text": f"about {n} things", "label": "red"} for n in range(30)]),
    "few.jsonl": jsonl([{"text": f"about {n} things", "label": ("red", "blue")[n % 2]} for n in range(40)]),
    "odd.jsonl": jsonl([{"foo": n} for n in range(5)]),
    "short.txt": b"one\n",
    "own.py": b"def words(answer, reference, row):\n    return 'good'\n\n\n"
    b"def fails(answer, reference, row):\n    raise ValueError('not today')\n",
}
"""Files that these recipes name."""

SETS: dict[str, str] = {
    "x": "--set: an override is key=value (got 'x')",
    "": "--set: an override is key=value (got '')",
    "=3": "--set: an override is key=value",
    "a.b.c=1": "--set a.b.c: unknown key 'a'",
    "steps=-1": "--set steps: steps must be at least 1 (got -1)",
    "steps=1.5": "steps must be a whole number",
    "steps.x=1": "'steps' has no keys under it",
    "steps={": "--set steps:1:2: this is not sound YAML",
    "learning_rate=abc": "learning_rate must be a number (got 'abc')",
    "learning_rate=.nan": "learning_rate must be a finite number",
    "seed=1e400": "seed must be a whole number (got inf)",
    "seed=99999999999999999999": "seed must be at most 4,294,967,295",
    "epochs=1e308": "epochs must be at most",
    "adapter.rank=0": "adapter.rank must be at least 1",
    "adapter.rank=1000000000": "adapter.rank must be at most 65,536",
    "method={kind: grpo, rewards: exact, samples: 1000000000}": "method.samples must be at most 65,536",
    "batch_tokens=100000000000000000000000": "batch_tokens must be a number up to 1,000,000,000,000",
    "adapter.targets=[nope]": "no module of the base matches",
    "method=rlhf": "method must be of kind",
    "compile=yes": "write `compile: true`",
    "trust_remote_code=no": "true or false (got 'no')\n  fix: write `trust_remote_code: false`",
    "trust_remote_code=never": "fix: write true or false",
    "method=dpoo": "choose one of these; did you mean 'dpo'?",
    "method=SFT": "did you mean 'sft'?",
    "method.kind=clasify": "did you mean 'classify'?",
    "adapter=lorra": "did you mean 'lora'?",
    "method=qlora": "set adapter: lora and quantise: nf4",
    "method=simpo": "it is a loss of dpo",
    "per_device_train_batch_size=8": "a batch is counted in tokens here, not in rows: batch_tokens",
    "gradient_checkpointing=true": "here it is called recompute",
    "save_total_limit=2": "two checkpoints are kept",
    "adapter.r=8": "here it is called adapter.rank",
    "lr=1e-4": "here it is called learning_rate",
    "resume=true": "give the same command again",
    "max_tokens=999999": "max_tokens: more than the 1,024 tokens that the base 'nano' can see",
    "split.test=0": "nothing is held out for the test",
    "split.test=1000": "too few rows: 30",
    "data=[]": "a list with something in it",
    "test=''": "test must be the name of something",
    "base=nanoo": "there is no base of this name; did you mean 'nano'?",
    "base=no/such": "could the Hugging Face Hub be reached",
    "base=./nope": "there is no such base folder",
    "base=d.jsonl": "config.json is missing (it holds a file)",
    "base=" + "a" * 3000: "file name too long",
}
"""What follows --set, and words of the message."""
