"""How long a search among many passages takes, while documents change and while others ask.

    python -m bench.serving.documents                          # 100,000 passages; some minutes
    python -m bench.serving.documents --passages 10000 --json
    python -m bench.serving.documents --by dense               # by vectors; both: by words and vectors

A folder of made-up documents, whose words are as unevenly frequent as those of a language (Zipf's law), is searched as
`whet serve --documents` searches it, with the look at the folder each second. Questions have 12 words, as frequent as
those of the documents: the common ones stand in nearly every passage. Times are in milliseconds: alone, from four
clients at once, and from four clients while a document changes every half second. An update is the time from the
writing of a document to the first search that finds it, with a look before each search; a look is how long an unchanged
folder takes. By vectors, each word has one of chance, of 384 numbers unless `--width` says another, in a static
encoder: what is measured is the search and not somebody's encoder.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from bench.machine import facts
from whet.recipe.sections.retrieval import By
from whet.server.database.opening import open_database
from whet.server.knowledge import shelves
from whet.server.knowledge.library import FOLDER, Library
from whet.server.settings import Settings

WORDS, ZIPF = 100_000, 1.0
SENTENCE, SENTENCES, PASSAGES = 19, 10, 50
"""Words of a sentence, sentences of a passage (which is as long as the usual cut allows), passages of a document."""
QUESTION, HITS, CLIENTS, UPDATES = 12, 5, 4, 20


class Language:
    """Words by chance, the n-th of them with a frequency of 1 / n."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        shares = 1.0 / np.arange(1, WORDS + 1) ** ZIPF
        self.ends = np.cumsum(shares / shares.sum())
        self.words = np.array([f"w{n:x}" for n in range(WORDS)])

    def some(self, count: int) -> list[str]:
        return self.words[np.searchsorted(self.ends, self.random.random(count))].tolist()

    def document(self, passages: int, first: str = "") -> str:
        """Paragraphs, each of which becomes one passage."""
        told = self.some(passages * SENTENCES * SENTENCE)
        sentences = [" ".join(told[n : n + SENTENCE]) + "." for n in range(0, len(told), SENTENCE)]
        sentences[0] = f"{first} {sentences[0]}".strip()
        paragraphs = [" ".join(sentences[n : n + SENTENCES]) for n in range(0, len(sentences), SENTENCES)]
        return "\n\n".join(paragraphs)

    def question(self) -> str:
        return " ".join(self.some(QUESTION))


def write_encoder(folder: Path, width: int) -> Path:
    """A vector of chance for each word, in model2vec's format."""
    folder.mkdir()
    names = (
        {"[UNK]": 0} | {f"w{n:x}": n + 1 for n in range(WORDS)} | {f"mark{n}": WORDS + 1 + n for n in range(UPDATES)}
    )
    tokenizer = Tokenizer(WordLevel(names, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.random.default_rng(3).standard_normal((len(names), width)).astype(np.float32)
    table[-UPDATES:] *= 50  # a mark is found by its vector, among 190 words
    save_file({"embeddings": table}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    return folder


def write_folder(folder: Path, passages: int, language: Language) -> None:
    folder.mkdir()
    for number in range(-(-passages // PASSAGES)):
        inside = folder / f"{number % 40:02}"
        inside.mkdir(exist_ok=True)
        (inside / f"{number}.txt").write_text(language.document(min(PASSAGES, passages - number * PASSAGES)), "utf-8")


def search(library: Library, query: str) -> list[str]:
    return [each.passage.text for each in library.search("anybody", FOLDER, query, HITS)]


def timed(library: Library, questions: list[str], clients: int) -> dict[str, float]:
    """Percentiles of one search, in ms; `cpu` is the work of one, whatever else the machine does."""

    def one(query: str) -> float:
        began = time.perf_counter()
        search(library, query)
        return 1000 * (time.perf_counter() - began)

    with ThreadPoolExecutor(clients) as pool:
        began, used = time.perf_counter(), time.process_time()
        took = list(pool.map(one, questions))
        rate = len(questions) / (time.perf_counter() - began)
    p50, p99 = np.percentile(took, [50, 99])
    cpu = 1000 * (time.process_time() - used) / len(questions)
    return {
        "p50": round(float(p50), 2),
        "p99": round(float(p99), 2),
        "a_second": round(rate, 1),
        "cpu": round(cpu, 2),
    }


@contextmanager
def changing(folder: Path, language: Language) -> Iterator[None]:
    """A document is written anew every half second."""
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.wait(0.5):
            replace(folder / f"{number % 40:02}" / f"{number % 40}.txt", language.document(PASSAGES))
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, "utf-8")
    beside.replace(path)


def updates(library: Library, folder: Path, language: Language, times: int) -> dict[str, float]:
    """From the writing of a document of 50 passages to the search that finds it, in ms."""
    took = []
    for number in range(times):
        mark = f"mark{number}"
        began = time.perf_counter()
        replace(folder / "00" / "0.txt", language.document(PASSAGES, mark))
        while not any(f"{mark} " in text for text in search(library, mark)):
            pass
        took.append(1000 * (time.perf_counter() - began))
    return {"p50": round(float(np.median(took)), 1), "most": round(max(took), 1)}


def measure(folder: Path, passages: int, searches: int, by: By, width: int) -> dict[str, Any]:
    language = Language(0)
    write_folder(folder / "documents", passages, language)
    encoder = "" if by == "bm25" else str(write_encoder(folder / "encoder", width))
    settings = Settings(home=folder, documents=folder / "documents", documents_by=by, documents_encoder=encoder)
    library = Library(settings, open_database(f"sqlite:///{folder / 'whet.sqlite'}"))
    before = memory()
    began = time.perf_counter()
    search(library, "w0")
    found: dict[str, Any] = {"build_s": round(time.perf_counter() - began, 1)}
    shelf = library.folder_shelf(library.usual.contents)
    found |= {"passages": shelf.index.snapshot.statistics.passages, "documents": len(shelf.index.documents)}
    found["memory_mb"] = round((memory() - before) / 1e6)

    questions = [language.question() for _ in range(searches)]
    found["alone"] = timed(library, questions, 1)
    found["clients"] = timed(library, questions, CLIENTS)
    with changing(folder / "documents", Language(1)):
        found["while_changing"] = timed(library, questions, CLIENTS)

    shelves.LOOK_SECONDS = 0.0
    found["update"] = updates(library, folder / "documents", Language(2), UPDATES)
    began = time.perf_counter()
    for _ in range(5):
        shelf.folder.look()
    found["look_ms"] = round(200 * (time.perf_counter() - began), 1)
    library.close()
    return found


def memory() -> int:
    """Most bytes that this process has held (Linux)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=400)
    parser.add_argument("--by", choices=get_args(By), default="bm25", help="how passages are found")
    parser.add_argument("--width", type=int, default=384, help="numbers of a vector")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="documents-") as folder:
        found = measure(Path(folder), given.passages, given.searches, given.by, given.width)
    found |= {"load": [round(load, 2), round(os.getloadavg()[0], 2)], "machine": facts()}
    if given.json:
        print(json.dumps(found))
        return

    print(f"{found['passages']:,} passages of {found['documents']:,} documents, in {found['build_s']} s and")
    print(f"{found['memory_mb']:,} MB; load of the machine before and after: {found['load']}\n")
    print("| searches | p50, ms | p99, ms | a second | processor, ms |\n| --- | --- | --- | --- | --- |")
    for name, told in (("alone", "one client"), ("clients", "four"), ("while_changing", "four, documents change")):
        one = found[name]
        print(f"| {told} | {one['p50']} | {one['p99']} | {one['a_second']} | {one['cpu']} |")
    print(f"\nan update of {PASSAGES} passages: {found['update']['p50']} ms, at most {found['update']['most']} ms")
    print(f"a look at the folder: {found['look_ms']} ms")


if __name__ == "__main__":
    main()
