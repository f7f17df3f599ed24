"""POST /v1/feedback: what people say of an answer that they were given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from whet.server.access.caller import Inferring
from whet.server.database.identifiers import refuse_unstorable
from whet.server.errors import ApiError
from whet.server.inference.bodies import WholeBody, refuse_unknown
from whet.server.service import service_of
from whet.server.traces.feedback import NewFeedback, add_feedback

router = APIRouter(prefix="/v1", tags=["feedback"])
NOTHING = "There is nothing in it: send good, corrected, label or comment."
Name = Annotated[str, Field(min_length=1, max_length=200)]


class FeedbackBody(WholeBody):
    """`id`: of a trace, which is that of the completion, response or classification. `key` is the client's own: a
    request with the same key adds nothing."""

    id: Name
    good: bool | None = None
    thumb: Literal["up", "down"] | None = None
    corrected: Annotated[str, Field(max_length=65_536)] | None = None
    label: Name | None = None
    comment: Annotated[str, Field(max_length=8_192)] | None = None
    by: Name | None = None
    key: Name | None = None

    def given(self) -> NewFeedback:
        """Raises ApiError 400."""
        refuse_unknown(self, {})
        good = self.good if self.thumb is None else self.thumb == "up"
        if self.good is not None and self.good != good:
            raise ApiError(400, "good and thumb say different things.", code="invalid_value", param="thumb")
        said = NewFeedback(good, self.corrected, self.label, self.comment, self.by)
        if said == NewFeedback(author=self.by):
            raise ApiError(400, NOTHING, code="invalid_value")
        for param in ("corrected", "label", "comment", "by", "key"):
            refuse_unstorable(param, getattr(self, param))
        return said


@router.post("/feedback")
def create_feedback(request: Request, body: FeedbackBody, caller: Inferring) -> dict[str, Any]:
    """A thumb, a corrected answer, a label or a comment, kept beside what others said of the same answer."""
    given, service = body.given(), service_of(request)
    service.tracing.flush()
    return add_feedback(service.database, caller.project, body.id, given, body.key)
