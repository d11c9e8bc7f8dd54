"""Many requests to one engine, with a bound on how many are in flight, and a progress line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from dynasor.engines.protocol import Engine
from dynasor.vocabulary import FinishReason, Request, Sampling, TokenLogprob

Job = TypeVar("Job")
Result = TypeVar("Result")
IN_FLIGHT = 32


async def complete(
    engine: Engine, prompt: str, sampling: Sampling
) -> tuple[str, int, FinishReason | None, list[TokenLogprob]]:
    """Text, number of tokens, finish reason and log-probabilities of one completion."""
    text, tokens, finish_reason, logprobs = "", 0, None, []
    async with aclosing(engine.stream(Request("training", "training", prompt, sampling))) as deltas:
        async for delta in deltas:
            text += delta.reasoning + delta.text
            tokens = delta.num_tokens
            logprobs.extend(delta.logprobs)
            finish_reason = delta.finish_reason or finish_reason
    return text, tokens, finish_reason, logprobs


async def in_parallel(
    work: Callable[[Job], Awaitable[Result]], jobs: Iterable[Job], what: str
) -> AsyncIterator[tuple[Job, Result]]:
    """``work`` on every job, ``IN_FLIGHT`` at a time; results as they come."""
    waiting = iter(jobs)
    running: dict[asyncio.Task[Result], Job] = {}
    done = 0
    while True:
        while len(running) < IN_FLIGHT and (job := next(waiting, None)) is not None:
            running[asyncio.ensure_future(work(job))] = job
        if not running:
            return
        finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            done += 1
            if done % 1000 == 0:
                print(f"{what}: {done}", file=sys.stderr, flush=True)
            yield running.pop(task), task.result()
