"""An event loop whose clock jumps: instead of waiting for the next timer, it is at once as late as that.

Everything that asyncio code knows of time comes from its loop: ``sleep``, ``timeout``, ``call_at``. So code that reads
no other clock runs here as it does on a real loop, in the same order, only without the waiting. What waits for the
world outside (a socket, a process, a thread) could never come here at a definite time, so it is refused.

A run is the same every time, to the last event: ready callbacks run in the order in which they became ready, timers
in the order of their times, and those of one time in an order that depends on nothing but how they were set.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Never, TypeVar

from dynasor.errors import SimulationFault

Result = TypeVar("Result")
RESOLUTION_S = 1e-9
"""Timers so close to each other go off together, as on a real clock; late in a long run, those that numbers cannot tell
apart."""
MOMENT_S = 0.003
NO_FILES: Mapping[Any, selectors.SelectorKey] = {}


class JumpingSelector(selectors.BaseSelector):
    """Where a real loop waits for files or the next timer, this moves ``now`` and returns at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: Callable[[], float | None] = lambda: None
        """When the loop's next timer is due; ``now`` becomes exactly that, where adding up would round."""
        self.at_rest: list[Callable[[], None]] = []
        """What is to be done before the clock moves on."""
        self.call_soon: Callable[[Callable[[], None]], object] = lambda callback: None
        self._own_pipe: selectors.SelectorKey | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.at_rest and (timeout is None or timeout > 0):
            waiting, self.at_rest = self.at_rest, []
            for callback in waiting:
                self.call_soon(callback)
            return []
        if timeout is None:
            raise SimulationFault(
                f"at {self.now:g} s everything waits and no timer is set: nothing can happen any more"
            )
        if timeout > 0:
            due = self.due()
            later = self.now + timeout
            self.now = due if due is not None and due < later + 1e-6 else later
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._own_pipe is not None:
            raise SimulationFault(f"nothing outside can be waited for on a virtual clock, as {fileobj!r} was")
        self._own_pipe = selectors.SelectorKey(fileobj, fileobj, events, data)  # by which threads wake a loop
        return self._own_pipe

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key, self._own_pipe = self._own_pipe, None
        assert key is not None, "the loop unregisters the pipe that it registered"
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        if self._own_pipe is None or fileobj != self._own_pipe.fileobj:
            raise KeyError(fileobj)
        return self._own_pipe

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return NO_FILES if self._own_pipe is None else {self._own_pipe.fileobj: self._own_pipe}


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock that starts at 0 s. See the module."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)
        self._jumping.due = self._next_due
        self._jumping.call_soon = self.call_soon

    def time(self) -> float:
        return self._jumping.now

    def call_at_rest(self, callback: Callable[[], None]) -> None:
        """Call it when all that happens at this time has happened, before the clock moves on."""
        self._jumping.at_rest.append(callback)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Never:  # type: ignore[override]  # no future to give
        raise SimulationFault(f"no thread can be waited for on a virtual clock, as for {func!r}")

    async def subprocess_exec(self, *args: Any, **options: Any) -> Never:
        raise SimulationFault(f"no process can be waited for on a virtual clock, as for {args[1:]!r}")

    async def subprocess_shell(self, *args: Any, **options: Any) -> Never:
        raise SimulationFault(f"no process can be waited for on a virtual clock, as for {args[1:]!r}")

    def _next_due(self) -> float | None:
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # BaseEventLoop's own
        if not timers:
            return None
        when = timers[0].when()
        self._clock_resolution = max(RESOLUTION_S, 2 * math.ulp(when))
        return when


def at_rest(callback: Callable[[], None]) -> None:
    """``VirtualLoop.call_at_rest``; on a real loop, after a moment in which most that happens now has happened."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.call_at_rest(callback)
    else:
        loop.call_later(MOMENT_S, callback)


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """What ``asyncio.run`` does, on a virtual clock. SimulationFault if it waits for anything but time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
