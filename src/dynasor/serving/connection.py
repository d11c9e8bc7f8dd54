"""A limit on how long a new connection may take to say what it wants.

aiohttp waits for the headers of a connection's first request as long as for a next one, which is minutes where proxies
keep connections; clients that send a header a minute would hold all of them.
"""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

END_OF_HEADERS = b"\r\n\r\n"


class HeaderDeadline(asyncio.Protocol):
    """Stands before ``inner`` until the first headers are there, then steps out of the way; drops the connection if
    that takes longer than ``timeout_s``."""

    def __init__(self, inner: asyncio.Protocol, timeout_s: float) -> None:
        self._inner = inner
        self._timeout_s = timeout_s
        self._tail = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._transport.abort)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        seen = self._tail + data
        if END_OF_HEADERS in seen:
            self._step_aside()
        else:
            self._tail = seen[-len(END_OF_HEADERS) + 1 :]
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _step_aside(self) -> None:
        assert self._timer is not None and self._transport is not None, "data comes after the connection"
        self._timer.cancel()
        self._transport.set_protocol(self._inner)


class Site(web.BaseSite):
    """``runner`` listening on ``host`` and ``port`` (0: a free one), with a limit on first headers."""

    def __init__(self, runner: web.BaseRunner, host: str, port: int, header_timeout_s: float) -> None:
        super().__init__(runner, backlog=1024)
        self._host = host
        self._wanted_port = port
        self._header_timeout_s = header_timeout_s

    @property
    def name(self) -> str:
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    @property
    def port(self) -> int:
        """The one it listens on."""
        server = cast(asyncio.Server | None, self._server)
        if server is None or not server.sockets:
            return self._wanted_port
        return int(server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        await super().start()
        make = self._runner.server
        assert make is not None, "the runner was set up"
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HeaderDeadline(make(), self._header_timeout_s),
            self._host,
            self._wanted_port,
            backlog=self._backlog,
        )
