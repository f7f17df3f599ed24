"""Measures every check on planted defects and writes the tables into docs/data/checks.md: `python -m bench.planted`.

It wants the folder of published sets in WHET_DATA."""

from __future__ import annotations

from pathlib import Path

from bench.planted import labelled, published
from bench.planted.measure import FALSE_ALARMS, RECALL, Measured, measure
from bench.planted.plants import all_plants
from whet.store.atomic import write_text

PAGE = Path(__file__).parents[2] / "docs" / "data" / "checks.md"
COUNT, SEEDS = 900, 3
COUNTS = ("rows", "planted", "found", "wrong", "clean")
BEGIN, END = "<!-- Measured: `python -m bench.planted` -->", "<!-- End of what is measured -->"


def planted_table(measured: list[Measured]) -> str:
    lines = ["| check | rows with the defect | found | recall | clean rows | named in vain | false alarms |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for m in measured:
        clean = m.rows - m.planted + m.clean
        goal = "" if m.recall >= RECALL and m.false_alarms <= FALSE_ALARMS else " (misses the goal)"
        lines.append(
            f"| `{m.code}`{goal} | {m.planted} | {m.found} | {m.recall:.3f} | {clean:,} | {m.wrong} | "
            f"{m.false_alarms:.2%} |"
        )
    return "\n".join(lines)


def labelled_table(result: dict[str, dict[str, float]]) -> str:
    lines = ["| kind | labelled texts | precision | recall |", "| --- | --- | --- | --- |"]
    lines += [f"| {k} | {v['texts']:,} | {v['precision']:.3f} | {v['recall']:.3f} |" for k, v in result.items()]
    return "\n".join(lines)


def summed(runs: list[list[Measured]]) -> list[Measured]:
    """The counts of several seeds together."""
    return [
        Measured(many[0].code, *(sum(getattr(m, name) for m in many) for name in COUNTS))
        for many in zip(*runs, strict=True)
    ]


def main() -> None:
    table = planted_table(summed([measure(all_plants(), COUNT, seed) for seed in range(SEEDS)]))
    personal = labelled_table(labelled.run())
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    words = "Personal data and secrets, by kind, on labelled texts (`python -m bench.planted.labelled`):"
    real = published.table(published.run(published.data_folder(), list(all_plants())))
    told = (
        "Rows of published sets that each check names; nobody has labelled those, so right and wrong ones are together:"
    )
    parts = [f"{before}{BEGIN}", table, words, personal, told, real, f"{END}{rest.partition(END)[2]}"]
    write_text(PAGE, "\n\n".join(parts))
    print(table, personal, real, sep="\n\n")


if __name__ == "__main__":
    main()
