"""The house rules of whet/, read from the code itself. A failing test names the file and the line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import schema_reads
from whet.methods import method_of
from whet.methods.base import Method
from whet.recipe.methods import KINDS
from whet.recipe.methods.base import MethodKeys
from whet.recipe.schema import Recipe
from whet.training.learner import BaseLearner

ROOT = Path(__file__).parents[1]
WHET = ROOT / "whet"
ORDER = (
    "errors types pulse observer building text recipe model_server store stats demo_data data doctor planning model "
    "distributed generation rewards losses training evaluation methods reports release monitoring retraining workloads "
    "selection verbs api server launcher web cli"
).split()
"""The rooms, as they may import each other: a room only from those before it."""
LATER = "distributed".split()
"""Places that are kept for rooms to come: a folder is made with its first file."""
INSIDE = {
    "recipe": (
        "strict file_key external rounding yaml_text secret_keys bases dialects file_formats other_tools sections "
        "vllm_limits methods schema text_keys trust keywords explain files conflicts keep_rule rules load"
    ),
    "data": (
        "refused column spool ledger read rows render source cache_key split held_out_clusters batches pretrain "
        "retrieval row_cache survey workers chunk_rows spooled_rows reread prepare"
    ),
    "doctor": "privacy analysis check text_checks checks check_registry examination repair",
    "model": (
        "weights_identity size_limits accelerator precision memory lora quantised experts "
        "float32_copy attention base_identity logits fused adapter_options adapter policy architecture_proof gguf base "
        "heads machine_speed saved_model open base_check interpolate"
    ),
    "monitoring": (
        "trace logs expected memory evidence prompt_features watches trials alarm questions looking feedback_rows "
        "alerts standing"
    ),
    "selection": (
        "choice_facts same_bits candidates budget volume halving asking recommendation study plot page result"
    ),
    "generation": (
        "sampling answers_in_progress kv_cache joined_linears prefill decoder_layers decoder continuous_batching "
        "decoding_proof engine throughput serving chat_client self_generated collection teacher"
    ),
    "rewards": (
        "protocol user_code json_match json_schema sandbox exact json_object length regex user_function "
        "unit_tests judge reward_model combine reward_check"
    ),
    "training": (
        "loss_rise layerwise micro_batch missing_mark changed_files optimizers checkpoint learner loop self_check "
        "hooks step_log memory_check reference_logprobs thresholds training_method learners "
        "retention data_facts classifier_folder rescale session"
    ),
    "evaluation": (
        "class_facts preference_facts facts prompts transcript models extraction verdict metrics sampling_noise "
        "reference_loss content heldout contest goal leaks decision forgetting judges retrieval beside_task methods "
        "opponents record studies measuring_method preflight comparison"
    ),
    "methods": (
        "base own_answers rewarded preference head sft pretrain dpo kto reward classify grpo rloo ppo distil bake auto"
    ),
    "reports": (
        "chart picture sheet hints answer_cards lines section sections section_list run_files page collection_list "
        "curve_picture frontier_chart result report proof_facts proof_page card model_card comparison"
    ),
    "release": (
        "golden tuned tensor_files adapter_weights gguf ollama consumers commands merging folder_files "
        "forms catalogue readings proof diagnosis proving golden_prompts golden_making golden_of_run opening "
        "inspection task_score target publishing exporting importing"
    ),
    "retraining": "row_forms changes merging starts against_live bases verdict",
    "verbs": (
        "listing inputs steps studies init judge monitor runs versions models check show collect plan choosing tune "
        "train evaluate chat demo releases upkeep"
    ),
    "server": (
        "errors settings bases database metrics access files traces jobs telemetry inference knowledge traffic service "
        "routes application running"
    ),
    "launcher": (
        "place record row_reader service whet_service untaken rows_to_send request submitting following answers "
        "opposing prices measuring tuning"
    ),
    "web": (
        "sessions gate asked page live signing_in data new_run run_pages home verdicts comparing play label naming "
        "in_use studio"
    ),
    "cli": (
        "importing recipe_flags completions unknown_option requested_recipe options render progress verbs verb_list "
        "main reference"
    ),
}
"""The same for what lies in a room, folder or file. What is imported for type checkers alone does not count here."""
ASKS_THE_METHOD = (
    "recipe store data planning model rewards training evaluation reports retraining verbs cli server launcher "
    "generation release"
).split()
"""Rooms in which nothing but the methods' own classes asks which method it is: a new one would have to be added there.
Add a room that asks no more."""
RAW = {WHET / "recipe" / "files" / "teachers.py"}
"""A recipe's values before they are a recipe."""
LIGHT = "errors types pulse observer building text recipe model_server store demo_data planning rewards cli".split()
VERBS = (
    "tune train evaluate plan check show collect compare curve failures frontier take chat judge init runs models demo "
    "export prove serve monitor watch retrain rebase flywheel choose launch"
).split()
"""A package with such a name would hide the function of the same name on `whet`."""
MOST_FILES = 20
HEAVY = {"torch", "transformers", "numpy"}
MOST_LINES = 400
VAGUE = re.compile(r"(utils?|helpers?|common|misc|experimental|extras|v\d+)(\.py)?", re.IGNORECASE)
UNFINISHED = re.compile(r"NotImplementedError|\b(TODO|FIXME|XXX)\b")
THROUGH_RULES = {("Recipe", "epochs")}
"""Keys that act through a rule alone: epochs become steps."""
THROUGH_REFUSALS = {("Release", "for")}
"""Keys that change nothing of what is done, and refuse what could not be served."""
SHUT_IN = {WHET / "rewards" / "sandbox" / "bridge.py"}
"""The one file that runs code that came with data: in a process that the guard has shut in."""
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def sources() -> list[Path]:
    return sorted(path for path in WHET.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def room_of(path: Path) -> str | None:
    """The room of a file; None for the face of the package (`whet/__init__.py`, `whet/__main__.py`)."""
    first = path.relative_to(WHET).parts[0]
    return None if first in ("__init__.py", "__main__.py") else first.removesuffix(".py")


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every imported name of Whet, wherever it stands: at the top, in a function, under TYPE_CHECKING."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            names = [f"{dots}{node.module or ''}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "__import__"):
            names = [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
        else:
            continue
        yield from ((node, name) for name in names if name.split(".")[0] in ("whet", ""))


# ---- imports go one way


def test_every_room_has_its_place_in_the_order() -> None:
    unknown = {room_of(path) for path in sources()} - {None, *ORDER}
    assert not unknown, f"these rooms have no place in the order of imports: {sorted(map(str, unknown))}"


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_from_rooms_above_it(room: str) -> None:
    wrong = []
    for path in sources():
        if room_of(path) != room:
            continue
        for node, name in imports(path):
            parts = name.split(".")
            if parts[0] == "":
                wrong.append(f"{place(path, node)}: a relative import; write it out from whet")
            elif len(parts) > 1 and (parts[1] not in ORDER or ORDER.index(parts[1]) > ORDER.index(room)):
                wrong.append(f"{place(path, node)}: {room} imports {name}, which stands below it")
    assert not wrong, "\n".join(wrong)


def types_only(path: Path) -> set[ast.AST]:
    """What stands under TYPE_CHECKING."""
    blocks = [node for node in ast.walk(tree(path)) if isinstance(node, ast.If)]
    found = [one for node in blocks if "TYPE_CHECKING" in ast.unparse(node.test) for one in node.body]
    return {inner for one in found for inner in ast.walk(one)}


@pytest.mark.parametrize("room", INSIDE)
def test_inside_a_room_imports_go_one_way_too(room: str) -> None:
    order, wrong = INSIDE[room].split(), []
    for path in sources():
        own = path.relative_to(WHET).with_suffix("").parts
        if own[0] != room or own[1] == "__init__":
            continue
        if own[1] not in order:
            wrong.append(f"{path.relative_to(ROOT)}: it has no place in INSIDE[{room!r}]")
            continue
        quiet = types_only(path)
        for node, name in imports(path):
            parts = name.split(".")
            if parts[1:2] != [room] or len(parts) < 3 or node in quiet or parts[2] not in order:
                continue
            if order.index(parts[2]) > order.index(own[1]):
                wrong.append(f"{place(path, node)}: {own[1]} imports {name}, which stands below it")
    assert not wrong, "\n".join(wrong)


def folders() -> list[Path]:
    return sorted({path.parent for path in sources()} - {WHET})


def test_a_room_with_rooms_has_an_order_inside() -> None:
    with_rooms = {folder.relative_to(WHET).parts[0] for folder in folders() if folder.parent != WHET}
    assert with_rooms <= set(INSIDE), f"no order inside: {sorted(with_rooms - set(INSIDE))}"


def test_no_room_holds_more_files_than_one_can_oversee() -> None:
    files = {str(f.relative_to(ROOT)): len([p for p in f.glob("*.py") if p.name != "__init__.py"]) for f in folders()}
    full = {folder: number for folder, number in files.items() if number > MOST_FILES}
    assert not full, f"more than {MOST_FILES} files: {full}; make a room inside"


def test_no_room_has_the_name_of_a_verb() -> None:
    named = [str(folder.relative_to(ROOT)) for folder in folders() if folder.name in VERBS]
    assert not named, f"a package hides the verb of the same name: {named}"


def test_no_file_has_the_name_of_a_folder_beside_it() -> None:
    twice = [str(path.relative_to(ROOT)) for path in sources() if path.with_suffix("").is_dir()]
    assert not twice, f"python would import only the folder: {twice}"


def test_the_bare_package_is_imported_for_its_version_only() -> None:
    wrong = []
    for path in sources():
        bare = any(name == "whet" for _, name in imports(path))
        for node in ast.walk(tree(path)) if bare else ():
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "whet":
                if node.attr != "__version__":
                    wrong.append(f"{place(path, node)}: whet.{node.attr} hides which room it comes from")
    assert not wrong, "\n".join(wrong)


def modules_of(room: str) -> list[str]:
    paths = [path for path in sources() if room_of(path) == room]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]


@pytest.mark.parametrize("room", ["(the package itself)", *LIGHT])
def test_a_light_room_loads_no_torch(room: str) -> None:
    modules = ["whet", *modules_of(room)]
    code = f"import sys, {', '.join(modules)}; sys.exit(', '.join({HEAVY!r} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{room} loads {done.stderr.strip()} at import time"


# ---- what must not be there


def test_no_room_has_a_vague_name() -> None:
    vague = [str(p.relative_to(ROOT)) for p in WHET.rglob("*") if VAGUE.fullmatch(p.name)]
    assert not vague, f"say what it is for instead: {vague}"


def test_no_file_is_too_long_to_read() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in sources()}
    long = {path: number for path, number in lines.items() if number > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: {long}"


def test_nothing_is_left_unfinished() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    assert not found, "\n".join(found)


def dangers(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Ways to run code that came with data: pickles, torch.load, remote code, eval."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, a.name) for a in node.names if a.name.split(".")[0] in PICKLES)
        elif isinstance(node, ast.ImportFrom):
            found = (node.module or "").split(".")[0]
            if found in PICKLES or (found == "torch" and any(a.name == "load" for a in node.names)):
                yield node, f"{node.module} import {', '.join(a.name for a in node.names)}"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("torch.load", "eval", "exec", "yaml.unsafe_load", "yaml.full_load"):
                yield node, called
            for keyword in node.keywords:
                fixed = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if keyword.arg in ("trust_remote_code", "allow_pickle") and fixed:
                    yield node, f"{keyword.arg}=True"


def test_nothing_runs_code_that_came_with_data() -> None:
    found = [
        f"{place(path, node)}: {what}" for path in sources() if path not in SHUT_IN for node, what in dangers(path)
    ]
    assert not found, "\n".join(found)


def built(node: ast.AST) -> Iterator[ast.Call]:
    """Calls by which transformers builds a model."""
    for one in ast.walk(node):
        called = ast.unparse(one.func) if isinstance(one, ast.Call) else ""
        if re.fullmatch(r"(AutoModel\w*|kind)\.from_(pretrained|config)", called):
            assert isinstance(one, ast.Call)
            yield one


def test_one_model_is_built_at_a_time() -> None:
    """transformers changes what all threads share while it builds one (whet/building.py)."""
    places = {place(path, call) for path in sources() for call in built(tree(path))}
    assert len(places) > 8
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.With) and any(ast.unparse(item) == "building()" for item in node.items):
                places -= {place(path, call) for call in built(node)}
    assert not places, f"outside of building(): {sorted(places)}"


def methods_by_class() -> set[str]:
    """Names of the classes that say which method a recipe has, or what of a method is at work."""
    found, todo = {"HeadMethod"}, [MethodKeys, BaseLearner, Method]
    while todo:
        one = todo.pop()
        found.add(one.__name__)
        todo += one.__subclasses__()
    return found


def asked_by_class(read: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines of `isinstance(x, A | B)` and `case A():`, and of `x.kind == "a"`, with what each tells apart."""
    for node in ast.walk(read):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            yield from ((node.lineno, inner.id) for inner in ast.walk(node.args[1]) if isinstance(inner, ast.Name))
        elif isinstance(node, ast.MatchClass):
            yield node.lineno, ast.unparse(node.cls)
        elif isinstance(node, ast.Compare) and "kind" in ast.unparse(node.left):
            told = [inner for other in node.comparators for inner in ast.walk(other)]
            yield from ((node.lineno, str(one.value)) for one in told if isinstance(one, ast.Constant))


@pytest.mark.parametrize("room", ASKS_THE_METHOD)
def test_a_room_asks_the_method_and_not_which_one_it_is(room: str) -> None:
    for kind in KINDS:
        method_of(Recipe(data="x", method=kind.model_construct()))  # so that every class is there
    names = methods_by_class() | ({"Prepared", "Corpus"} if room == "training" else set())
    names |= {str(kind.model_fields["kind"].default) for kind in KINDS} - {"auto"}  # other keys have a kind `auto`, too
    assert {"Dpo", "DpoMethod", "DpoLearner", "dpo"} <= names
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: asks for {name}; give the method a member that answers"
        for path in sources()
        if room_of(path) == room and path not in RAW and path.parent != WHET / "recipe" / "methods"
        for line, name in asked_by_class(tree(path))
        if name in names
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(recipe.method, Dpo | Kto)",
        "isinstance(method, OwnAnswers)",
        "method.kind == 'classify'",
        "x.kind not in ('sft', 'a')",
    ],
)
def test_a_question_for_the_class_is_seen(line: str) -> None:
    assert {name for _, name in asked_by_class(ast.parse(line))} & {"Dpo", "OwnAnswers", "classify", "sft"}


# ---- the recipe


def test_every_key_of_the_recipe_is_read_by_the_code() -> None:
    """A key that is accepted and then ignored would be silently wrong."""
    outside = [path for path in sources() if room_of(path) not in ("recipe", "cli", None)]
    found = set().union(*(schema_reads.reads(tree(path)) for path in outside))
    rules = schema_reads.reads(tree(WHET / "recipe" / "rules.py"))
    found |= THROUGH_RULES & rules
    found |= THROUGH_REFUSALS & schema_reads.reads(tree(WHET / "recipe" / "sections" / "release.py"))
    for path in (WHET / "recipe" / "methods").glob("*.py"):
        found |= schema_reads.answers(tree(path))
    ignored = sorted(f"{model}.{key}" for model, key in schema_reads.keys() - found)
    assert not ignored, f"these keys are accepted but nothing reads them: {', '.join(ignored)}"


# ---- the pages that describe the house


def readme_rooms() -> tuple[dict[str, str], list[str]]:
    """Each room of README's table with its purpose, and the places that it keeps for later."""
    read = (ROOT / "README.md").read_text("utf-8")
    rows = (re.fullmatch(r"\| `whet/(\w+)(?:/|\.py)` \| (.+) \|", line) for line in read.splitlines())
    later = re.search(r"^Places that are kept for later: (.*?)\n\n", read, re.MULTILINE | re.DOTALL)
    assert later, "README names the places that are kept"
    return {row[1]: row[2].strip() for row in rows if row}, re.findall(r"`(\w+)`\s\(", later[1])


def test_readme_lists_every_room_with_its_purpose() -> None:
    rooms = {room for path in sources() if (room := room_of(path))}
    listed, later = readme_rooms()
    assert list(listed) == [room for room in ORDER if room not in LATER], "the table stands in the order of imports"
    assert later == LATER and not set(later) & rooms, f"they are there now: {sorted(set(later) & rooms)}"
    assert rooms == set(listed), f"not in both: {sorted(rooms ^ set(listed))}"
    assert all(len(purpose.split()) >= 4 for purpose in listed.values())


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            file = target.split("#")[0]
            if file and "://" not in target and not (page.parent / file).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_the_reference_pages_are_fresh() -> None:
    from whet.cli.reference import pages as written

    stale = [str(path.relative_to(ROOT)) for path, text in written().items() if path.read_text("utf-8") != text]
    assert not stale, f"run: make docs ({stale})"
