"""What an HTTP server and a JSON library cost by themselves: CPU time per request, per streamed chunk, per body.

Each server runs in a process of its own and answers with a constant, whole or as a stream of chunks; its CPU time is
read from the system before and after. ``python -m benchmarks.http_servers`` prints JSON. Needs starlette, uvicorn and
httptools besides our own dependencies; a server that is not installed is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from benchmarks.processes import cpu_s

CHUNK: dict[str, Any] = {
    "id": "chatcmpl-0123456789abcdef",
    "object": "chat.completion.chunk",
    "created": 1700000000,
    "model": "some-model",
    "choices": [{"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}],
}
EVENT = b"data: " + orjson.dumps(CHUNK) + b"\n\n"
NUM_CHUNKS = 100
SERVERS = {"aiohttp.web": ("aiohttp",), "starlette on uvicorn": ("starlette", "uvicorn", "httptools")}
CONVERSATION = {"messages": [{"role": "user", "content": "x" * 400}] * 10, "temperature": 0.5, "stream": True}


async def serve_aiohttp(port: int) -> None:
    async def whole(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=EVENT, content_type="application/json")

    async def streamed(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(NUM_CHUNKS):
            await response.write(EVENT)
            await asyncio.sleep(0.001)
        return response

    app = web.Application()
    app.add_routes([web.post("/whole", whole), web.post("/streamed", streamed)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def serve_starlette(port: int) -> None:
    uvicorn: Any = importlib.import_module("uvicorn")
    applications: Any = importlib.import_module("starlette.applications")
    responses: Any = importlib.import_module("starlette.responses")
    routing: Any = importlib.import_module("starlette.routing")

    async def whole(request: Any) -> Any:
        await request.body()
        return responses.Response(EVENT, media_type="application/json")

    async def events() -> AsyncIterator[bytes]:
        for _ in range(NUM_CHUNKS):
            yield EVENT
            await asyncio.sleep(0.001)

    async def streamed(request: Any) -> Any:
        await request.body()
        return responses.StreamingResponse(events(), media_type="text/event-stream")

    routes = [routing.Route("/whole", whole, methods=["POST"]), routing.Route("/streamed", streamed, methods=["POST"])]
    app = applications.Starlette(routes=routes)
    config = uvicorn.Config(app, port=port, http="httptools", loop="asyncio", log_level="error", access_log=False)
    await uvicorn.Server(config).serve()


SERVE = {"aiohttp.web": serve_aiohttp, "starlette on uvicorn": serve_starlette}


async def ask(url: str, num_requests: int, concurrency: int) -> None:
    slots = asyncio.Semaphore(concurrency)
    body = orjson.dumps(CONVERSATION)
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with slots, session.post(url, data=body) as response:
                await response.read()

        async with asyncio.TaskGroup() as group:
            for _ in range(num_requests):
                group.create_task(one())


@contextmanager
def started(name: str, port: int) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.http_servers", "--serve", name, "--port", str(port)])
    try:
        time.sleep(3)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def measure(name: str, port: int, num_requests: int) -> dict[str, float]:
    with started(name, port) as process_id:
        url = f"http://127.0.0.1:{port}"
        asyncio.run(ask(f"{url}/whole", 100, 16))
        before = cpu_s(process_id)
        asyncio.run(ask(f"{url}/whole", num_requests, 16))
        between = cpu_s(process_id)
        asyncio.run(ask(f"{url}/streamed", num_requests // 10, 16))
        after = cpu_s(process_id)
    return {
        "microseconds_per_request": round((between - before) / num_requests * 1e6, 1),
        "microseconds_per_chunk": round((after - between) / (num_requests // 10 * NUM_CHUNKS) * 1e6, 1),
    }


def timed(call: Callable[[], object], times: int = 20_000) -> float:
    """Mean microseconds of a call."""
    began = time.process_time()
    for _ in range(times):
        call()
    return round((time.process_time() - began) / times * 1e6, 2)


def measure_json() -> dict[str, dict[str, float]]:
    body, text = orjson.dumps(CONVERSATION), json.dumps(CONVERSATION)
    return {
        "orjson": {
            "read_conversation": timed(lambda: orjson.loads(body)),
            "write_chunk": timed(lambda: orjson.dumps(CHUNK)),
        },
        "json": {
            "read_conversation": timed(lambda: json.loads(text)),
            "write_chunk": timed(lambda: json.dumps(CHUNK).encode()),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=SERVERS)
    parser.add_argument("--port", type=int, default=8290)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(SERVE[arguments.serve](arguments.port))
        return
    installed = [name for name, needs in SERVERS.items() if all(map(importlib.util.find_spec, needs))]
    results = {
        "servers": {
            name: measure(name, arguments.port + index, arguments.requests) for index, name in enumerate(installed)
        },
        "json_microseconds": measure_json(),
    }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
