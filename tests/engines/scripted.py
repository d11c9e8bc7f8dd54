"""An OpenAI-compatible server on loopback that does what a test tells it to, faults included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
ONE_MODEL: list[dict[str, Any]] = [{"id": "m", "owned_by": "vllm", "max_model_len": 2048}]


class ScriptedServer:
    """Answers posts with ``replies`` in turn (the last one again and again) and keeps what was asked."""

    def __init__(self) -> None:
        self.models: Any = ONE_MODEL
        self.replies: list[Reply] = []
        self.pages: Reply = status(404, {})
        """What is answered to any other GET."""
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.client_ports: list[int] = []
        """Where each post came from: the same port is the same connection."""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> ScriptedServer:
        application = web.Application()
        application.router.add_get("/v1/models", self._list_models)
        application.router.add_get("/{path:.*}", self._show)
        application.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen(0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def listen(self, port: int) -> None:
        assert self._runner is not None
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    @property
    def port(self) -> int:
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def num_connections(self) -> int:
        """Connections that are open now, idle ones too."""
        assert self._runner is not None and self._runner.server is not None
        return len(self._runner.server.connections)

    async def stop_listening(self) -> None:
        """As if the process had ended: nobody can connect, and open connections are cut."""
        assert self._runner is not None and self._runner.server is not None
        for site in list(self._runner.sites):
            await site.stop()
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        if callable(self.models):
            response: web.StreamResponse = await self.models(request)
            return response
        return web.json_response({"object": "list", "data": self.models})

    async def _show(self, request: web.Request) -> web.StreamResponse:
        return await self.pages(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(orjson.loads(await request.read()))
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        assert request.transport is not None
        self.client_ports.append(request.transport.get_extra_info("peername")[1])
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)


def event(chunk: object) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def chat(content: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more})


def raw(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    return event({"choices": [{"index": 0, "text": text, "finish_reason": finish}], **more})


def usage(completion: int, prompt: int = 7) -> bytes:
    return event({"choices": [], "usage": {"completion_tokens": completion, "prompt_tokens": prompt}})


DONE = b"data: [DONE]\n\n"
CUT = "cut"


def stream(*pieces: bytes | float | str) -> Reply:
    """Stream ``pieces``, each as a network write of its own; a number is a pause in seconds, ``CUT`` resets the
    connection."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
                await asyncio.sleep(0.002)
            elif isinstance(piece, str):
                assert piece == CUT and request.transport is not None
                request.transport.abort()
                return response
            else:
                await asyncio.sleep(piece)
        return response

    return reply


def status(code: int, body: object = None, **headers: str) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, str):
            return web.Response(status=code, text=body, headers=names)
        return web.json_response(body, status=code, headers=names)

    return reply


def hang_up() -> Reply:
    """Close the connection instead of answering."""

    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return reply


def slow_headers(seconds: float, then: Reply) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return reply


OK = stream(raw("yes"), raw(finish="stop"), usage(3), DONE)
