"""The server as a process: it listens, serves, and shuts down in order.

The order, on the first SIGTERM or SIGINT:

1. nobody is let in any more (503 with Retry-After), readiness turns false; the port stays open for those who ask;
2. programs at work go on, for ``grace_s`` seconds at most;
3. then each is stopped and answers with what it has; requests that are passed through are cut off;
4. responses are written, for ``WRITING_S`` at most; what is left is cancelled, in the engines too;
5. the port is closed, and the caller leaves the engines.

A second signal goes to 4 at once, and waits for no writing.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from aiohttp import web

from dynasor.errors import InputError
from dynasor.serving.app import create_app
from dynasor.serving.connection import Site
from dynasor.serving.service import Service, logger

WRITING_S = 5.0
LAST_WRITE_S = 0.05
"""What responses that are just being written have, after everything else is over."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and how long programs may still take when the server shuts down."""

    host: str = "127.0.0.1"
    port: int = 8200
    cors_origins: Sequence[str] = ()
    grace_s: float = 30.0


class Shutdown:
    """Two wishes that somebody may have: to close in good order, and to close at once."""

    def __init__(self) -> None:
        self.wished = asyncio.Event()
        self.hurried = asyncio.Event()

    def ask(self) -> None:
        """The first time in good order, the second time at once."""
        (self.hurried if self.wished.is_set() else self.wished).set()


async def serve_until_asked(service: Service, listening: Listening, announce: Callable[[str], None]) -> None:
    """Serve until a signal comes, then shut down; ``announce`` is told the URL once it listens."""
    shutdown = Shutdown()
    with asked_by_signals(shutdown):
        async with open_site(service, listening) as site:
            announce(site.name)
            await shutdown.wished.wait()
            await drain(service, listening.grace_s, shutdown)


@asynccontextmanager
async def open_site(service: Service, listening: Listening) -> AsyncIterator[Site]:
    """The service, listening; what is still at work at the end of the block is cancelled."""
    runner = web.AppRunner(
        create_app(service, cors_origins=listening.cors_origins),
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=service.limits.idle_timeout_s,
        shutdown_timeout=LAST_WRITE_S,
    )
    await runner.setup()
    try:
        site = Site(runner, listening.host, listening.port, service.limits.header_timeout_s)
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen(listening, error) from error
        async with service.runtime.watching_caches():
            yield site
    finally:
        await runner.cleanup()
        await service.all_over()


def cannot_listen(listening: Listening, error: OSError) -> InputError:
    number = error.errno or 0  # below 0 for names that are not found
    reason = os.strerror(number) if number > 0 else error.strerror
    return InputError(f"cannot listen on {listening.host}, port {listening.port}: {reason}; choose --host and --port")


async def drain(service: Service, grace_s: float, shutdown: Shutdown) -> None:
    """Steps 1 to 4."""
    logger.info("shutting down; programs at work: %d", service.admission.num_programs)
    service.admission.closing_in_s = grace_s
    await over_or_hurried(service, shutdown, grace_s)
    if shutdown.hurried.is_set():
        return
    service.stop_all()
    await over_or_hurried(service, shutdown, WRITING_S)


async def over_or_hurried(service: Service, shutdown: Shutdown, most_s: float) -> None:
    """Wait until no request is being answered, somebody is in a hurry, or ``most_s`` have passed."""
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(service.all_over()), group.create_task(shutdown.hurried.wait())]
        await asyncio.wait(waits, timeout=most_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


@contextmanager
def asked_by_signals(shutdown: Shutdown) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        loop.add_signal_handler(each, shutdown.ask)
    try:
        yield
    finally:
        for each in SIGNALS:
            loop.remove_signal_handler(each)
