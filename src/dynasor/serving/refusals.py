"""What a client is told when it does not get an answer: a status and OpenAI's error object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dynasor.errors import (
    DynasorError,
    EngineCannot,
    EngineRejected,
    EngineTimeout,
    EngineUnreachable,
    InputError,
    ProgramFailed,
    ProgramStopped,
)
from dynasor.vocabulary import JSON, StopReason

LONGEST_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP ``status`` with the members of OpenAI's ``error`` object; ``param`` names the field at fault."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None

    @classmethod
    def bad_field(cls, param: str, message: str, code: str | None = None) -> Refusal:
        return cls(400, message, param=param, code=code)

    @classmethod
    def not_found(cls, message: str, code: str = "not_found", param: str | None = None) -> Refusal:
        return cls(404, message, param=param, code=code)

    @classmethod
    def busy(cls, message: str, retry_after_s: float) -> Refusal:
        return cls(429, message, "rate_limit_error", code="rate_limit_exceeded", retry_after_s=retry_after_s)

    @classmethod
    def closing(cls, retry_after_s: float) -> Refusal:
        message = "the server is shutting down and takes no new requests"
        return cls(503, message, "service_unavailable_error", code="shutting_down", retry_after_s=retry_after_s)

    @classmethod
    def internal(cls) -> Refusal:
        return cls(500, "the server failed to answer; its log says why", "server_error", code="internal_error")

    def body(self) -> JSON:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        if self.retry_after_s is None:
            return {}
        seconds = min(LONGEST_RETRY_AFTER_S, max(1, math.ceil(self.retry_after_s)))
        return {"Retry-After": str(seconds)}


class Refused(DynasorError):
    """A request that gets ``refusal`` for an answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def refusal_of(error: DynasorError) -> Refusal:
    """What a client is told of one of our errors: whose fault it is, and whether asking again may help."""
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, ProgramFailed) and isinstance(error.__cause__, DynasorError):
        return refusal_of(error.__cause__)
    if isinstance(error, InputError | EngineRejected | EngineCannot):
        return Refusal(400, str(error))
    if isinstance(error, ProgramStopped):
        return ended(error.reason)
    if isinstance(error, EngineTimeout):
        return Refusal(504, str(error), "server_error", code="engine_timeout")
    if isinstance(error, EngineUnreachable):
        return Refusal(503, str(error), "server_error", code="engine_unreachable", retry_after_s=5)
    return Refusal(502, str(error), "server_error", code="engine_failed")


def ended(reason: StopReason) -> Refusal:
    """A request that was passed through has no answer so far that could be given."""
    if reason is StopReason.DEADLINE:
        return Refusal(504, "the deadline passed before the engine had answered", "server_error", code="deadline")
    return Refusal(503, "the request was stopped before the engine had answered", "server_error", code="stopped")
