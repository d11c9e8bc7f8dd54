"""Answers from an OpenAI-compatible server, which is asked for more where it is one of ours."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Self

import aiohttp
import orjson

from dynasor.chat.conversation import Choice
from dynasor.chat.sources import Asked, News, Progress, Report, Tell, Written
from dynasor.engines.address import parse_address
from dynasor.engines.chunks import DONE, ChunkReader, ErrorChunk, UnreadableChunk
from dynasor.engines.discovery import choose_model, read_models
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame
from dynasor.engines.retrying import parse_retry_after
from dynasor.engines.server_events import EventDecoder
from dynasor.errors import EngineError, EngineFailed, InputError
from dynasor.vocabulary import JSON, Sampling

OURS = "dynasor"
CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 10.0


class ServerSource:
    """Asks the server at ``base_url``. Nothing is tried again by itself: a user who waits would rather know."""

    def __init__(
        self, base_url: str, *, model: str | None = None, api_key: str | None = None, sampling: Sampling | None = None
    ) -> None:
        """Take ``base_url`` with or without ``/v1``; nothing is sent before entering.

        Raises:
            InputError: the address or the key cannot be used.
        """
        self._address = parse_address(base_url)
        if api_key is not None and not (api_key.isascii() and api_key.isprintable() and api_key.strip()):
            raise InputError("the API key is empty or has characters that no HTTP header can carry")
        self._wanted_model = model
        self._api_key = api_key
        self._sampling = sampling_fields(sampling or Sampling())
        self._blame = Blame(self._address.api, CONNECT_TIMEOUT_S, SILENCE_TIMEOUT_S, api_key)
        self._program_id = ""
        self.model = ""
        self.is_ours = False

    @property
    def greeting(self) -> str:
        return f"{self.model} at {self._address.api}"

    async def __aenter__(self) -> Self:
        """Connect and find the model.

        Raises:
            InputError: the model is not served, or none was named and there are several.
            EngineError: the server cannot be reached or does not answer.
        """
        self._session = self._new_session()
        try:
            await self._discover()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()

    def check(self, choice: Choice) -> None:
        if choice.program is not None and not self.is_ours:
            raise InputError(f"{self._address.api} is no dynasor server and has no programs; --engine runs them here")

    async def answer(self, asked: Asked, tell: Tell) -> Report:
        self._program_id = f"chat-{uuid.uuid4().hex}"
        url, reading = f"{self._address.api}/chat/completions", Reading(self._blame, self._program_id)
        try:
            async with self._session.post(url, json=self._body(asked), allow_redirects=False) as response:
                if response.status != 200:
                    raise await self._refusal(response)
                while received := await response.content.readany():
                    reading.feed(received, tell)
        except TRANSPORT_ERRORS as error:
            raise reading.broken_by(error) from error
        return reading.report(tell)

    async def stop(self) -> bool:
        """Ours answers with what it has; with others, closing the connection is all that can be done."""
        if not self.is_ours:
            return False
        url = f"{self._address.api}/programs/{self._program_id}"
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S), self._session.delete(url) as response:
                return response.status == 200
        except TRANSPORT_ERRORS:
            return False

    def _body(self, asked: Asked) -> JSON:
        """``reasoning_effort`` goes to all, for ours may pass the request on to the engine."""
        effort = {} if asked.choice.effort is None else {"effort": asked.choice.effort}
        program = {} if asked.choice.program is None else {"program": asked.choice.program}
        body: JSON = {
            "model": self.model,
            "messages": [{"role": each.role, "content": each.content} for each in asked.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._sampling,
            **{f"reasoning_{name}": value for name, value in effort.items()},
        }
        if self.is_ours:
            body[OURS] = {"program_id": self._program_id, **program, **effort}
        return body

    async def _discover(self) -> None:
        try:
            async with self._session.get(f"{self._address.api}/models", allow_redirects=False) as response:
                if response.status != 200:
                    raise await self._refusal(response)
                models = read_models(await response.read(), self._address.api)
        except TRANSPORT_ERRORS as error:
            raise self._blame.of_transport(error).error from error
        self.model = choose_model(models, self._wanted_model, self._address.api).model
        self.is_ours = any(each.get("owned_by") == OURS for each in models)

    async def _refusal(self, response: aiohttp.ClientResponse) -> EngineError:
        error = self._blame.of_status(response.status, await response.read()).error
        pause_s = parse_retry_after(response.headers.get("Retry-After"), time.time())
        return error if pause_s is None else type(error)(f"{error}; it asks to try again in {pause_s:.0f} s")

    def _new_session(self) -> aiohttp.ClientSession:
        """Each request has a connection of its own, for the pauses between a user's questions are longer than any
        server keeps one."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S),
            headers={} if self._api_key is None else {"Authorization": f"Bearer {self._api_key}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not self._address.is_loopback,
        )


def sampling_fields(sampling: Sampling) -> JSON:
    fields = {name: getattr(sampling, name) for name in ("temperature", "top_p", "max_tokens", "top_k", "min_p")}
    return {name: value for name, value in fields.items() if value is not None}


class Reading:
    """One streamed answer as it is read."""

    def __init__(self, blame: Blame, request_id: str) -> None:
        self._blame = blame
        self._request_id = request_id
        self._decoder = EventDecoder()
        self._reader = ChunkReader()
        self._block: Mapping[str, object] = {}

    def feed(self, received: bytes, tell: Tell) -> None:
        for event in self._decoder.feed(received):
            self._hear(event, tell)

    def report(self, tell: Tell) -> Report:
        """What the whole answer was. EngineError if it is none."""
        for event in self._decoder.end():
            self._hear(event, tell)
        if self._reader.finish_reason is None:
            raise self.broken_by(None)
        return report_of(self._block, self._reader.num_tokens, self._reader.finish_reason)

    def broken_by(self, error: BaseException | None) -> EngineError:
        if error is not None and not self._reader.num_tokens and self._reader.completion_id is None:
            return self._blame.of_transport(error).error
        return self._blame.of_break(error, self._request_id, self._reader.num_tokens)

    def _hear(self, event: bytes, tell: Tell) -> None:
        if event == DONE:
            return
        try:
            delta = self._reader.read([event])
            if delta is not None and (delta.text or delta.reasoning):
                tell(Written(delta.text, delta.reasoning))
            self._reader.read([])
        except ErrorChunk as error:
            raise self._blame.of_chunk(error.content, self._request_id) from None
        except UnreadableChunk as error:
            raise EngineFailed(f"{self._blame.api} sent something unreadable in its answer: {error}") from error
        block = orjson.loads(event).get(OURS)
        if isinstance(block, dict):
            self._block = block
            if (news := progress_of(block)) is not None:
                tell(news)


def progress_of(block: Mapping[str, object]) -> News | None:
    certaindex, answer = number_in(block, "certaindex"), block.get("answer")
    if certaindex is None or "stop_reason" in block or not block.get("signals"):
        return None
    return Progress(certaindex, None if answer is None else str(answer), int(number_in(block, "samples") or 0))


def report_of(block: Mapping[str, object], num_tokens: int, finish_reason: str) -> Report:
    """A report from our block, or where there is none, from what every server tells."""
    if "stop_reason" not in block:
        return Report(stop_reason=finish_reason, num_tokens=num_tokens)
    num_samples, num_saved = number_in(block, "samples"), number_in(block, "tokens_saved_estimate")
    return Report(
        certaindex=number_in(block, "certaindex") if block.get("signals") else None,
        stop_reason=str(block["stop_reason"]),
        num_samples=None if num_samples is None else int(num_samples),
        num_tokens=num_tokens,
        num_saved=None if num_saved is None else int(num_saved),
    )


def number_in(block: Mapping[str, object], name: str) -> float | None:
    value = block.get(name)
    return float(value) if isinstance(value, int | float) else None
