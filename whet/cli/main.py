"""The command `whet`: runs the verb that is asked for, and turns whatever ends it into one clear message and an exit
code.

Exit codes: 0 done, 1 the run failed, 2 the input or the command is wrong, 3 --gate and the answer is not yes,
130 Ctrl-C, 141 whoever read the output has gone, 143 told to stop (SIGTERM).
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import typer

import whet
from whet.cli.progress import silence
from whet.cli.verb_list import QUIET, app_for
from whet.errors import DiskFullError, InputError, OutOfMemoryError, WhetError, shorten, without_hidden
from whet.recipe.keywords import at_command_line
from whet.recipe.trust import ask_with
from whet.store.atomic import disk_error

STOPPED, UNREAD, TOLD_TO_STOP = 130, 141, 143
RESUMES = {"choose", "collect", "compare", "curve", "demo", "judge", "train", "tune"}
"""The verbs that keep what they have done so far on the disk; the others begin again."""
NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "bad_alloc",
    "can't start new thread",
)


def without_passwords(text: str) -> str:
    """Those of URLs: what is written is sent to strangers."""
    return re.sub(r"(://[^:/@\s]*:)[^@/\s]+@", r"\1***@", text)


class Terminated(BaseException):
    """SIGTERM ends a command as Ctrl-C does: what must be whole is whole, and the run can be resumed."""


def main() -> None:
    signal.signal(signal.SIGTERM, terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few characters still gets every message
    sys.exit(run(sys.argv[1:]))


def terminate(number: int, frame: object) -> None:
    raise Terminated


def run(arguments: Sequence[str]) -> int:
    """Runs one command and gives its exit code. Nothing but a whole message ever reaches the user."""
    as_json = "--json" in arguments
    ask_with(agrees if sys.stdin.isatty() and sys.stderr.isatty() else None)
    silence(QUIET in arguments or arguments[:1] == ["-q"])
    wanted = [argument for argument in arguments if argument != QUIET] or ["--help"]

    try:
        with at_command_line():
            code = typer.main.get_command(app_for(wanted))(wanted, prog_name="whet", standalone_mode=False)
        sys.stdout.flush()
    except WhetError as error:
        return report(error, as_json)
    except typer.TyperException as error:
        return report(usage_error(error), as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains once more when it closes the output
        return UNREAD
    except Terminated:
        code = TOLD_TO_STOP
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    except Exception as error:
        return report(system_error(error) or unexpected(error), as_json)

    if code in (STOPPED, TOLD_TO_STOP):
        return stopped(code, as_json, resumes=not RESUMES.isdisjoint(arguments[:1]))
    return code if isinstance(code, int) else 0


def agrees(question: str) -> bool:
    return typer.confirm(without_hidden(question), err=True)


def stopped(code: int, as_json: bool, resumes: bool) -> int:
    if resumes:
        what = "stopped; the same command resumes from what is saved"
    else:
        what = "stopped, and nothing was saved; the same command starts from the beginning"
    print(f"\n{what}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": {"type": "Stopped", "what": what, "where": "", "fix": "", "exit_code": code}}))
    return code


def system_error(error: Exception) -> WhetError | None:
    """What memory or the operating system refused, for an error that no room of Whet has put into words."""
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY):
        from whet.store.memory_and_cores import address_space_is_bounded  # psutil takes its time, and --help has none

        fix = "lower micro_batch_tokens, max_tokens or adapter.rank; or use a smaller base"
        if address_space_is_bounded():
            fix = "lift the limit of this shell (ulimit -v unlimited); or " + fix

        if str(error):
            what = str(error).splitlines()[0]
        else:
            what = "MemoryError"
        return OutOfMemoryError(f"not enough memory: {what}", fix=fix)

    known = disk_error(error, Path(getattr(error, "filename", None) or tempfile.gettempdir()))
    if isinstance(known, DiskFullError):
        return known
    if isinstance(error, OSError) and error.strerror:
        fix = "check the path, its permissions and the disk"
        return InputError(error.strerror.lower(), where=shorten(str(error.filename or "")), fix=fix)

    return None


def report(error: WhetError, as_json: bool) -> int:
    """The message for people on stderr; with --json also an object on stdout, so that programs need not parse words."""
    print(f"whet: {error}", file=sys.stderr)
    if as_json:
        facts = {"type": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
        print(json.dumps({"error": {**facts, "exit_code": error.exit_code}}))
    return error.exit_code


def usage_error(error: typer.TyperException) -> WhetError:
    """A wrong command line in the form of all other errors."""
    say = getattr(error, "format_message", lambda: str(error))
    context = getattr(error, "ctx", None)
    if context:
        command = context.command_path
    else:
        command = "whet"

    what, fix = say().strip(), f"{command} --help shows what there is"
    if context and (name := getattr(error, "option_name", None)):
        from whet.cli.unknown_option import way_out  # the recipe takes its time to import

        known = [known for parameter in context.command.params for known in parameter.opts]
        if advice := way_out(name, command.removeprefix("whet "), known):
            what, fix = what.partition(" (Possible options")[0], advice  # those that only look alike
    elif context and getattr(error, "param", None) and "Example: " in (context.command.help or ""):
        fix = f"as in: {context.command.help.partition('Example: ')[2].splitlines()[0]}; {fix}"

    wrong = WhetError(what, fix=fix)
    wrong.exit_code = 2
    return wrong


def unexpected(error: Exception) -> WhetError:
    """A fault of Whet itself: the traceback goes to a file, or to stderr where no file can be written."""
    text = "".join(traceback.format_exception(error))
    path = Path(tempfile.gettempdir()) / f"whet-{datetime.now():%Y%m%d-%H%M%S-%f}.txt"

    try:
        path.write_text(without_passwords(f"whet {whet.__version__}: {' '.join(sys.argv)}\n\n{text}"), "utf-8")
        place = f"the details are in {path}"
    except OSError:
        print(without_hidden(text), file=sys.stderr)
        place = "the details are above"

    what = f"this should not have happened: {type(error).__name__}: {error}"
    return WhetError(what, fix=f"{place}; please report them. The same command resumes a run")
