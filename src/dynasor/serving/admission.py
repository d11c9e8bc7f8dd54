"""Who is let in: bounds on programs, and when to come back. Pure: time comes in as ``now``, in seconds."""

from __future__ import annotations

from collections import Counter, deque

from dynasor.serving.limits import Limits
from dynasor.serving.refusals import Refusal

RECENT = 64
"""Over how many ends of programs their rate is taken."""
RETRY_WITHOUT_HISTORY_S = 5.0


class Admission:
    """Counts the programs in the house, of each tenant and waiting, and refuses one too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._running_by_tenant: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self._ends: deque[float] = deque(maxlen=RECENT)
        self.closing_in_s: float | None = None
        """Set once nobody is let in any more: how long until another server may answer."""

    def __repr__(self) -> str:
        return f"Admission(programs={self.num_programs}, waiting={len(self._waiting)})"

    @property
    def num_programs(self) -> int:
        return self._running_by_tenant.total()

    def refusal(self, tenant: str, now: float) -> Refusal | None:
        """Why one more program of ``tenant`` cannot be let in; None: it can."""
        limits = self._limits
        if self.closing_in_s is not None:
            return Refusal.closing(self.closing_in_s)
        if tenant and self._running_by_tenant[tenant] >= limits.max_programs_per_key:
            what = f"{limits.max_programs_per_key} programs of this key are at work, as many as it may have at once"
            return Refusal.busy(what, self.retry_after_s(1, now))
        if len(self._waiting) >= limits.max_waiting:
            what = f"{len(self._waiting)} programs wait for an engine, as many as may"
            return Refusal.busy(what, self.retry_after_s(len(self._waiting) - limits.max_waiting + 1, now))
        return None

    def enter(self, program_id: str, tenant: str) -> None:
        self._running_by_tenant[tenant] += 1
        self._waiting.add(program_id)

    def begin(self, program_id: str) -> None:
        """An engine works on the program."""
        self._waiting.discard(program_id)

    def leave(self, program_id: str, tenant: str, now: float) -> None:
        self._waiting.discard(program_id)
        self._running_by_tenant[tenant] -= 1
        if not self._running_by_tenant[tenant]:
            del self._running_by_tenant[tenant]
        self._ends.append(now)

    def retry_after_s(self, places: int, now: float) -> float:
        """How long until so many programs have ended, if they go on ending as they lately did."""
        if not self._ends:
            return RETRY_WITHOUT_HISTORY_S
        return places * (now - self._ends[0]) / len(self._ends)
