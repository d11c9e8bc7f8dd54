"""What an open dashboard costs the server and the browser, in processor time, while programs come at a steady rate.

A server of ours runs programs over an engine that only waits; programs come as a Poisson process, 1,000 in ten minutes
unless told otherwise. Stretches without and with the live page open in Chromium take turns. What the server used more
with the page than without is the dashboard's; what Chromium's processes used is the browser's. Nothing is drawn by a
GPU, so the browser's share is what a machine without one pays.

    python -m benchmarks.dashboard_load --seconds 150
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import fmean
from typing import Self

import aiohttp
from playwright.async_api import async_playwright

from benchmarks.chromium import ARGUMENTS, browser_process, chromium
from benchmarks.processes import cpu_s, free_port, server_process
from dynasor import AnswerReader, Options, Runtime, Sampling
from dynasor.engines.protocol import EngineInfo
from dynasor.programs import make_program
from dynasor.scheduling import Agreement
from dynasor.serving import Offer, Service
from dynasor.serving.server import Listening, serve_until_asked
from dynasor.vocabulary import JSON, Delta, FinishReason, Message, Request

NUM_TOKENS = 40
TOKEN_S = 0.025
ANSWERS = ("12", "12", "12", "12", "15", "18", None)
PROGRAMS_PER_S = 1000 / 600


class WaitingEngine:
    """Writes a token every ``TOKEN_S``, and one of ``ANSWERS`` in the end."""

    info = EngineInfo("test", "waiting", 4096)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        answer = random.Random(request.sampling.seed).choice(ANSWERS)
        for number in range(1, NUM_TOKENS):
            await asyncio.sleep(TOKEN_S)
            yield Delta("word ", num_tokens=number)
        text = "I do not know." if answer is None else f"The answer is \\boxed{{{answer}}}."
        yield Delta(text, num_tokens=NUM_TOKENS, finish_reason=FinishReason.STOP, prompt_tokens=20)

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        return messages[-1].content


async def serve(port: int) -> None:
    async with AnswerReader() as reader:
        engines = {"waiting-1": WaitingEngine(), "waiting-2": WaitingEngine()}
        offer = Offer(
            model="waiting",
            programs=("self-consistency",),
            default_program="self-consistency",
            make_program=lambda name, given: make_program(name, None, given),
            allocator=Agreement(),
            options=Options(max_samples=8, sampling=Sampling(max_tokens=NUM_TOKENS)),
        )
        service = Service(
            lambda listener: Runtime(engines, reader, concurrency=8, policy="sjf", listener=listener), offer
        )
        await serve_until_asked(service, Listening(port=port, grace_s=0), print)


@asynccontextmanager
async def programs_coming(url: str, per_s: float) -> AsyncIterator[list[float]]:
    """In the block programs come; how long each that is over took, in seconds."""
    rng = random.Random(0)
    took: list[float] = []

    async def ask(client: aiohttp.ClientSession, number: int) -> None:
        began = time.monotonic()
        body = {"messages": [{"role": "user", "content": f"Question {number}: how many pens are there?"}]}
        async with client.post(f"{url}/v1/chat/completions", json=body) as response:
            await response.read()
        took.append(time.monotonic() - began)

    async def come() -> None:
        async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
            number = 0
            while True:
                await asyncio.sleep(rng.expovariate(per_s))
                group.create_task(ask(client, number := number + 1))

    coming = asyncio.create_task(come())
    try:
        yield took
    finally:
        coming.cancel()
        await asyncio.wait([coming])


@asynccontextmanager
async def live_page(url: str) -> AsyncIterator[int]:
    """The live page in a browser of its own; the browser's process id."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            await page.goto(url)
            await page.wait_for_selector("#status[data-status=connected]")
            yield browser_process()
        finally:
            await browser.close()


async def share_of_core(process_id: int, seconds: float) -> float:
    """What a process and its children use of one core for so long."""
    before, began = cpu_s(process_id), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_s(process_id) - before) / (time.monotonic() - began)


async def measure(url: str, server: int, seconds: float, rounds: int, per_s: float) -> JSON:
    without: list[float] = []
    watched: list[float] = []
    browsers: list[float] = []
    async with programs_coming(url, per_s) as took:
        await asyncio.sleep(min(20.0, seconds))
        for _ in range(rounds):
            without.append(await share_of_core(server, seconds))
            async with live_page(url) as browser:
                await asyncio.sleep(3)
                both = (share_of_core(server, seconds), share_of_core(browser, seconds))
                of_server, of_browser = await asyncio.gather(*both)
            watched.append(of_server)
            browsers.append(of_browser)
        num_programs = len(took)
    return {
        "programs": num_programs,
        "programs_per_ten_minutes": round(600 * per_s),
        "seconds_a_stretch": seconds,
        "server_without": without,
        "server_watched": watched,
        "dashboard": fmean(watched) - fmean(without),
        "browser": fmean(browsers),
        "browser_most": max(browsers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="of each stretch")
    parser.add_argument("--rounds", type=int, default=2, help="of a stretch without and one with the page")
    parser.add_argument("--programs-per-s", type=float, default=PROGRAMS_PER_S)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = (sys.executable, "-m", "benchmarks.dashboard_load", "--serve", str(port))
    with (
        tempfile.TemporaryDirectory() as folder,
        server_process("the server", command, f"{url}/health/ready", Path(folder) / "log") as server,
    ):
        result = asyncio.run(measure(url, server, asked.seconds, asked.rounds, asked.programs_per_s))
    print(json.dumps(result, indent=2))
    print(
        f"the dashboard takes {result['dashboard']:.2%} of a core in the server, {result['browser']:.1%} in the browser"
    )


if __name__ == "__main__":
    main()
