"""Reading a stream in the background, so that whatever a program does beside it never pauses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dynasor.errors import first_cause
from dynasor.programs.protocol import TextStream
from dynasor.vocabulary import Delta

Result = TypeVar("Result")
Heard = Callable[[Delta], None]


class Reading:
    """A stream that a task of its own reads to the end, telling ``heard`` of all that comes, and how far it is."""

    def __init__(self, stream: TextStream, group: asyncio.TaskGroup, heard: Heard) -> None:
        self._stream = stream
        self._heard = heard
        self._group = group
        self._news = asyncio.Event()
        self._reader = group.create_task(self._read())

    @property
    def has_ended(self) -> bool:
        return self._reader.done()

    async def grows_to(self, num_tokens: int) -> bool:
        """Wait until the stream has ``num_tokens`` tokens; False if it ends before that."""
        while not self.has_ended and self._stream.num_tokens < num_tokens:
            self._news.clear()
            await self._news.wait()
        return not self.has_ended

    async def ends(self) -> None:
        await asyncio.wait((self._reader,))

    async def beside(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """What ``work`` brings; None if the stream ends first, which cancels it."""
        task = self._group.create_task(work)
        await asyncio.wait((task, self._reader), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        return None

    async def _read(self) -> None:
        try:
            async for delta in self._stream:
                self._heard(delta)
                self._news.set()
        finally:
            asyncio.get_running_loop().call_soon(self._news.set)  # once this task is done, which waiters look at

    def stop(self) -> None:
        self._reader.cancel()


@asynccontextmanager
async def reading(stream: TextStream, heard: Heard) -> AsyncIterator[Reading]:
    """Read ``stream``, which is open, beside the block; leaving the block stops the reading. An error of the stream,
    or of work beside it, ends the block and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            reader = Reading(stream, group, heard)
            try:
                yield reader
            finally:
                reader.stop()
    except BaseExceptionGroup as errors:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise asyncio.CancelledError from errors
        raise first_cause(errors) from errors
