"""The programs of one priority class that can start something: tenants share, each in the policy's order.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tokens: every tenant has a tag, the tokens served to it over
its weight, and the one with the smallest goes next. A request is charged when it starts, with what requests take on
average, and its tag is set right when it is over. The class has a clock, the tag of the tenant served last; who comes
back from being idle gets at least that as its tag. So a tenant saves no credit while it asks for nothing, and what one
does not use, the others get. Each class is fair by itself: what a tenant gets in one does not count in another.

Without fairness there is one tenant, and the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynasor.scheduling.line import Line
from dynasor.scheduling.policies import MAX_URGENT_IN_A_ROW
from dynasor.scheduling.ranking import Ranking


class ProgramQueue:
    """Programs that can start something, in the order of their ranks, but before all others those that cannot wait."""

    __slots__ = ("_by_latest_start", "_by_rank", "_urgent_in_a_row")

    def __init__(self) -> None:
        self._by_rank: Ranking[str] = Ranking()
        self._by_latest_start: Ranking[str] = Ranking()
        self._urgent_in_a_row = 0

    def put(self, line: Line) -> None:
        """Where its rank and its latest start say."""
        assert line.rank is not None, "a program in the order has a rank"
        self._by_rank.put(line.entry.program_id, line.rank, line.entry.number)
        if line.latest_start is not None:
            self._by_latest_start.put(line.entry.program_id, line.latest_start, line.entry.number)

    def discard(self, line: Line) -> None:
        self._by_rank.discard(line.entry.program_id)
        self._by_latest_start.discard(line.entry.program_id)

    def first(self, now: float) -> str | None:
        """Id of the program whose turn it is."""
        urgent = self._by_latest_start.first()
        if urgent is not None and self._urgent_in_a_row < MAX_URGENT_IN_A_ROW and self._is_urgent(urgent, now):
            return urgent
        return self._by_rank.first()

    def count_start(self, line: Line, now: float) -> None:
        """A request of ``line`` starts, which was ``first``."""
        is_first_by_rank = line.entry.program_id == self._by_rank.first()
        if is_first_by_rank or not self._is_urgent(line.entry.program_id, now):
            self._urgent_in_a_row = 0
        else:
            self._urgent_in_a_row += 1

    def in_order(self, now: float) -> list[tuple[str, bool]]:
        """Ids of all programs, and whether each is urgent, as they would start if nothing changed."""
        urgent = dict.fromkeys(each for each in self._by_latest_start.in_order() if self._is_urgent(each, now))
        rest = [each for each in self._by_rank.in_order() if each not in urgent]
        return [(each, True) for each in urgent] + [(each, False) for each in rest]

    def _is_urgent(self, program_id: str, now: float) -> bool:
        latest = self._by_latest_start.key(program_id)
        return latest is not None and latest <= now

    @property
    def is_empty(self) -> bool:
        return self._by_rank.is_empty


@dataclass(slots=True)
class Tenant:
    programs: ProgramQueue
    weight: float
    tag: float = 0.0


@dataclass(slots=True)
class PriorityClass:
    """The programs of one priority that can start something. ``weights`` is None where fairness is off; a tenant
    that it does not name weighs 1."""

    weights: Mapping[str, float] | None
    num_programs: int = 0
    """All programs of this priority, whether they can start something or not."""
    _tenants: dict[str, Tenant] = field(default_factory=dict)
    _order: Ranking[str] = field(default_factory=Ranking)
    _clock: float = 0.0

    def put(self, line: Line) -> None:
        name = self._name(line)
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = Tenant(ProgramQueue(), (self.weights or {}).get(name, 1.0))
        if tenant.programs.is_empty:
            tenant.tag = max(tenant.tag, self._clock)
            self._order.put(name, tenant.tag)
        tenant.programs.put(line)

    def discard(self, line: Line) -> None:
        name = self._name(line)
        tenant = self._tenants.get(name)
        if tenant is None:
            return
        tenant.programs.discard(line)
        if tenant.programs.is_empty:
            self._order.discard(name)

    def first(self, now: float) -> str | None:
        """Id of the program whose turn it is; None if none can start anything."""
        name = self._order.first()
        return None if name is None else self._tenants[name].programs.first(now)

    def count_start(self, line: Line, tokens: float, now: float) -> None:
        """A request of ``line`` starts, which is expected to take so many ``tokens``."""
        tenant = self._tenants[self._name(line)]
        tenant.programs.count_start(line, now)
        if self.weights is not None:
            self._clock = max(self._clock, tenant.tag)
            tenant.tag += tokens / tenant.weight
            self._order.put(line.entry.tenant, tenant.tag)

    def correct(self, line: Line, tokens: float) -> None:
        """A request of ``line`` took so many tokens more (or, if negative, less) than its tenant was charged at its
        start. The tenant's place follows when it starts something next."""
        tenant = self._tenants.get(self._name(line))
        if tenant is not None:
            tenant.tag += tokens / tenant.weight

    def served_to(self, line: Line) -> float | None:
        """The tag of its tenant, by which tenants are ordered; None where fairness is off."""
        tenant = self._tenants.get(self._name(line))
        return None if self.weights is None or tenant is None else tenant.tag

    def in_order(self, now: float) -> list[tuple[str, bool]]:
        """Ids of all programs and whether each is urgent: tenants by who got least, in each the policy's order."""
        return [each for name in self._order.in_order() for each in self._tenants[name].programs.in_order(now)]

    def _name(self, line: Line) -> str:
        return "" if self.weights is None else line.entry.tenant

    @property
    def is_empty(self) -> bool:
        return self._order.is_empty
