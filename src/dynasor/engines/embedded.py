"""llama.cpp in a child process of ours, and the client to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from dynasor.engines.openai import OpenAIEngine
from dynasor.engines.protocol import EngineInfo, Forwarded
from dynasor.errors import EngineFailed, EngineUnreachable, InputError
from dynasor.models.formats import PROBE
from dynasor.vocabulary import Delta, Message, Request

SHIPPED_MODEL = Path(__file__).parent.parent / "models" / "embedded" / "model.gguf"
SHIPPED_NAME = "dynasor-tiny"
SERVER = Path(__file__).with_name("llamacpp_server.py")
GGUF_MAGIC = b"GGUF"
MAX_ATTEMPTS = 3
LINES_KEPT = 12
TERMINATE_GRACE_S = 3.0
DYING_GRACE_S = 0.5
"""How long after a broken answer the child may take to be seen dead."""
SPIN_COUNT = "1000"
"""How often a thread of llama.cpp (built with GNU OpenMP) looks for the others before it sleeps. Left to itself it
spins for milliseconds, which gains nothing on an idle machine, and beside any other load holds up the very thread that
it waits for (``benchmarks.spin_count``). With less than this a batch on an idle machine is slower."""


class EmbeddedEngine:
    """A GGUF model served by llama.cpp, started on entering and ended on leaving.

    It listens on a free loopback port and dies with this process, however that ends. If it ends before that, requests
    that it was working on fail, and the next one starts it again.
    """

    def __init__(
        self,
        model_path: str | Path | None = None,
        *,
        slots: int = 32,
        context_per_slot: int = 2048,
        threads: int | None = None,
        start_timeout_s: float = 120.0,
        silence_timeout_s: float = 300.0,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        """Take the model that ships with the package, or the GGUF file at ``model_path``.

        Args:
            slots: how many requests it works on at once; more wait.
            context_per_slot: how many tokens prompt and answer may have together.
            threads: for computing; None: as many as this process may use cores.

        Raises:
            InputError: there is no such file, it is no GGUF file, or a number is not above 0.
        """
        self._model_path = checked_model(model_path)
        self._thinking_end = PROBE if model_path is None else None
        self._alias = SHIPPED_NAME if model_path is None else self._model_path.stem
        self._slots = above_zero("slots", slots)
        self._context_per_slot = above_zero("context_per_slot", context_per_slot)
        self._threads = above_zero("threads", usable_cores() if threads is None else threads)
        self._start_timeout_s = start_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._max_attempts = max_attempts
        self._starting = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._client: OpenAIEngine | None = None
        self._last_words: deque[str] = deque(maxlen=LINES_KEPT)
        self._listening: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"EmbeddedEngine({str(self._model_path)!r}, slots={self._slots})"

    @property
    def info(self) -> EngineInfo:
        return self._entered().info

    @property
    def base_url(self) -> str:
        """The root of the child's API."""
        return self._entered().base_url

    @property
    def process_id(self) -> int:
        """The child's."""
        self._entered()
        assert self._child is not None
        return self._child.pid

    async def __aenter__(self) -> EmbeddedEngine:
        """Start the child and wait until it serves.

        Raises:
            EngineFailed: it did not come up; the message has its last words.
        """
        await self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._end()

    async def _start(self) -> None:
        """Have a child that serves, and a client to it."""
        try:
            client = OpenAIEngine(
                await self._start_child(),
                max_attempts=self._max_attempts,
                silence_timeout_s=self._silence_timeout_s,
                thinking_end=self._thinking_end,
            )
            self._client = await client.__aenter__()
        except BaseException:
            await self._end()
            raise

    async def _end(self) -> None:
        client = self._client
        try:
            if client is not None:
                await client.__aexit__()
        finally:
            await self._end_child()

    async def _revived(self) -> OpenAIEngine:
        """The client, to a child that was alive a moment ago; one that has ended is started again."""
        self._entered()
        async with self._starting:
            if self._child is not None and self._child.returncode is not None:
                await self._end()
                self._last_words.clear()
                await self._start()
        return self._entered()

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Run ``request``; see the protocol.

        Raises:
            EngineUnreachable: the child has ended while it worked on this.
        """
        client = await self._revived()
        async with self._obituary_for_errors(), aclosing(client.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def render(self, messages: tuple[Message, ...], *, thinking: bool | None = None) -> str:
        """The raw text that a chat request with ``messages`` starts from; see the protocol."""
        client = await self._revived()
        async with self._obituary_for_errors():
            return await client.render(messages, thinking=thinking)

    async def end_thinking(self, request_id: str) -> bool:
        """Let the model of a running request think no more; see ``EndsThinking``."""
        client = self._entered()
        async with self._obituary_for_errors():
            return await client.end_thinking(request_id)

    async def why_priorities_are_ignored(self) -> str | None:
        """llama.cpp has no priorities; see ``TakesPriorities``."""
        return await self._entered().why_priorities_are_ignored()

    @asynccontextmanager
    async def forward(self, path: str, body: bytes) -> AsyncIterator[Forwarded]:
        """Post a request that somebody else wrote; see ``Forwards``."""
        client = await self._revived()
        async with self._obituary_for_errors(), client.forward(path, body) as answer:
            yield answer

    @asynccontextmanager
    async def _obituary_for_errors(self) -> AsyncIterator[None]:
        """Tell of the child's end where that is what is behind an error.

        By then another request may have started a new child and left the client to this one, which is an InputError
        to whoever still uses it.
        """
        child = self._child
        assert child is not None, "there is a client, so there was a child"
        try:
            yield
        except (EngineFailed, EngineUnreachable) as error:
            if not await self._is_dead(child):
                raise
            raise EngineUnreachable(f"the embedded engine has ended: {self._obituary(child)}") from error
        except InputError as error:
            if child.returncode is None:
                raise
            raise EngineUnreachable(f"the embedded engine has ended: {self._obituary(child)}") from error

    def _entered(self) -> OpenAIEngine:
        if self._client is None:
            raise InputError(f"{self!r} was not entered; use it as `async with engine:`")
        return self._client

    async def _start_child(self) -> str:
        """Start the child; its address once it listens."""
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(SERVER), "--model", str(self._model_path), "--alias", self._alias),
            *("--parallel", str(self._slots), "--context", str(self._slots * self._context_per_slot)),
            *("--threads", str(self._threads)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"GOMP_SPINCOUNT": SPIN_COUNT, **os.environ},
        )
        assert self._child.stdout is not None and self._child.stderr is not None
        self._listening = asyncio.create_task(self._listen(self._child.stderr))
        try:
            async with asyncio.timeout(self._start_timeout_s):
                line = await self._child.stdout.readline()
        except TimeoutError:
            raise EngineFailed(f"llama.cpp did not start within {self._start_timeout_s:g} s{self._words()}") from None
        try:
            return str(json.loads(line)["address"])
        except (ValueError, LookupError):
            await self._is_dead(self._child)
            raise EngineFailed(f"llama.cpp cannot serve {self._model_path}: {self._obituary(self._child)}") from None

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        """Keep the child's last lines; an unread pipe would block it."""
        while line := await read_line(stderr):
            if words := line.decode(errors="replace").strip():
                self._last_words.append(words)

    async def _is_dead(self, child: asyncio.subprocess.Process) -> bool:
        """Whether it has ended, or does so within a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DYING_GRACE_S):
                await child.wait()
                if child is self._child and self._listening is not None:
                    await asyncio.shield(self._listening)
        return child.returncode is not None

    def _obituary(self, child: asyncio.subprocess.Process) -> str:
        code = child.returncode
        how = "still running" if code is None else f"signal {-code}" if code < 0 else f"exit status {code}"
        return how + (self._words() if child is self._child else "; it was started again since")

    def _words(self) -> str:
        return "; its last words:\n" + "\n".join(self._last_words) if self._last_words else "; it said nothing"

    async def _end_child(self) -> None:
        child, listening = self._child, self._listening
        if child is None:
            return
        try:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
                async with asyncio.timeout(TERMINATE_GRACE_S):
                    await child.wait()
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            if not isinstance(error, TimeoutError):
                raise
            await child.wait()
        finally:
            if listening is not None:
                listening.cancel()
            if child.stdin is not None:
                child.stdin.close()


async def read_line(stream: asyncio.StreamReader) -> bytes:
    """A line, or a piece of one that is too long to wait for."""
    try:
        return await stream.readline()
    except ValueError:
        return b"..."


def checked_model(path: str | Path | None) -> Path:
    model = SHIPPED_MODEL if path is None else Path(path)
    if not model.is_file():
        whose = "the embedded model is missing from this installation: " if path is None else "model "
        raise InputError(f"{whose}{str(model)!r} is not a file; expected a GGUF file")
    with model.open("rb") as file:
        magic = file.read(len(GGUF_MAGIC))
    if magic != GGUF_MAGIC:
        raise InputError(f"model {str(model)!r} is not a GGUF file: it begins with {magic!r}, not {GGUF_MAGIC!r}")
    return model.resolve()


def above_zero(name: str, number: int) -> int:
    if number < 1:
        raise InputError(f"{name} is {number}; expected 1 or more")
    return number


def usable_cores() -> int:
    """Cores this process may run on, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
