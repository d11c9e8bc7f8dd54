"""One client for every engine with an OpenAI-compatible API: vLLM, SGLang, llama.cpp and hosted ones."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import orjson

from dynasor.engines.address import parse_address
from dynasor.engines.bodies import body_of, headers_of, path_of
from dynasor.engines.chunks import ChunkReader, ErrorChunk, UnreadableChunk
from dynasor.engines.counters import largest_of
from dynasor.engines.dialects import dialect_of
from dynasor.engines.discovery import choose_model, read_models
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame, Failure
from dynasor.engines.http import NO_HEADERS, Headers, answer_to, attempt, open_session, tried
from dynasor.engines.protocol import EngineInfo
from dynasor.engines.rendering import NotRendered, conversation_of
from dynasor.engines.server_events import EventDecoder
from dynasor.errors import EngineCannot, EngineFailed, InputError
from dynasor.vocabulary import JSON, Delta, Message, Request

MAX_ATTEMPTS = 5
NO_SUCH_CALL = frozenset({404, 405, 501})
"""Answers of an engine that does not know a call, or was built without it."""


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
        max_attempts: int = MAX_ATTEMPTS,
        thinking_end: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Take ``base_url`` with or without ``/v1``, or ``host:port``; nothing is sent before entering.

        Args:
            model: which of the served models to use; None: the only one.
            api_key: sent as a bearer token; never shown in a message.
            silence_timeout_s: how long the engine may send no byte, before its answer or within it.
            thinking_end: what ``end_thinking`` makes llama.cpp write for a model whose chat template does not say
                how its thinking ends; None: ``</think>``.
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
        self._thinking_end = thinking_end
        self._thinking: dict[str, ChunkReader] = {}
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
        self._session = self._new_session(keeps_connections=not self._address.is_loopback)
        try:
            self._info = await self._discover()
            self._dialect = dialect_of(self._info.kind, self._address.host)
            if self._address.is_loopback and self._dialect.keeps_connections:
                await self._session.close()
                self._session = self._new_session(keeps_connections=True)
        except BaseException:
            await self.__aexit__()
            raise
        if self._thinking_end is not None and self._dialect.thinking_end is not None:
            self._dialect = replace(self._dialect, thinking_end=self._thinking_end)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Run ``request``; see the protocol. What arrives in one network read comes as one delta."""
        body = body_of(request, self.info.model, self._dialect)
        headers = headers_of(request, self._dialect)
        response = await self._open("POST", f"{self._address.api}/{path_of(request)}", body, headers)
        reader, decoder = ChunkReader(request.sampling.top_logprobs), EventDecoder()
        if "reasoning_control" in body:
            self._thinking[request.id] = reader
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
            if self._thinking.get(request.id) is reader:
                del self._thinking[request.id]
        if reader.finish_reason is None:
            raise self._blame.of_break(None, request.id, reader.num_tokens)
        yield reader.last()

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """The raw text that a chat request with ``messages`` starts from; see the protocol."""
        kind, model = self.info.kind, self.info.model
        if self._dialect.renderer is None:
            raise EngineCannot(
                f"{self.base_url} (kind {kind!r}) cannot render a conversation as the raw text that the model "
                "continues, which this program needs; vLLM, SGLang and llama.cpp can"
            )

        async def post(path: str, body: JSON) -> Any:
            return await self._ask(f"{self._address.server}/{path}", body)

        conversation = conversation_of(messages, model, thinking)
        try:
            return await self._dialect.renderer(post, conversation, self._dialect.raw_body)
        except NotRendered as error:
            raise EngineCannot(f"{self.base_url} cannot render this conversation: {error}") from None

    async def end_thinking(self, request_id: str) -> bool:
        """Let the model of a running request think no more; see ``EndsThinking``. Only llama.cpp can."""
        reader = self._thinking.get(request_id)
        if reader is None or reader.completion_id is None:
            return False
        body = {"model": self.info.model, "id": reader.completion_id, "action": "reasoning_end"}
        try:
            answer = await self._ask(f"{self._address.api}/chat/completions/control", body)
        except EngineCannot:
            return False
        return isinstance(answer, dict) and answer.get("success") is True

    @asynccontextmanager
    async def forward(self, path: str, body: bytes) -> AsyncIterator[ForwardedResponse]:
        """Post a request that somebody else wrote; see ``Forwards``."""
        try:
            response = await answer_to(self._entered(), "POST", f"{self._address.api}/{path}", body)
        except TRANSPORT_ERRORS as error:
            raise self._blame.of_transport(error).error from error
        try:
            yield ForwardedResponse(response, self._blame, path)
        finally:
            response.close()

    def _new_session(self, *, keeps_connections: bool) -> aiohttp.ClientSession:
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=self._blame.connect_timeout_s, sock_read=self._blame.silence_timeout_s
        )
        return open_session(self._address, self._api_key, limits, keeps_connections=keeps_connections)

    def _entered(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise InputError(f"{self!r} was left; its connections are closed")
        return self._session

    async def why_priorities_are_ignored(self) -> str | None:
        """Why the engine may pass over the priorities of requests; see ``TakesPriorities``."""
        check = self._dialect.priority_check
        if check is None:
            return f"engines of kind {self.info.kind!r} have none"
        outcome = await self._try("GET", f"{self._address.server}/{check.path}", None)
        if isinstance(outcome, Failure):
            if outcome.status in NO_SUCH_CALL:
                return check.read(None)
            raise outcome.error
        try:
            return check.read(orjson.loads(await self._whole(outcome)))
        except orjson.JSONDecodeError:
            return check.read(None)

    async def cache_usage(self) -> float | None:
        """The share of the KV cache in use; see ``TellsCacheUsage``. SGLang tells with ``--enable-metrics``."""
        metric = self._dialect.cache_usage
        if metric is None:
            return None
        outcome = await self._attempt("GET", f"{self._address.server}/metrics", None, NO_HEADERS)
        if isinstance(outcome, Failure):
            if outcome.status in NO_SUCH_CALL:
                return None
            raise outcome.error
        return largest_of((await self._whole(outcome)).decode(errors="replace"), metric)

    async def _ask(self, url: str, body: JSON) -> Any:
        """The JSON that a call without a stream answers with.

        Raises:
            EngineCannot: the engine has no such call.
        """
        outcome = await self._try("POST", url, body)
        if isinstance(outcome, Failure):
            if outcome.status in NO_SUCH_CALL:
                raise EngineCannot(f"there is no {url}: {outcome.error}") from outcome.error
            raise outcome.error
        content = await self._whole(outcome)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            start = content[:80].decode(errors="replace")
            raise EngineFailed(f"{url} did not answer with JSON but with {start!r}") from error

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """All of an answer."""
        async with response:
            try:
                return await response.read()
            except TRANSPORT_ERRORS as error:
                raise self._blame.of_transport(error).error from error

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

    async def _open(
        self, method: str, url: str, body: JSON | None = None, headers: Headers = NO_HEADERS
    ) -> aiohttp.ClientResponse:
        """An answer with status 200, of which no byte of the body was read; the caller closes it."""
        outcome = await self._try(method, url, body, headers)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    async def _try(
        self, method: str, url: str, body: JSON | None, headers: Headers = NO_HEADERS
    ) -> aiohttp.ClientResponse | Failure:
        """The same, or why the last of all attempts failed."""
        return await tried(lambda: self._attempt(method, url, body, headers), self._max_attempts, self._random)

    async def _attempt(
        self, method: str, url: str, body: JSON | None, headers: Headers
    ) -> aiohttp.ClientResponse | Failure:
        return await attempt(self._entered(), self._blame, method, url, body, headers, called=self.base_url)

    async def _discover(self) -> EngineInfo:
        content = await self._whole(await self._open("GET", f"{self._address.api}/models"))
        return choose_model(read_models(content, self.base_url), self._wanted_model, self.base_url)


class ForwardedResponse:
    """See ``Forwarded``."""

    def __init__(self, response: aiohttp.ClientResponse, blame: Blame, path: str) -> None:
        self.status = response.status
        self.content_type = response.headers.get("Content-Type", "application/json")
        self._content = response.content
        self._blame = blame
        self._path = path

    async def receive(self) -> bytes:
        try:
            return await self._content.readany()
        except TRANSPORT_ERRORS as error:
            raise self._blame.of_break(error, self._path, 0) from error
