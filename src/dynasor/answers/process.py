"""The parent's side of a worker process: started when needed, asked one question at a time, expendable.

Work on a model's text may take for ever, take all memory, or crash the interpreter; none of that can be
prevented from inside. So it happens in a process that is expendable: silent for too long, it is killed and
the next question starts a fresh one. The child's side is confinement.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Generic, TypeVar

from dynasor.vocabulary import JSON

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
"""The imports of a worker take a second or two, much longer on a busy machine."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")
"""The worker gets no other environment variables: a service's secrets are none of its business."""
MAX_LINE_BYTES = 4 * 1024**2
"""The longest reply that is read: a batch of embeddings with room to spare."""

Value = TypeVar("Value")


class WorkerProcess:
    """A child that writes one JSON line for each JSON line it reads. Its owner asks one question at a time.

    A worker is trusted with the next question only if it has replied to the last one. So a question that is
    cancelled while the worker is at it costs a restart, and a late reply is never taken for another's.

    Args:
        command: what starts it. It first writes a line, then it is ready.
        without: what the owner does where there is no worker, for the log.
        variables: its environment, beside what it is given anyway.
    """

    def __init__(self, command: tuple[str, ...], *, without: str, variables: Mapping[str, str] | None = None) -> None:
        self.state = "open"
        self._command = command
        self._without = without
        self._variables = dict(variables or {})
        self._process: asyncio.subprocess.Process | None = None
        self._has_replied = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def ask(self, question: JSON, timeout_s: float) -> JSON | None:
        """The worker's reply; None if there is none in time. If the worker turns out to be dead, a fresh one is
        asked once, for the first may have died of something else."""
        for _ in range(2):
            if not await self._get_ready():
                return None
            try:
                return await self._ask(question, timeout_s)
            except TimeoutError:
                return None
            except (OSError, ValueError):
                continue
            finally:
                if not self._has_replied:
                    self._kill()
        return None

    def close(self) -> None:
        """Kill the worker and start no other. Whoever waits for it gets None."""
        self.state = "closed"
        self._kill()

    async def end(self) -> None:
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

    async def _ask(self, question: JSON, timeout_s: float) -> JSON:
        process = self._process
        assert process is not None and process.stdin is not None
        self._has_replied = False
        async with asyncio.timeout(timeout_s):
            process.stdin.write(json.dumps(question).encode() + b"\n")
            await process.stdin.drain()
            reply = await _read(process)
        self._has_replied = True
        return reply

    async def _get_ready(self) -> bool:
        """Have a worker that waits for a question. False, from then on, if there cannot be one."""
        if self._process is not None and self._process.returncode is None and self._has_replied:
            return True
        await self.end()
        if self.state != "open":
            return False
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self._process = await self._start()
                await _read(self._process)
        except (OSError, ValueError) as error:
            if self.state == "open":
                self.state = "unavailable"
                logger.warning("%s: %s fails: %r", self._without, " ".join(self._command), error)
            await self.end()
            return False
        self._has_replied = True
        return True

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"}
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=pipe,
            stdout=pipe,
            stderr=nowhere,
            env=environment | self._variables,
            limit=MAX_LINE_BYTES,
        )

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


class Remembered(Generic[Value]):
    """What a worker said about texts, the most recently used ones; also that it could not tell."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[str, Value | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, text: str) -> bool:
        return text in self._values

    def __getitem__(self, text: str) -> Value | None:
        self._values.move_to_end(text)
        return self._values[text]

    def __setitem__(self, text: str, value: Value | None) -> None:
        self._values[text] = value
        self._values.move_to_end(text)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)


async def _read(process: asyncio.subprocess.Process) -> JSON:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise BrokenPipeError("the worker ended")
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"the worker wrote {line!r}")
    return message
