"""Errors in OpenAI's shape: {"error": {message, type, param, code}}, with the status that its clients know.

Its clients send a request again by themselves after 408, 409, 429 and 5xx; what is wrong with it is never one of these.
"""

from __future__ import annotations

from typing import Any

from whet.errors import DiskFullError, InputError, OutOfMemoryError, WhetError

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    421: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    501: "not_supported_error",
    503: "server_overloaded",
    504: "timeout_error",
    507: "server_error",
}


class ApiError(Exception):
    """What a client is told. `param` is the parameter that is wrong, `code` a word for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, _sendable(message), code
        self.param = None if param is None else _sendable(param)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def _sendable(text: str) -> str:
    """JSON can name halves of surrogate pairs, and a text that a client sent may hold some: UTF-8 has none."""
    return text.encode("utf-8", "replace").decode("utf-8")


def not_found(what: str, name: str, param: str | None = None) -> ApiError:
    """The same words for what does not exist and for what belongs to somebody else."""
    return ApiError(404, f"No such {what}: {name!r}.", code=f"{what.replace(' ', '_')}_not_found", param=param)


def unsupported(param: str, why: str) -> ApiError:
    """A parameter that would change the answer's meaning, and that this service does not have."""
    return ApiError(400, f"{param} is not supported: {why}", code="unsupported_parameter", param=param)


def of_whet(error: WhetError, param: str | None = None) -> ApiError:
    """What one of Whet's own errors is to a client. Its fix is for people, so it is told, too."""
    if isinstance(error, DiskFullError):
        return ApiError(507, str(error), code="disk_full", param=param)
    if isinstance(error, OutOfMemoryError):
        return ApiError(503, str(error), code="out_of_memory", param=param)
    if isinstance(error, InputError):
        return ApiError(400, str(error), code="invalid_value", param=param)
    return ApiError(500, str(error), code="internal_error", param=param)
