"""The parent's side of the worker process that does algebra (worker.py is the child's side).

Algebra on a model's text may take for ever, take all memory, or crash the interpreter; none of that can be
prevented from inside. So it happens in a process that is expendable: silent for too long, it is killed and
the next question starts a fresh one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import OrderedDict

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "dynasor.answers.worker")
START_TIMEOUT_S = 60.0
"""The import of the algebra library takes a second or two, much longer on a busy machine."""
MAX_REMEMBERED = 10_000
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")
"""The worker gets no other environment variables: a service's secrets are none of its business."""
BUDGET_SHARE = 0.8
"""The share of the timeout after which the worker gives up by itself, which spares a restart."""


class Algebraist:
    """Asks the worker for canonical keys, one at a time. Starts it when first needed.

    A worker is trusted with the next question only if it has replied to the last one. So a question that is
    cancelled while the worker is at it costs a restart, and a late reply is never taken for another's.
    """

    def __init__(self, timeout_s: float = 2.0, command: tuple[str, ...] = COMMAND) -> None:
        self._timeout_s = timeout_s
        self._command = command
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._has_replied = False
        self._state = "open"
        self._remembered: OrderedDict[str, str | None] = OrderedDict()

    def __repr__(self) -> str:
        pid = self._process.pid if self._process else None
        return f"<Algebraist {self._state} worker={pid} remembered={len(self._remembered)}>"

    @property
    def worker_pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def key(self, text: str) -> str | None:
        """The canonical key of a bare answer; None if the worker cannot tell in time.

        What the worker said is remembered, also that it failed: a hostile answer is paid for once, also when
        many ask for it at the same time.
        """
        if text in self._remembered:
            return self._recall(text)
        if self._state == "closed":
            raise RuntimeError("the AnswerReader has been left; its worker cannot be asked any more")
        async with self._lock:
            if text not in self._remembered:
                self._remembered[text] = await self._ask_or_give_up(text)
            return self._recall(text)

    async def close(self) -> None:
        """End the worker. Later questions are refused."""
        self._state = "closed"
        self._kill()
        async with self._lock:
            await self._end()

    def _recall(self, text: str) -> str | None:
        self._remembered.move_to_end(text)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return self._remembered[text]

    async def _ask_or_give_up(self, text: str) -> str | None:
        """Ask; if the worker turns out to be dead, ask a fresh one, for it may have died of something else."""
        for _ in range(2):
            if not await self._get_ready():
                return None
            try:
                return await self._ask(text)
            except TimeoutError:
                return None
            except (OSError, ValueError):
                continue
            finally:
                if not self._has_replied:
                    self._kill()
        return None

    async def _ask(self, text: str) -> str | None:
        process = self._process
        assert process is not None and process.stdin is not None
        question = {"text": text, "budget_s": self._timeout_s * BUDGET_SHARE}
        self._has_replied = False
        async with asyncio.timeout(self._timeout_s):
            process.stdin.write(json.dumps(question).encode() + b"\n")
            await process.stdin.drain()
            key = (await _read(process)).get("key")
        self._has_replied = True
        return key if isinstance(key, str) else None

    async def _get_ready(self) -> bool:
        """Have a worker that waits for a question. False, from then on, if there cannot be one."""
        if self._process is not None and self._process.returncode is None and self._has_replied:
            return True
        await self._end()
        if self._state != "open":
            return False
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self._process = await self._start()
                await _read(self._process)
        except (OSError, ValueError) as error:
            if self._state == "open":
                self._state = "unavailable"
                logger.warning("formulas are compared as text only: %s fails: %r", " ".join(self._command), error)
            await self._end()
            return False
        self._has_replied = True
        return True

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"}
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment
        )

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _end(self) -> None:
        """Kill the worker and wait until it is gone and its pipes are closed."""
        self._kill()
        if self._process is None:
            return
        process, self._has_replied = self._process, False
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        with contextlib.suppress(OSError, ValueError):
            while await process.stdout.read(65536):
                pass
        await process.wait()
        self._process = None


async def _read(process: asyncio.subprocess.Process) -> dict[str, object]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise BrokenPipeError("the worker ended")
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"the worker wrote {line!r}")
    return message
