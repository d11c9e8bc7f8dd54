"""What the browser tests run: Chromium, and a server of the embedded model in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.processes import free_port
from dynasor.serving import KeyRing
from tests.cli.running import start
from tests.in_process_engine import InProcessEngine, Script
from tests.serving.running import serving

HARD = "A market has 93 bags of 6808 coins. How many coins are there?"
EASY = "A shop has 7 boxes of 12 pens. How many pens are there?"
ENDLESS: Mapping[str, Any] = {"max_samples": 256, "allocator": "fixed"}
"""Of a program that is still at work when its page is open, however fast the machine."""
KINDS: Mapping[str, Mapping[str, Any]] = {
    "samples": {"program": "self-consistency", "max_samples": 6},
    "tree": {"program": "rebase", "max_samples": 6, "allocator": "fixed"},
    "rollouts": {"program": "mcts", "max_samples": 5, "allocator": "fixed"},
    "chain": {"program": "chain-of-thought", "set": {"probe_interval": 12}},
}
"""Programs of each kind that has a page of its own look, by the names that the tests give them."""


class EmbeddedServer:
    """``dynasor serve`` on copies of the embedded model, at one port, which can be killed and started again."""

    def __init__(self, num_replicas: int = 2) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._num_replicas = num_replicas
        self._process: subprocess.Popen[bytes] | None = None
        self._clients = ThreadPoolExecutor(32)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._clients.shutdown()

    def start(self) -> None:
        engines = ("--engine", "embedded") * self._num_replicas
        options = ("--port", str(self.port), "--concurrency", "4", "--reward", "likelihood")
        self._process = start("serve", *engines, *options, "--grace-s", "0", "--log-level", "error")
        end = time.monotonic() + 60
        while not self._is_ready():
            assert self._process.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.1)
        put_back_children(self._process.pid)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def ask(self, question: str, **wants: Any) -> Any:
        """The answer to a question; ``wants`` go into the member ``dynasor``, but for ``temperature``."""
        temperature = wants.pop("temperature", 1.0)
        body = {
            "messages": [{"role": "user", "content": question}],
            "temperature": temperature,
            "max_tokens": wants.pop("max_tokens", 160),
            "dynasor": {"program": "self-consistency", **wants},
        }
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=150) as response:
            return json.load(response)

    def ask_later(self, question: str, **wants: Any) -> Future[Any]:
        """The same, in the background."""
        return self._clients.submit(self.ask, question, **wants)


def put_back_children(process_id: int) -> None:
    """Engines take all of the processor that they get; let the server and the browser go before."""
    for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split():
        for thread in Path(f"/proc/{child}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), 15)


@contextmanager
def scripted(script: Script, *, keys: KeyRing | None = None) -> Iterator[str]:
    """The URL of a server in a thread of its own, with an engine that answers from a script."""
    url: Future[str] = Future()
    stop = threading.Event()

    async def work() -> None:
        async with serving(InProcessEngine(script), keys=keys) as served:
            url.set_result(served.url)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield url.result(30)
    finally:
        stop.set()
        thread.join()


def post(url: str, question: str, program_id: str, key: str | None = None) -> Any:
    """Ask a scripted server."""
    body = {"messages": [{"role": "user", "content": question}], "dynasor": {"program_id": program_id}}
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)
