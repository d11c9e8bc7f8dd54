"""Server-sent events to one client, who may be slow, silent or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import orjson
from aiohttp import web

from dynasor.vocabulary import JSON

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
UNREAD = 8192
"""Bytes; half of what a transport may hold before it takes no more."""
STREAM_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class ReaderTooSlow(ConnectionError):
    """The client left the stream unread for too long and was dropped."""


class ClientStream:
    """The body of a response, written as it comes. Headers go out with the first of it, so that a failure before can
    still have a status of its own."""

    def __init__(
        self,
        request: web.Request,
        write_timeout_s: float,
        headers: Mapping[str, str] = STREAM_HEADERS,
        status: int = 200,
    ) -> None:
        self._request = request
        self._write_timeout_s = write_timeout_s
        self.response = web.StreamResponse(status=status, headers=headers)

    @property
    def has_begun(self) -> bool:
        return self.response.prepared

    async def send(self, chunks: Iterable[JSON]) -> None:
        await self.write(b"".join(event_of(chunk) for chunk in chunks))

    async def write(self, data: bytes) -> None:
        """Raises ConnectionError if the client is gone, or dropped for not reading."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        if self._will_not_wait(data):
            await self.response.write(data)
            return
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self.response.write(data)
        except TimeoutError as error:
            self.drop()
            raise ReaderTooSlow(f"the client read nothing for {self._write_timeout_s:g} s") from error

    def _will_not_wait(self, data: bytes) -> bool:
        """Whether the client has read so much that ``data`` is taken at once: nearly always, and a timer would cost
        more than the writing."""
        transport = self._request.transport
        return transport is not None and transport.get_write_buffer_size() + len(data) < UNREAD

    async def end(self) -> web.StreamResponse:
        async with asyncio.timeout(self._write_timeout_s):
            await self.response.write_eof()
        return self.response

    def drop(self) -> None:
        """Close the connection in the middle of the response, so that nobody takes it for whole."""
        if self._request.transport is not None:
            self._request.transport.abort()


def event_of(chunk: JSON) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
