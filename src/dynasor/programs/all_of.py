"""Work that a program does side by side: all of it, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from dynasor.errors import first_cause

Result = TypeVar("Result")


async def all_of(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What the ``works`` bring, in their order. The first error among them cancels the others and is raised."""
    tasks: list[asyncio.Task[Result]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(work) for work in works]
            if tasks:
                await asyncio.wait(tasks)  # here, for on its way out Python 3.11's group leaves us marked as cancelled
    except BaseExceptionGroup as errors:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise asyncio.CancelledError from errors
        raise first_cause(errors) from errors
    return [task.result() for task in tasks]
