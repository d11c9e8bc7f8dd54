"""One request answered by a program: in one piece, or streamed while the program works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web

from dynasor.errors import DynasorError
from dynasor.events import CertaindexMeasured, Event, TextShown
from dynasor.serving.event_stream import DONE, KEEP_ALIVE, STREAM_HEADERS, ClientStream
from dynasor.serving.plans import Plan
from dynasor.serving.refusals import refusal_of
from dynasor.serving.responses import (
    Heading,
    Shown,
    content_of,
    final_block,
    finish_reason_of,
    rest_of,
    saved_tokens,
    usage_of,
)
from dynasor.serving.service import Service
from dynasor.vocabulary import JSON, Answer, Question

PROGRAM_ID_HEADER = "X-Dynasor-Program-Id"


@dataclass(frozen=True, slots=True)
class Job:
    """One question, how it is worked on, and under which heading it is answered. ``program_id`` is the runtime's."""

    question: Question
    plan: Plan
    heading: Heading
    program_id: str
    include_usage: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {PROGRAM_ID_HEADER: self.heading.program_id}

    def block(self, answer: Answer) -> JSON:
        return final_block(self.heading, answer, saved_tokens(answer, self.plan.options.max_samples))


async def answer_whole(service: Service, job: Job) -> web.Response:
    """The answer in one piece. The client going away cancels this, and with it the program."""
    shown = Shown()

    def hear(event: Event) -> None:
        if isinstance(event, TextShown):
            shown.add(event)

    answer = await service.run(job.question, job.plan, job.program_id, hear)
    body = job.heading.whole(
        content_of(answer),
        "".join(shown.reasoning),
        finish_reason_of(answer),
        usage_of(answer, shown.num_reasoning_chars),
        job.block(answer),
    )
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=job.headers)


async def answer_stream(request: web.Request, service: Service, job: Job) -> web.StreamResponse:
    """The answer while it comes about.

    Nothing is sent before there is something to tell, so a program that fails at once still has a status of its own;
    later failures come as an event.
    """
    limits = service.limits
    out = ClientStream(request, limits.write_timeout_s, {**STREAM_HEADERS, **job.headers})
    told: asyncio.Queue[Told] = asyncio.Queue()

    async def work() -> None:
        try:
            told.put_nowait(await service.run(job.question, job.plan, job.program_id, told.put_nowait))
        except DynasorError as error:
            told.put_nowait(error)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            ending = await tell(out, told, Telling(job), limits.keep_alive_s)
    except ExceptionGroup as group_of_one:
        raise group_of_one.exceptions[0] from group_of_one
    if ending is not None:
        if not out.has_begun:
            raise ending
        await out.send([refusal_of(ending).body()])
    await out.write(DONE)
    return await out.end()


Told = Event | Answer | DynasorError


async def tell(
    out: ClientStream, told: asyncio.Queue[Told], telling: Telling, keep_alive_s: float
) -> DynasorError | None:
    """Write what is ``told`` until it is an answer, None, or an error, which is returned."""
    while True:
        try:
            async with asyncio.timeout(keep_alive_s):
                news = [await told.get()]
        except TimeoutError:
            await out.write(KEEP_ALIVE)
            continue
        while not told.empty():
            news.append(told.get_nowait())
        if chunks := list(telling.chunks(news)):
            await out.send(chunks)
        last = news[-1]
        if isinstance(last, Answer):
            return None
        if isinstance(last, DynasorError):
            return last


class Telling:
    """What a program does, as chunks."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._heading = job.heading
        self._shown = Shown()
        self._has_begun = False

    def chunks(self, news: Sequence[Told]) -> Iterator[JSON]:
        """``news`` as chunks; texts that follow one another become one."""
        text, reasoning = "", ""
        for each in news:
            if isinstance(each, TextShown) and not (text and each.reasoning):
                text, reasoning = text + each.text, reasoning + each.reasoning
                self._shown.add(each)
                continue
            yield from self._piece(text, reasoning)
            text, reasoning = "", ""
            if isinstance(each, TextShown):
                text, reasoning = each.text, each.reasoning
                self._shown.add(each)
            elif isinstance(each, CertaindexMeasured):
                yield from self._opened()
                yield self._heading.progress(each)
            elif isinstance(each, Answer):
                yield from self._ending(each)
        yield from self._piece(text, reasoning)

    def _opened(self) -> Iterator[JSON]:
        if not self._has_begun:
            self._has_begun = True
            yield self._heading.opening()

    def _piece(self, text: str, reasoning: str) -> Iterator[JSON]:
        if text or reasoning:
            yield from self._opened()
            yield self._heading.piece(text, reasoning)

    def _ending(self, answer: Answer) -> Iterator[JSON]:
        yield from self._opened()
        yield from self._piece(rest_of(content_of(answer), answer, "".join(self._shown.text)), "")
        yield self._heading.closing(finish_reason_of(answer), self._job.block(answer))
        if self._job.include_usage:
            yield self._heading.usage(usage_of(answer, self._shown.num_reasoning_chars))
