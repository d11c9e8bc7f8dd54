"""What holds for every request, whatever it asks: its id, its key, its origin, its body, and how errors look."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Collection

import orjson
from aiohttp import web

from dynasor.errors import DynasorError
from dynasor.serving.limits import Limits
from dynasor.serving.refusals import Refusal, Refused, refusal_of
from dynasor.serving.requests import is_plain_id
from dynasor.serving.service import Service
from dynasor.vocabulary import JSON

SERVICE = web.AppKey("service", Service)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
TENANT: web.RequestKey[str] = web.RequestKey("tenant", str)
REQUEST_ID_HEADER = "X-Request-Id"
GUARDED = "/v1/"
"""Paths that need a key, where there are keys."""

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]
logger = logging.getLogger("dynasor.serving")


@web.middleware
async def edge(request: web.Request, handler: Endpoint) -> web.StreamResponse:
    """Wraps every endpoint. Nothing of a client's text or key is logged here."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request[REQUEST_ID] = given if is_plain_id(given) else uuid.uuid4().hex
    began = time.monotonic()
    status = 499
    try:
        response = await answered(request, handler)
        status = response.status
        return response
    finally:
        logger.info(
            "%s %s %d %.3f s, request %s",
            request.method,
            request.path,
            status,
            time.monotonic() - began,
            request[REQUEST_ID],
        )


async def answered(request: web.Request, endpoint: Endpoint) -> web.StreamResponse:
    try:
        request[TENANT] = tenant_of(request)
        return await endpoint(request)
    except DynasorError as error:
        return refused(refusal_of(error))
    except web.HTTPException as error:
        return refused(refusal_of_http(error, request))
    except ConnectionError:
        raise
    except Exception:  # a defect of ours: the client gets an answer all the same, the log the traceback
        logger.exception("request %s failed", request[REQUEST_ID])
        return refused(Refusal.internal())


def tenant_of(request: web.Request) -> str:
    if not request.path.startswith(GUARDED):
        return ""
    owner = request.app[SERVICE].keys.owner_of(request.headers.get("Authorization"))
    if owner is None:
        message = "the API key is missing or wrong; it goes into the header as Authorization: Bearer KEY"
        raise Refused(Refusal(401, message, "authentication_error", code="invalid_api_key"))
    return owner


def refusal_of_http(error: web.HTTPException, request: web.Request) -> Refusal:
    """What aiohttp refuses by itself, in OpenAI's shape."""
    if error.status == 404:
        return Refusal.not_found(f"there is no {request.path}{hint_of_version(request)}", "unknown_url")
    if error.status == 405:
        return Refusal(405, f"{request.path} does not take {request.method}", code="method_not_allowed")
    if error.status == 413:
        return too_large(request.app[SERVICE].limits)
    return Refusal(error.status, error.reason)


def hint_of_version(request: web.Request) -> str:
    """For clients whose base URL lacks its ``/v1``."""
    meant = GUARDED.rstrip("/") + request.path
    is_ours = any(route.get_info().get("path") == meant for route in request.app.router.resources())
    return f"; perhaps {meant} was meant, with /v1 at the end of the client's base URL" if is_ours else ""


def too_large(limits: Limits) -> Refusal:
    return Refusal(413, f"the body is larger than {limits.max_body_bytes} bytes", code="body_too_large")


def refused(refusal: Refusal) -> web.Response:
    return as_json(refusal.body(), status=refusal.status, headers=dict(refusal.headers))


def as_json(value: JSON, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)


async def body_of(request: web.Request) -> bytes:
    """The request's body, refused if it is too large, before any of it is read where it says so, or too slow."""
    limits = request.app[SERVICE].limits
    if (request.content_length or 0) > limits.max_body_bytes:
        raise Refused(too_large(limits))
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            return await request.read()
    except TimeoutError:
        message = f"the body did not come within {limits.body_timeout_s:g} s"
        raise Refused(Refusal(408, message, code="body_timeout")) from None


class CrossOrigin:
    """Lets pages from ``origins`` (``*``: any) ask from a browser. With none, browsers keep them out."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def allowed(self, origin: str | None) -> bool:
        return origin is not None and bool(self._origins & {origin, "*"})

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers[REQUEST_ID_HEADER] = request.get(REQUEST_ID, "")
        response.headers["Server"] = "dynasor"
        response.headers["X-Content-Type-Options"] = "nosniff"
        origin = request.headers.get("Origin")
        if origin is not None and self.allowed(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"

    async def preflight(self, request: web.Request) -> web.Response:
        if not self.allowed(request.headers.get("Origin")):
            raise Refused(Refusal(405, f"{request.path} does not take OPTIONS", code="method_not_allowed"))
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, DELETE",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-Id",
                "Access-Control-Max-Age": "600",
            },
        )
