"""JSON over HTTP as every client of ours speaks it: connections, one attempt, and when to try again."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import aiohttp
import orjson

from dynasor.engines.address import Address
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame, Failure
from dynasor.engines.retrying import parse_retry_after, retry_delay
from dynasor.errors import EngineRejected
from dynasor.vocabulary import JSON

Headers = Mapping[str, str]
NO_HEADERS: Headers = MappingProxyType({})
KEEP_ALIVE_S = 4.0
"""Engines close idle connections after 5 s; we let go first, so that no request meets a closing one."""

Got = TypeVar("Got")


def open_session(
    address: Address, api_key: str | None, timeout: aiohttp.ClientTimeout, *, keeps_connections: bool | None = None
) -> aiohttp.ClientSession:
    """Connections to the server at ``address``, which its owner closes. They are asked again if ``keeps_connections``;
    where that is not said, if the server is far away, for a handshake is worth saving there."""
    headers = {"Content-Type": "application/json"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    return aiohttp.ClientSession(
        connector=new_connector(not address.is_loopback if keeps_connections is None else keeps_connections),
        timeout=timeout,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=not address.is_loopback,
        raise_for_status=False,
    )


def new_connector(keeps_connections: bool) -> aiohttp.TCPConnector:
    """No bound of ours on connections. One that is not kept can never be one that the server is just about to close."""
    if keeps_connections:
        return aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
    return aiohttp.TCPConnector(limit=0, force_close=True)


async def answer_to(
    session: aiohttp.ClientSession, method: str, url: str, data: bytes | None, headers: Headers = NO_HEADERS
) -> aiohttp.ClientResponse:
    """The answer, whatever its status.

    A kept connection may close before the answer begins, for the server gave it up just then. That is tried once
    more: what we send has no effect but its answer.
    """
    ask = partial(session.request, method, url, data=data, headers=headers, allow_redirects=False)
    assert session.connector is not None, "a session has connections until it is closed"
    try:
        return await ask()
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        if session.connector.force_close:
            raise
        return await ask()


async def attempt(
    session: aiohttp.ClientSession,
    blame: Blame,
    method: str,
    url: str,
    body: JSON | None,
    headers: Headers = NO_HEADERS,
    *,
    called: str,
) -> aiohttp.ClientResponse | Failure:
    """An answer with status 200, of which no byte of the body was read and which the caller closes, or why there is
    none. ``called`` is what a message about a redirection calls the place."""
    data = None if body is None else orjson.dumps(body)
    try:
        response = await answer_to(session, method, url, data, headers)
        if response.status == 200:
            return response
        async with response:
            return await refusal_of(response, blame, called)
    except TRANSPORT_ERRORS as error:
        return transport_failure(blame, error)


async def refusal_of(response: aiohttp.ClientResponse, blame: Blame, called: str) -> Failure:
    if 300 <= response.status < 400:
        target = response.headers.get("Location", "nowhere")
        return Failure(EngineRejected(f"{called} redirects to {target}; use that address"), status=response.status)
    retry_after = parse_retry_after(response.headers.get("Retry-After"), time.time())
    return blame.of_status(response.status, await response.read(), retry_after)


def transport_failure(blame: Blame, error: BaseException) -> Failure:
    """For one of ``TRANSPORT_ERRORS``, which the error in it names as its cause."""
    failure = blame.of_transport(error)
    failure.error.__cause__ = error
    return failure


async def tried(
    try_once: Callable[[], Awaitable[Got | Failure]], max_attempts: int, rng: random.Random
) -> Got | Failure:
    """What comes of the first attempt that helps, else why the last of ``max_attempts`` failed, or the first after
    which another would not help."""
    for number in itertools.count(1):
        outcome = await try_once()
        if not isinstance(outcome, Failure) or not outcome.may_retry or number >= max_attempts:
            return outcome
        await asyncio.sleep(retry_delay(number, outcome.retry_after, rng))
    raise AssertionError("unreachable")
