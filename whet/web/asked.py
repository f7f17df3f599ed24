"""What every page is given: who asks, the service, and where their runs lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Row

from whet.errors import RunFolderError
from whet.server.access.caller import ADMIN, INFER, TRAIN, Caller
from whet.server.errors import ApiError, not_found
from whet.server.files.records import find_file
from whet.server.inference.catalogue import ServedModel
from whet.server.jobs.places import run_root
from whet.server.service import Service, service_of
from whet.store.index import RunSummary, list_runs
from whet.store.model_registry import find_run
from whet.store.run import Run
from whet.web.sessions import Session, Sessions


@dataclass(frozen=True, slots=True)
class Asked:
    request: Request
    service: Service
    caller: Caller
    session: Session | None
    """None on the page where one signs in."""

    @property
    def sessions(self) -> Sessions:
        return self.request.app.state.sessions

    @property
    def token(self) -> str:
        """What its pages send along when they change something."""
        return self.sessions.token(self.session) if self.session else ""

    @property
    def by_script(self) -> bool:
        """A part of a page is asked for, not a whole one."""
        return "hx-request" in self.request.headers

    def may(self, scope: str) -> bool:
        return scope in self.caller.scopes

    def file(self, name: str) -> Row:
        """A file of the project. Raises ApiError 404."""
        database = self.service.database
        with database.read() as connection:
            return find_file(connection, self.caller.project, name, database.now(connection))

    def models(self) -> list[ServedModel]:
        """Everything that answers them: bases, names, and what jobs made."""
        return self.service.answering.catalogue.listed(self.caller.project)

    # ---- runs

    @property
    def run_roots(self) -> list[Path]:
        """Folders of runs that they may see: of the project's jobs, and for admins of the command line."""
        settings = self.service.settings
        roots = [run_root(settings.home, self.caller.project)]
        if settings.runs is not None and self.may(ADMIN):
            roots.append(settings.runs)
        return roots

    def runs(self) -> list[RunSummary]:
        """All of them, the newest first. A job's run that was taken among those of the command line, to get a name, is
        one."""
        found: dict[str, RunSummary] = {}
        for root in self.run_roots:
            for run in list_runs(root):
                found.setdefault(run.name, run)
        return sorted(found.values(), key=lambda run: run.created, reverse=True)

    def run(self, name: str) -> Run:
        """Raises ApiError 404; for a name that leads out of the folder, too."""
        for root in self.run_roots:
            if Path(name).name == name and (root / name / "run.json").is_file():
                try:
                    return find_run(name, root)
                except RunFolderError as error:
                    raise ApiError(404, f"{error.what}", code="run_damaged", param="run") from error
        raise not_found("run", name, "run")


def asked_for(scope: str | None) -> Callable[[Request], Asked]:
    """A dependency. Raises ApiError 403 for whoever may not do `scope`."""

    def found(request: Request) -> Asked:
        caller: Caller = request.state.caller
        if scope is not None and scope not in caller.scopes:
            what = f"The key that you signed in with may not do this: it lacks the scope {scope!r}."
            raise ApiError(403, what, code="insufficient_scope")
        return Asked(request, service_of(request), caller, request.state.session)

    return found


Anybody = Annotated[Asked, Depends(asked_for(None))]
Inferrer = Annotated[Asked, Depends(asked_for(INFER))]
Trainer = Annotated[Asked, Depends(asked_for(TRAIN))]
Admin = Annotated[Asked, Depends(asked_for(ADMIN))]
