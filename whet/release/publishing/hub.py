"""A release on the Hugging Face Hub: private unless it is asked to be public, whole, and never over what is no release.

Nothing is sent before the release lies proved on this disk, and it stays there whatever becomes of the sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whet.errors import InputError, ProofError, RunError, WhetError, shorten
from whet.release.golden import FILE as GOLDEN
from whet.release.inspection.kept_proofs import PROOF, RELEASE
from whet.reports.model_card import CARD
from whet.store.checksums import SUMS
from whet.store.reading import read_json_file

WHERE = "--push"
NOT_PUBLIC = (GOLDEN, SUMS)
"""Left out of what all may read: golden prompts quote rows of the data, and SHA256SUMS lists the file."""
ATTRIBUTES = ".gitattributes"
"""The Hub puts it into each new place by itself."""


@dataclass(frozen=True, slots=True)
class Destination:
    name: str
    """`owner/name`."""
    public: bool = False

    @property
    def left_out(self) -> tuple[str, ...]:
        if self.public:
            return NOT_PUBLIC
        return ()

    @property
    def visibility(self) -> str:
        return "public" if self.public else "private"


def destination(name: str | None, public: bool, dry_run: bool) -> Destination | None:
    """Where a release is to go; None where it stays here. Raises InputError for a name that the Hub does not take."""
    if name is None:
        if public or dry_run:
            where = "--public" if public else "--dry-run"
            raise InputError("it says how a release is pushed, and none is", where=where, fix="add --push OWNER/NAME")
        return None

    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        what = f"the Hub takes no such name: {error}"
        raise InputError(what, where=WHERE, value=name, fix="give one like owner/name") from error
    if name.count("/") != 1:
        raise InputError("this names no owner", where=WHERE, value=name, fix="give owner/name: your name on the Hub")
    return Destination(name, public)


def refuse_without_token() -> None:
    """Before anything is made. Raises InputError."""
    from huggingface_hub import get_token

    if not get_token():
        fix = "log in with `hf auth login`, or set HF_TOKEN; --dry-run needs none"
        raise InputError("there is no token for the Hugging Face Hub", where=WHERE, fix=fix)


def listed(folder: Path, to: Destination) -> list[dict[str, Any]]:
    """Name and bytes of each file that goes, in the order of their names."""
    found = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name not in to.left_out:
            found.append({"name": name, "bytes": file.stat().st_size})
    return found


def pushed(folder: Path, to: Destination, force: bool, dry_run: bool) -> dict[str, Any]:
    """Sends the release in `folder`, and says what went where; with `dry_run` what would, and nothing is sent.

    Raises ProofError for a release that is not proved unless `force`, InputError for a place that holds something else
    or is not as private as asked, RunError where the Hub takes nothing.
    """
    refuse_unproved(folder, force)
    told = {"name": to.name, "visibility": to.visibility, "left_out": list(to.left_out), "files": listed(folder, to)}
    if dry_run:
        return told | {"url": None, "card": (folder / CARD).read_text("utf-8")}
    return told | {"url": sent(folder, to)}


def refuse_unproved(folder: Path, force: bool) -> None:
    proof = read_json_file(folder / PROOF, "proved", "forced")
    if not proof["proved"] and not force:
        fix = "export it again; --force pushes it all the same, and its card says that the proof failed"
        raise ProofError("its proof failed, so it is not pushed", where=str(folder), fix=fix)


def sent(folder: Path, to: Destination) -> str:
    """The release's address on the Hub."""
    from huggingface_hub import HfApi, get_token

    token = get_token() or ""
    try:
        api = HfApi(token=token)
        prepare(api, to)
        facts = read_json_file(folder / RELEASE, "form", "run")
        done = api.upload_folder(
            repo_id=to.name,
            folder_path=folder,
            ignore_patterns=list(to.left_out),
            delete_patterns="*",  # what an earlier release left: two forms in one place are neither
            commit_message=f"{facts['form']} of {facts['run']}, released with Whet",
        )
        return str(getattr(done, "repo_url", "") or f"https://huggingface.co/{to.name}")
    except WhetError:
        raise
    except Exception as error:  # the library raises errors of many packages, none of them documented
        raise RunError(
            f"the Hub did not take the release: {reason(error, token)}",
            where=to.name,
            fix=f"it lies whole in {folder}; look at the network and the token's rights, and give the command again",
        ) from None  # what is behind it may hold the token


def prepare(api: Any, to: Destination) -> None:
    """Makes the place, or looks whether the one that is there may be replaced."""
    if not api.repo_exists(to.name):
        api.create_repo(to.name, private=not to.public)
        return

    found = api.model_info(to.name)
    if found.private == to.public:
        is_now, fix = ("private", "leave --public out") if to.public else ("public", "add --public")
        what = f"it exists and is {is_now}, and {to.visibility} is asked for"
        raise InputError(what, where=WHERE, value=to.name, fix=f"{fix}, change it on the Hub, or give another name")

    names = {one.rfilename for one in found.siblings or []} - {ATTRIBUTES}
    if names and RELEASE not in names:
        what = "this place is in the way: it holds files, and is no earlier release"
        raise InputError(what, where=WHERE, value=to.name, fix="give another name")


def reason(error: Exception, token: str) -> str:
    """The first line of what a library says, without the token."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if token:
        lines[0] = lines[0].replace(token, "...")
    return shorten(lines[0], 200)
