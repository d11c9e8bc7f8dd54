"""A command on a terminal of its own, read and typed into as a user does."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cli.running import COMMAND, hear_interrupts

CTRL_C, CTRL_D = "\x03", "\x04"
STEERING = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-_])")
ROWS, COLUMNS = 40, 100


class Terminal:
    """``screen`` is all that was written, ``shown`` the same without what only steers the terminal."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self._end = end
        self.screen = ""
        self._seen = 0

    @property
    def shown(self) -> str:
        return STEERING.sub("", self.screen).replace("\r", "")

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    async def until(self, text: str, most_s: float = 60.0) -> str:
        """Read on until ``text`` is shown after what was waited for before; all from there up to it."""
        ends_at = time.monotonic() + most_s
        while (found := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < ends_at, f"{text!r} was not shown; the screen is\n{self.shown}"
            assert await self._read(), f"the command ended before {text!r}; the screen is\n{self.shown}"
        start, self._seen = self._seen, found + len(text)
        return self.shown[start : self._seen]

    async def type_until(self, keys: str, text: str, most_s: float = 60.0, every_s: float = 1.0) -> str:
        """Type ``keys``, again every ``every_s`` seconds, until ``text`` is shown. `input` shows its prompt a moment
        before it waits for signals, so Ctrl-C in that moment is heard with the next key only."""
        ends_at = time.monotonic() + most_s
        while True:
            self.type(keys)
            try:
                return await self.until(text, min(every_s, ends_at - time.monotonic()))
            except AssertionError:
                if time.monotonic() >= ends_at or self.process.poll() is not None:
                    raise

    async def ended(self, most_s: float = 30.0) -> int:
        """The exit code, once the command is over."""
        async with asyncio.timeout(most_s):
            while await self._read():
                pass
            return await asyncio.to_thread(self.process.wait)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._end)

    async def _read(self) -> bool:
        """Whether there may be more to come."""
        ready, _, _ = await asyncio.to_thread(select.select, [self._end], [], [], 0.1)
        if not ready:
            return True
        try:
            received = os.read(self._end, 65536)
        except OSError:  # the other end is closed
            return False
        self.screen += received.decode(errors="replace")
        return bool(received)


@asynccontextmanager
async def on_terminal(*arguments: str | Path) -> AsyncIterator[Terminal]:
    terminal = start_on_terminal(*arguments)
    try:
        yield terminal
    finally:
        terminal.close()


def start_on_terminal(*arguments: str | Path) -> Terminal:
    end, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(other_end)
    return Terminal(process, end)


def take_terminal() -> None:
    hear_interrupts()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
