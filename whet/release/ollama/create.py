"""An export handed to Ollama, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from whet.errors import InputError, RunError

PROGRAM = "ollama"


def refuse_create(form: str) -> None:
    """Before anything is written. Raises InputError for another form, and where there is no Ollama."""
    if form != "ollama":
        raise InputError("only Ollama creates models from an export", where="--create", value=form, fix="--to ollama")
    if shutil.which(PROGRAM) is None:
        fix = "install it (https://ollama.com), or leave --create out and give the printed command where it is"
        raise InputError("Ollama is not installed here", where="--create", fix=fix)


def create(name: str, folder: Path) -> None:
    """`ollama create`, in the export's folder: its Modelfile names the file beside it. Raises RunError."""
    command = [PROGRAM, "create", name, "-f", "Modelfile"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"
        what = f"Ollama did not take the model: {said}"
        raise RunError(what, where=str(folder), fix=f"is the server at work (ollama serve)? then: {' '.join(command)}")
