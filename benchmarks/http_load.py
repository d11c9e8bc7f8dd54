"""Clients that ask an OpenAI-compatible server as fast as it answers: a load that costs next to nothing itself.

    echo '{"messages": ...}' | python -m benchmarks.http_load URL --requests 64 --concurrency 8

Each client keeps one connection and asks again when it has its answer. The body comes on standard input; the figures
are printed as JSON. Bytes are collected as they come and read only at the end of an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
COMPLETION_TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')
EVENT = re.compile(rb"^data: ?\{", re.MULTILINE)
LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load came to; seconds are wall-clock, but for ``client_cpu_s``."""

    requests: int
    """Those that were answered."""
    failed: int
    wall_s: float
    tokens: int
    chunks: int
    median_latency_s: float
    median_first_byte_s: float
    """From sending a request to the first byte of the answer's body."""
    client_cpu_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes
    latency_s: float
    first_byte_s: float


class AnswerBroken(Exception):
    """An answer that is not 200, or ended early, or by an error."""


class LeftBefore(Exception):
    """The server had closed a kept connection before it saw the request, as llama.cpp does after every stream."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._is_reused = False
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._body_start = 0
        self._body_length: int | None = None
        self._first_byte_time = 0.0
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport, self.is_open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._done is None or self._done.done():
            return
        if self._received or not self._is_reused:
            self._done.set_exception(AnswerBroken(f"the server closed the connection after {bytes(self._received)!r}"))
        else:
            self._done.set_exception(LeftBefore())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._body_start:
            self._read_head()
        if self._body_start and not self._first_byte_time and len(self._received) > self._body_start:
            self._first_byte_time = time.perf_counter()
        if self._is_whole and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end >= 0:
            self._body_start = end + 4
            said = LENGTH.search(self._received, 0, end)
            self._body_length = int(said[1]) if said else None

    @property
    def _is_whole(self) -> bool:
        if not self._body_start:
            return False
        if self._body_length is not None:
            return len(self._received) >= self._body_start + self._body_length
        return self._received.endswith(LAST_CHUNK)

    async def ask(self, request: bytes) -> Reply:
        assert self._transport is not None
        self._is_reused = self._done is not None
        self._received.clear()
        self._body_start, self._first_byte_time = 0, 0.0
        self._done = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(request)
        await self._done
        ended = time.perf_counter()
        status = bytes(self._received[:12])
        if not status.endswith(b" 200"):
            raise AnswerBroken(bytes(self._received).decode(errors="replace")[:1000])
        head, body = self._received[: self._body_start], bytes(self._received[self._body_start :])
        if CHUNKED.search(head):
            body = b"".join(unchunked(body))
        if not COMPLETION_TOKENS.search(body):
            raise AnswerBroken(f"the answer has no usage: {body[-1000:]!r}")
        return Reply(body, ended - began, self._first_byte_time - began)


def unchunked(body: bytes) -> Iterator[bytes]:
    """The pieces of a body in HTTP's chunked framing."""
    start = 0
    while True:
        line_end = body.index(b"\r\n", start)
        size = int(body[start:line_end].partition(b";")[0], 16)
        if not size:
            return
        yield body[line_end + 2 : line_end + 2 + size]
        start = line_end + 2 + size + 2


async def load(url: str, body: bytes, requests: int, concurrency: int, api_key: str = "none") -> Figures:
    """Ask ``requests`` times, ``concurrency`` at once. Raises AnswerBroken if more than half of the answers were."""
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 80)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request, replies, failures = head.encode() + body, list[Reply](), list[AnswerBroken]()
    turns = iter(range(requests))
    make_connection = asyncio.get_running_loop().create_connection

    async def client() -> None:
        connection = Connection()
        for _ in turns:
            while True:
                if not connection.is_open:
                    connection = (await make_connection(Connection, host, port))[1]
                with contextlib.suppress(LeftBefore):
                    await put(connection)
                    break

    async def put(connection: Connection) -> None:
        try:
            replies.append(await connection.ask(request))
        except AnswerBroken as error:
            failures.append(error)

    began, began_cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, requests)):
            group.create_task(client())
    wall_s, client_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    if len(failures) > len(replies):
        raise failures[0]
    return Figures(
        requests=len(replies),
        failed=len(failures),
        wall_s=wall_s,
        tokens=sum(int(COMPLETION_TOKENS.findall(reply.body)[-1]) for reply in replies),
        chunks=sum(len(EVENT.findall(reply.body)) for reply in replies),
        median_latency_s=middle([reply.latency_s for reply in replies]),
        median_first_byte_s=middle([reply.first_byte_s for reply in replies]),
        client_cpu_s=client_cpu_s,
    )


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--api-key", default="none")
    given = parser.parse_args()
    body = sys.stdin.buffer.read()
    figures = asyncio.run(load(given.url, body, given.requests, given.concurrency, given.api_key))
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
