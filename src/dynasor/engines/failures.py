"""What can go wrong on the way to an engine, told in our words: status codes and aiohttp's exceptions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from dynasor.engines.retrying import RETRYABLE_STATUSES
from dynasor.errors import EngineError, EngineFailed, EngineRejected, EngineTimeout, EngineUnreachable

TRANSPORT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
"""All that aiohttp lets escape when a connection, and not we, is at fault."""

LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, whether another may help, after how many seconds the engine wants it, and the HTTP
    status, if there was one."""

    error: EngineError
    may_retry: bool = False
    retry_after: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """What every message about an engine at ``api`` needs: limits that were set, and the key not to tell."""

    api: str
    connect_timeout_s: float
    silence_timeout_s: float
    api_key: str | None = None

    def of_transport(self, error: BaseException) -> Failure:
        """For an exception of ``TRANSPORT_ERRORS`` before the engine began to answer."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            what = f"{self.api} did not accept a connection within {self.connect_timeout_s:g} s"
            return Failure(EngineUnreachable(what), may_retry=True)
        if isinstance(error, TimeoutError):
            return Failure(EngineTimeout(f"{self.api} was silent for {self.silence_timeout_s:g} s"))
        advice = "check that an engine runs there and that the address is right"
        unreachable = EngineUnreachable(f"cannot connect to {self.api}: {reason_of(error)}; {advice}")
        is_certificate = isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError)
        return Failure(unreachable, may_retry=not is_certificate)

    def of_break(self, error: BaseException | None, request_id: str, num_tokens: int) -> EngineError:
        """For an answer that ended before its finish reason, by ``error`` or by a plain end."""
        if isinstance(error, TimeoutError):
            what = f"was silent for {self.silence_timeout_s:g} s in the middle of its answer to request"
            return EngineTimeout(f"{self.api} {what} {request_id!r}, after {num_tokens} tokens")
        why = "it ended without a finish reason" if error is None else reason_of(error)
        what = f"{self.api} broke off its answer to request {request_id!r} after {num_tokens} tokens: {why}"
        return EngineFailed(what)

    def of_status(self, status: int, content: bytes, retry_after: float | None = None) -> Failure:
        """For an HTTP ``status`` other than 200 with this body."""
        message = self._without_key(message_of(content))
        may_retry = status in RETRYABLE_STATUSES
        return Failure(self._status_error(status, message), may_retry, retry_after, status)

    def of_chunk(self, content: dict[str, Any], request_id: str) -> EngineError:
        """For an error that the engine reports in the middle of its stream."""
        message = self._without_key(message_of(orjson.dumps(content)))
        code = content["error"].get("code") if isinstance(content["error"], dict) else None
        if isinstance(code, int) and 400 <= code < 500 and code not in RETRYABLE_STATUSES:
            return self._status_error(code, message)
        return EngineFailed(f"{self.api} reports an error in its answer to request {request_id!r}: {message}")

    def _status_error(self, status: int, message: str) -> EngineError:
        if status in (401, 403):
            which = "the API key" if self.api_key else "a request without an API key"
            return EngineRejected(
                f"{self.api} refused {which} (HTTP {status}); give the right one as api_key (a flag: --api-key)"
            )
        if status in RETRYABLE_STATUSES:
            return EngineFailed(f"{self.api} is busy or down (HTTP {status}): {message}")
        if status < 500:
            return EngineRejected(f"{self.api} rejects the request (HTTP {status}): {message}")
        return EngineFailed(f"{self.api} failed (HTTP {status}): {message}")

    def _without_key(self, text: str) -> str:
        return text.replace(self.api_key, "***") if self.api_key else text


def reason_of(error: BaseException) -> str:
    """The plain reason inside an exception of aiohttp, without its wrapping."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection was cut"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def message_of(content: bytes) -> str:
    """What the body of an error says: OpenAI's ``error.message``, or what others put in its place."""
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        told = content.decode(errors="replace").strip()
    for name in ("error", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            told = told[name]
    text = told if isinstance(told, str) else orjson.dumps(told).decode()
    return text[:LONGEST_MESSAGE] or "no reason given"
