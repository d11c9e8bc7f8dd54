"""Canonical keys of formulas, from a worker process that does algebra (worker.py is the child's side)."""

from __future__ import annotations

import asyncio
import sys

from dynasor.answers.process import Remembered, WorkerProcess

COMMAND = (sys.executable, "-m", "dynasor.answers.worker")
MAX_REMEMBERED = 10_000
BUDGET_SHARE = 0.8
"""The share of the timeout after which the worker gives up by itself, which spares a restart."""


class Algebraist:
    """Asks the worker for canonical keys, one at a time. Starts it when first needed."""

    def __init__(self, timeout_s: float = 2.0, command: tuple[str, ...] = COMMAND) -> None:
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._worker = WorkerProcess(command, without="formulas are compared as text only")
        self._remembered: Remembered[str] = Remembered(MAX_REMEMBERED)

    def __repr__(self) -> str:
        return f"<Algebraist {self._worker.state} worker={self._worker.pid} remembered={len(self._remembered)}>"

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid

    async def key(self, text: str) -> str | None:
        """The canonical key of a bare answer; None if the worker cannot tell in time.

        What the worker said is remembered, also that it failed: a hostile answer is paid for once, also when
        many ask for it at the same time.
        """
        if text in self._remembered:
            return self._remembered[text]
        if self._worker.state == "closed":
            raise RuntimeError("the AnswerReader has been left; its worker cannot be asked any more")
        async with self._lock:
            if text not in self._remembered:
                self._remembered[text] = await self._ask(text)
            return self._remembered[text]

    async def close(self) -> None:
        """End the worker. Later questions are refused."""
        self._worker.close()
        async with self._lock:
            await self._worker.end()

    async def _ask(self, text: str) -> str | None:
        question = {"text": text, "budget_s": self._timeout_s * BUDGET_SHARE}
        reply = await self._worker.ask(question, self._timeout_s)
        key = reply.get("key") if reply else None
        return key if isinstance(key, str) else None
