"""What differs between two versions of models, or two runs: recipe, data, scores, verdict, costs, card, releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whet.errors import RecipeError, count
from whet.evaluation import decision
from whet.recipe.keywords import in_python
from whet.recipe.yaml_text import parse
from whet.release.inspection.kept_proofs import releases_of
from whet.reports.result import Result, Table
from whet.store.atomic import plain
from whet.store.model_registry import find_run
from whet.store.reading import iter_lines, optional_json
from whet.store.run import DEFAULT_ROOT, Run
from whet.text.dotted import dotted
from whet.text.numbers import format_change, format_change_range, format_range, format_score

SCORE = ("score", "low", "high", "rows")
DIFFERENCE = ("estimate", "low", "high", "p", "rows", "scale")
FRONT = "---\n"
"""What encloses the metadata of a model card."""


@in_python
def diff(one: str, other: str, run_root: Path | str = DEFAULT_ROOT) -> VersionDifference:
    """As ModelList.diff."""
    runs = [find_run(name, run_root) for name in (one, other)]
    evaluations = [optional_json(run.folder / "evaluation.json", {}) for run in runs]
    return VersionDifference(
        models=[one, other],
        runs=[run.name for run in runs],
        recipe=_unequal(*(dotted(run.recipe.model_dump(mode="json")) for run in runs)),
        data=_data(*runs),
        scores=_pairs(*(_scores(found) for found in evaluations)),
        verdict=_pairs(*(_verdict(found) for found in evaluations)),
        forgetting=_pairs(*(_forgetting(found) for found in evaluations)),
        card=_unequal(*(_card(run) for run in runs)),
        releases=[[asdict(release) for release in releases_of(run)] for run in runs],
    )


class VersionDifference(Result):
    """Of two versions; every pair is of the one that was named first, and of the other."""

    def title(self) -> str:
        one, other = self["models"]
        if self["runs"][0] == self["runs"][1]:
            return f"{one} and {other} are the same run"
        return f"{one} and {other}: {count(len(self['recipe']), 'key')} of the recipe differ"

    def facts(self) -> list[tuple[str, str]]:
        data, rows = self["data"], self["data"]["trained_rows"]
        test = "the same test rows: their scores can be compared"
        if not data["same_test_rows"]:
            test = "not the same test rows: their scores cannot be compared"
        shared = f"{rows['shared']:,} shared, {rows['only'][0]:,} and {rows['only'][1]:,} of one alone"
        return [("measured on", test), ("trained rows", shared)]

    def table(self) -> Table:
        rows = [(key, *map(_short, pair)) for key, pair in self["recipe"].items()]
        rows = [(f"recipe {key}", one, other) for key, one, other in rows]
        rows += [(name, *map(_short, pair)) for name, pair in self._data_rows()]
        rows += [(name, *cells) for name, cells in self._score_rows()]
        rows += [(f"card {key}", *map(_short, pair)) for key, pair in self["card"].items()]
        rows.append(("releases", *(_releases(found) for found in self["releases"])))
        return ("", *self["models"]), rows

    def _data_rows(self) -> Iterator[tuple[str, list[Any]]]:
        data = self["data"]
        yield "data", [str(value or "-")[:12] for value in data["sha256"]]
        for key in ("read", "trained", "validation", "test", "dropped"):
            yield f"rows {key}", data["rows"][key]

    def _score_rows(self) -> Iterator[tuple[str, list[str]]]:
        scales = [(found or {}).get("scale") for found in self["scores"]["difference"]]
        yield "metric", [_short(name) for name in self["scores"]["metric"]]
        for side in ("base", "tuned"):
            yield side, [_score(*one) for one in zip(self["scores"][side], scales, strict=True)]
        yield "gain", [_gain(found) for found in self["scores"]["difference"]]
        yield "verdict", [_short(word) for word in self["verdict"]["word"]]
        yield "ship it?", [_short(answer) for answer in self["verdict"]["ship"]]
        yield "forgetting", [_short(word) for word in self["forgetting"]["word"]]
        for what, pair in self["forgetting"]["measures"].items():
            yield f"forgetting {what}", [_short((one or {}).get("word")) for one in pair]


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Under each key both values; of measures, both of each."""
    pairs: dict[str, Any] = {}
    for key in one:
        if key == "measures":
            names = dict.fromkeys([*one[key], *other[key]])
            pairs[key] = {name: [one[key].get(name), other[key].get(name)] for name in names}
        else:
            pairs[key] = [one[key], other[key]]
    return pairs


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    keys = sorted(one.keys() | other.keys())
    return {key: [one.get(key), other.get(key)] for key in keys if one.get(key) != other.get(key)}


def _data(one: Run, other: Run) -> dict[str, Any]:
    sums = [run.read_json("run.json").get("data_sha256") for run in (one, other)]
    ledgers = [optional_json(run.folder / "ledger.json", {}) for run in (one, other)]
    counts = [_row_counts(ledger) for ledger in ledgers]
    fates = [_hashes(run) for run in (one, other)]
    trained, test = [found["trained"] for found in fates], [found["test"] for found in fates]
    shared = trained[0] & trained[1]
    return {
        "sha256": sums,
        "same": sums[0] == sums[1],
        "rows": {key: [found[key] for found in counts] for key in counts[0]},
        "left_out": [ledger.get("dropped") for ledger in ledgers],
        "trained_rows": {"shared": len(shared), "only": [len(found - shared) for found in trained]},
        "same_test_rows": bool(test[0]) and test[0] == test[1],
    }


def _row_counts(ledger: dict[str, Any]) -> dict[str, Any]:
    held, dropped = ledger.get("held_out") or {}, ledger.get("dropped")
    return {
        "read": ledger.get("rows_in"),
        "trained": ledger.get("trained"),
        "validation": held.get("validation"),
        "test": held.get("test"),
        "dropped": None if dropped is None else sum(dropped.values()),
    }


def _hashes(run: Run) -> dict[str, set[str]]:
    """Of trained and of test rows: what identifies their text."""
    found: dict[str, set[str]] = {"trained": set(), "test": set()}
    for line in iter_lines(run.folder / "rows.jsonl"):
        if line.get("fate") in found:
            found[line["fate"]].add(str(line.get("hash") or line.get("where")))
    return found


def _scores(evaluation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"metric": (evaluation.get("metric") or {}).get("name")}
    for side in ("base", "tuned"):
        found[side] = _some(evaluation.get(side), SCORE)
    return found | {"difference": _some(evaluation.get("difference"), DIFFERENCE)}


def _some(facts: dict[str, Any] | None, keys: tuple[str, ...]) -> dict[str, Any] | None:
    return {key: facts.get(key) for key in keys} if facts else None


def _verdict(evaluation: dict[str, Any]) -> dict[str, Any]:
    if not evaluation.get("verdict"):
        return {"word": None, "ship": None, "sentence": None}
    decided = decision.decide(evaluation)
    return {"word": evaluation["verdict"]["word"], "ship": decided["answer"], "sentence": decided["sentence"]}


def _forgetting(evaluation: dict[str, Any]) -> dict[str, Any]:
    facts = evaluation.get("forgetting") or {}
    return {"word": facts.get("word"), "measures": {one["what"]: one for one in facts.get("measures") or []}}


def _card(run: Run) -> dict[str, Any]:
    """The metadata of its model card under dotted keys; none where it has no card."""
    path = run.model / "README.md"
    if not path.is_file():
        return {}
    text = path.read_text("utf-8", "replace")
    if not text.startswith(FRONT):
        return {}
    try:
        return dotted(plain(parse(text.removeprefix(FRONT).partition(f"\n{FRONT}")[0], str(path))[0]))
    except RecipeError as error:
        return {"unreadable": error.what}


def _score(found: dict[str, Any] | None, scale: float | None) -> str:
    if not found or found["score"] is None:
        return "-"
    return f"{format_score(found['score'], scale)} ({format_range(found['low'], found['high'], scale)})"


def _gain(found: dict[str, Any] | None) -> str:
    if not found or found["estimate"] is None:
        return "-"
    scale = found["scale"]
    return f"{format_change(found['estimate'], scale)} ({format_change_range(found['low'], found['high'], scale)})"


def _releases(found: list[dict[str, Any]]) -> str:
    words = [f"{one['form']} {'proved' if one['counts'] else 'not proved'}" for one in found]
    return ", ".join(words) or "-"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
