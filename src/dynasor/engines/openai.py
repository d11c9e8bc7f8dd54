"""One client for every engine with an OpenAI-compatible API: vLLM, SGLang, llama.cpp and hosted ones."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncGenerator

import aiohttp
import orjson

from dynasor.engines.address import parse_address
from dynasor.engines.bodies import body_of, path_of
from dynasor.engines.chunks import ChunkReader, ErrorChunk, UnreadableChunk
from dynasor.engines.dialects import dialect_of
from dynasor.engines.discovery import choose_model, read_models
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame, Failure
from dynasor.engines.protocol import EngineInfo
from dynasor.engines.retrying import parse_retry_after, retry_delay
from dynasor.engines.server_events import EventDecoder
from dynasor.errors import EngineFailed, EngineRejected, InputError
from dynasor.vocabulary import JSON, Delta, Request

KEEP_ALIVE_S = 4.0
"""Engines close idle connections after 5 s; we let go first, so that no request meets a closing one."""


class OpenAIEngine:
    """An engine behind an OpenAI-compatible API.

    Requests that are refused before they begin (no connection, 408, 429, 502, 503, 504) are tried again,
    up to ``max_attempts`` times in all, with growing pauses or as long as Retry-After says. From the
    answer's first byte on nothing is tried again.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        connect_timeout_s: float = 10.0,
        silence_timeout_s: float = 300.0,
        max_attempts: int = 5,
        rng: random.Random | None = None,
    ) -> None:
        """Take ``base_url`` with or without ``/v1``, or ``host:port``; nothing is sent before entering.

        Args:
            model: which of the served models to use; None: the only one.
            api_key: sent as a bearer token; never shown in a message.
            silence_timeout_s: how long the engine may send no byte, before its answer or within it.
            rng: spreads the retries; only tests need to give it.

        Raises:
            InputError: a value cannot be used.
        """
        self._address = parse_address(base_url)
        for name, seconds in (("connect_timeout_s", connect_timeout_s), ("silence_timeout_s", silence_timeout_s)):
            if not seconds > 0:
                raise InputError(f"{name} is {seconds}; expected a number of seconds above 0")
        if max_attempts < 1:
            raise InputError(f"max_attempts is {max_attempts}; expected 1 or more")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key.strip()):
            raise InputError("api_key is empty or has characters that no HTTP header can carry")
        self._wanted_model = model
        self._api_key = api_key
        self._max_attempts = max_attempts
        self._random = rng or random.Random()
        self._blame = Blame(self._address.api, connect_timeout_s, silence_timeout_s, api_key)
        self._info: EngineInfo | None = None
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"OpenAIEngine({self._address.api!r}, model={self._wanted_model!r})"

    @property
    def base_url(self) -> str:
        """The root of the API, ending in its version."""
        return self._address.api

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise InputError(f"{self!r} was not entered; use it as `async with engine:`")
        return self._info

    async def __aenter__(self) -> OpenAIEngine:
        """Connect and find the model.

        Raises:
            InputError: the model is not served, or none was named and there are several.
            EngineError: the engine cannot be reached or does not answer.
        """
        self._session = self._new_session()
        try:
            self._info = await self._discover()
        except BaseException:
            await self.__aexit__()
            raise
        self._dialect = dialect_of(self._info.kind, self._address.host)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Run ``request``; see the protocol. What arrives in one network read comes as one delta."""
        body = body_of(request, self.info.model, self._dialect)
        response = await self._open("POST", path_of(request), body)
        reader, decoder = ChunkReader(request.sampling.top_logprobs), EventDecoder()
        try:
            while received := await self._receive(response, reader, request.id):
                if delta := self._read(reader, decoder.feed(received), request.id):
                    yield delta
                    self._read(reader, [], request.id)
            if delta := self._read(reader, decoder.end(), request.id):
                yield delta
                self._read(reader, [], request.id)
        finally:
            response.close()
        if reader.finish_reason is None:
            raise self._blame.of_break(None, request.id, reader.num_tokens)
        yield reader.last()

    async def _receive(self, response: aiohttp.ClientResponse, reader: ChunkReader, request_id: str) -> bytes:
        """The bytes that are there, once there are any; none at the end of the answer."""
        try:
            return await response.content.readany()
        except TRANSPORT_ERRORS as error:
            if reader.finish_reason is not None:
                return b""
            raise self._blame.of_break(error, request_id, reader.num_tokens) from error

    def _read(self, reader: ChunkReader, events: list[bytes], request_id: str) -> Delta | None:
        try:
            return reader.read(events)
        except ErrorChunk as error:
            raise self._blame.of_chunk(error.content, request_id) from None
        except UnreadableChunk as error:
            what = f"{self.base_url} sent something unreadable in its answer to request {request_id!r}: {error}"
            raise EngineFailed(what) from error

    async def _open(self, method: str, path: str, body: JSON | None = None) -> aiohttp.ClientResponse:
        """An answer with status 200, of which no byte of the body was read; the caller closes it."""
        for attempt in itertools.count(1):
            outcome = await self._attempt(method, path, body)
            if isinstance(outcome, aiohttp.ClientResponse):
                return outcome
            if not outcome.may_retry or attempt >= self._max_attempts:
                raise outcome.error
            await asyncio.sleep(retry_delay(attempt, outcome.retry_after, self._random))
        raise AssertionError("unreachable")

    async def _attempt(self, method: str, path: str, body: JSON | None) -> aiohttp.ClientResponse | Failure:
        if self._session is None:
            raise InputError(f"{self!r} was left; its connections are closed")
        url = f"{self._address.api}/{path}"
        data = None if body is None else orjson.dumps(body)
        try:
            response = await self._session.request(method, url, data=data, allow_redirects=False)
            if response.status == 200:
                return response
            async with response:
                return await self._refusal(response)
        except TRANSPORT_ERRORS as error:
            failure = self._blame.of_transport(error)
            failure.error.__cause__ = error
            return failure

    async def _refusal(self, response: aiohttp.ClientResponse) -> Failure:
        if 300 <= response.status < 400:
            target = response.headers.get("Location", "nowhere")
            return Failure(EngineRejected(f"{self.base_url} redirects to {target}; use that address"))
        retry_after = parse_retry_after(response.headers.get("Retry-After"), time.time())
        return self._blame.of_status(response.status, await response.read(), retry_after)

    async def _discover(self) -> EngineInfo:
        response = await self._open("GET", "models")
        async with response:
            try:
                content = await response.read()
            except TRANSPORT_ERRORS as error:
                raise self._blame.of_transport(error).error from error
        return choose_model(read_models(content, self.base_url), self._wanted_model, self.base_url)

    def _new_session(self) -> aiohttp.ClientSession:
        headers = {"Content-Type": "application/json"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return aiohttp.ClientSession(
            connector=self._new_connector(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._blame.connect_timeout_s, sock_read=self._blame.silence_timeout_s
            ),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not self._address.is_loopback,
            raise_for_status=False,
        )

    def _new_connector(self) -> aiohttp.TCPConnector:
        """No bound of ours on connections. Nearby, each request has a new one, which costs next to nothing and
        can never be one that the engine is just about to close; far away a handshake is worth saving."""
        if self._address.is_loopback:
            return aiohttp.TCPConnector(limit=0, force_close=True)
        return aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
