"""The verbs for Python; the command line calls the same functions.

    import whet
    result = whet.tune("tickets.jsonl")
    print(result["verdict"]["sentence"])

Each verb takes a Recipe, the path of a recipe, the path of data, or rows that the program holds (a list of
dictionaries, a table of pandas or polars, a set of `datasets`), and returns the dictionary that `--json` prints, which
says in a few lines what is in it.

This is the list of them; each is in a file of its own (whet/verbs), and reached as `whet.NAME`, too.
"""

from __future__ import annotations

from whet.verbs.chat import chat
from whet.verbs.check import check
from whet.verbs.choosing.choose import choose
from whet.verbs.choosing.flywheel import flywheel
from whet.verbs.collect import collect
from whet.verbs.demo import demo
from whet.verbs.evaluate import evaluate
from whet.verbs.init import init
from whet.verbs.judge import judge
from whet.verbs.models import models
from whet.verbs.monitor import monitor
from whet.verbs.plan import plan
from whet.verbs.releases.export import export
from whet.verbs.releases.import_model import import_model
from whet.verbs.releases.prove import prove
from whet.verbs.runs import runs
from whet.verbs.show import prepare_view, show
from whet.verbs.studies.compare import compare
from whet.verbs.studies.curve import curve
from whet.verbs.studies.failures import failures
from whet.verbs.studies.frontier import frontier
from whet.verbs.studies.take import take
from whet.verbs.train import train
from whet.verbs.tune import tune
from whet.verbs.upkeep.rebase import rebase
from whet.verbs.upkeep.retrain import retrain
from whet.verbs.upkeep.watch import watch

__all__ = [
    "chat",
    "check",
    "choose",
    "collect",
    "compare",
    "curve",
    "demo",
    "evaluate",
    "export",
    "failures",
    "flywheel",
    "frontier",
    "import_model",
    "init",
    "judge",
    "models",
    "monitor",
    "plan",
    "prepare_view",
    "prove",
    "rebase",
    "retrain",
    "runs",
    "show",
    "take",
    "train",
    "tune",
    "watch",
]
