"""What the browser tests run: Chromium, and a server of the embedded model in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import pytest

from tests.cli.running import start

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
HARD = "A shop has 47 boxes of 56 pens and sells 395 of them. How many pens are left?"
EASY = "A shop has 7 boxes of 12 pens. How many pens are there?"


def chromium() -> str:
    """Its path: DYNASOR_CHROMIUM, or wherever it is installed."""
    path = os.environ.get("DYNASOR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("there is no Chromium; install the package chromium, or name its path in DYNASOR_CHROMIUM")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedServer:
    """``dynasor serve`` on two copies of the embedded model, at one port, that can be killed and started again."""

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
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
        engines = ("--engine", "embedded", "--engine", "embedded", "--concurrency", "4")
        options = ("--port", str(self.port), "--reward", "likelihood", "--grace-s", "0", "--log-level", "error")
        self._process = start("serve", *engines, *options, *self._arguments)
        end = time.monotonic() + 60
        while not self._is_ready():
            assert self._process.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.1)

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
            "max_tokens": wants.pop("max_tokens", 300),
            "dynasor": wants,
        }
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def ask_later(self, question: str, **wants: Any) -> Future[Any]:
        """The same, in the background."""
        return self._clients.submit(self.ask, question, **wants)
