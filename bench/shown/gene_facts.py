"""A task of looking up facts, made from MedQuAD: which gene a disease is caused by, of what the answers there say.

A row asks for one disease; a document line states one disease. No disease is asked twice, so what is learned from the
training rows is no help with the test rows: the answers stand in the documents or nowhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

MEDQUAD = Path("medquad") / "medquad.jsonl"
STATED = re.compile(
    r"(?:mutations?|changes?|variants?|alterations?|defects?) (?:\([^)]*\) )?(?:in|of) "
    r"(?:the |either the |both copies of the )?([A-Z][A-Z0-9]{2,9}) gene\b"
)


def genes(data: Path) -> dict[str, str]:
    """Disease -> gene, of the diseases for which MedQuAD's answers name exactly one."""
    found: dict[str, set[str]] = {}
    with data.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            found.setdefault(row["focus"], set()).update(STATED.findall(row["answer"]))
    return {disease: next(iter(named)) for disease, named in sorted(found.items()) if len(named) == 1}


def write_task(folder: Path, data: Path, rows: int | None = None) -> tuple[Path, Path]:
    """The files of questions and of documents, each document a record of its own."""
    known = list(genes(data).items())[:rows]
    questions, documents = folder / "genes.jsonl", folder / "documents.jsonl"
    asked = [{"prompt": f"Which gene does {disease} have?", "completion": gene} for disease, gene in known]
    stated = [{"id": disease, "text": f"{disease}: {gene}"} for disease, gene in known]
    for path, lines in ((questions, asked), (documents, stated)):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return questions, documents
