"""Requests that are passed through: the engine answers them as they came, we only see to their turn."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import orjson
from aiohttp import web

from dynasor.engines.protocol import Forwarded, Forwards
from dynasor.errors import EngineCannot, EngineUnreachable
from dynasor.events import Relayed
from dynasor.runtime import Options
from dynasor.serving.answering import PROGRAM_ID_HEADER
from dynasor.serving.event_stream import ClientStream
from dynasor.serving.program_log import public_id
from dynasor.serving.requests import Envelope
from dynasor.serving.service import Service

MAX_TRIES = 3
TAIL = 4096
"""Bytes at the end of an answer in which its usage is looked for."""
PROMPT_TOKENS = re.compile(rb'"prompt_tokens"\s*:\s*(\d+)')
COMPLETION_TOKENS = re.compile(rb'"completion_tokens"\s*:\s*(\d+)')


class Meter:
    """Reads an answer's usage on its way, without reading the answer: from its end, or where the engine does not say,
    one token for each event."""

    def __init__(self) -> None:
        self._tail = b""
        self._num_events = 0

    def feed(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-TAIL:]
        self._num_events += data.count(b"\ndata: {") + data.startswith(b"data: {")

    @property
    def num_tokens(self) -> int:
        said = COMPLETION_TOKENS.findall(self._tail)
        return int(said[-1]) if said else self._num_events

    @property
    def prompt_tokens(self) -> int:
        said = PROMPT_TOKENS.findall(self._tail)
        return int(said[-1]) if said else 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A request to pass on: where it goes under the API's root, and its body."""

    path: str
    body: bytes
    stream: bool

    @classmethod
    def of(cls, envelope: Envelope, content: bytes, path: str) -> Letter:
        """``content`` as it came, without our own object, which no engine knows."""
        if envelope.has_wants:
            members = envelope.fields.members
            content = orjson.dumps({name: value for name, value in members.items() if name != "dynasor"})
        return cls(path, content, envelope.stream)


async def relay(
    request: web.Request, service: Service, letter: Letter, options: Options, program_id: str
) -> web.StreamResponse:
    """The engine's answer to ``letter``, whatever it is. The client going away closes the connection to the engine.

    A replica that cannot be connected to has not begun to answer, so another is asked.
    """
    with service.admitted(program_id, options.tenant):
        for _ in range(MAX_TRIES - 1):
            try:
                return await relay_once(request, service, letter, options, program_id)
            except EngineUnreachable:
                if request.transport is None or request.transport.is_closing():
                    raise  # it had begun to answer, and the client was dropped
        return await relay_once(request, service, letter, options, program_id)


async def relay_once(
    request: web.Request, service: Service, letter: Letter, options: Options, program_id: str
) -> web.StreamResponse:
    async with service.runtime.relay(options, program_id=program_id) as replica:
        engine = replica.engine
        if not isinstance(engine, Forwards):
            raise EngineCannot(f"requests cannot be passed through to {replica.name}, which has no HTTP API")
        began = asyncio.get_running_loop().time()
        async with engine.forward(letter.path, letter.body) as answer:
            first_byte_s = asyncio.get_running_loop().time() - began
            meter = Meter()
            try:
                return await passed_on(request, service, letter, answer, meter, program_id)
            finally:
                service.hear(Relayed(program_id, answer.status, first_byte_s, meter.prompt_tokens, meter.num_tokens))


async def passed_on(
    request: web.Request, service: Service, letter: Letter, answer: Forwarded, meter: Meter, program_id: str
) -> web.StreamResponse:
    headers = {"Content-Type": answer.content_type, PROGRAM_ID_HEADER: public_id(program_id)}
    if not letter.stream or answer.status != 200:
        content = await whole(answer, meter)
        return web.Response(body=content, status=answer.status, headers=headers)
    out = ClientStream(request, service.limits.write_timeout_s, headers)
    try:
        while data := await answer.receive():
            meter.feed(data)
            await out.write(data)
    except BaseException:
        if out.has_begun:
            out.drop()
        raise
    return await out.end()


async def whole(answer: Forwarded, meter: Meter) -> bytes:
    pieces = []
    while data := await answer.receive():
        pieces.append(data)
    content = b"".join(pieces)
    meter.feed(content)
    return content
