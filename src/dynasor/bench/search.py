"""Which cell to measure next: time is spent near each arm's knee, and arms take turns.

The answer follows from the cells that are there and from nothing else, so a run that was stopped goes on where it
was. Workloads come in the order in which they are given, one repetition of all before the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynasor.bench.cells import Cell, Judge
from dynasor.bench.knee import Bound, Point, knee, next_rate, scale_at

BESIDE = 1.05
"""A rate so near the baseline's knee tells what an arm does there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A cell to be measured."""

    workload: str
    arm: str
    repetition: int
    rate: float


@dataclass(frozen=True, slots=True)
class Search:
    """What is to be found.

    Args:
        guesses: by workload, a rate near the baseline's knee.
        first_try: by arm, how many times that rate it is tried at first. The first arm is the baseline.
        repetitions: how often every knee is found anew.
    """

    guesses: Mapping[str, float]
    first_try: Mapping[str, float]
    repetitions: int

    @property
    def baseline(self) -> str:
        return next(iter(self.first_try))

    def wanted(self, cells: Sequence[Cell], judge: Judge) -> Wanted | None:
        """None: everything is measured."""
        for repetition in range(self.repetitions):
            for workload in self.guesses:
                found = self._wanted_in(
                    workload, repetition, [cell for cell in cells if cell.workload == workload], judge
                )
                if found is not None:
                    return found
        return None

    def _wanted_in(self, workload: str, repetition: int, cells: Sequence[Cell], judge: Judge) -> Wanted | None:
        arms = list(self.first_try)
        turn = repetition % len(arms)
        points = {arm: points_of(cells, arm, repetition, judge) for arm in (*arms[turn:], *arms[:turn])}
        rates = {
            arm: next_rate(points[arm], self._first_rate(workload, arm, repetition, cells, judge)) for arm in points
        }
        searching = {arm: rate for arm, rate in rates.items() if rate is not None}
        if not searching:
            rate = knee(points[self.baseline]).rate
            searching = {arm: rate for arm in points if scale_at(points[arm], rate, BESIDE) is None}
        if not searching:
            return None
        arm = min(searching, key=lambda arm: len(points[arm]))
        return Wanted(workload, arm, repetition, searching[arm])

    def _first_rate(self, workload: str, arm: str, repetition: int, cells: Sequence[Cell], judge: Judge) -> float:
        """Where the arm's knee was last time; before the first time, by guess."""
        last = points_of(cells, arm, repetition - 1, judge)
        if last:
            return knee(last).rate
        baseline = points_of(cells, self.baseline, repetition, judge)
        known = knee(baseline) if baseline else None
        near = known.rate if known is not None and known.bound is Bound.MEASURED else self.guesses[workload]
        return near * self.first_try[arm]


def points_of(cells: Sequence[Cell], arm: str, repetition: int, judge: Judge) -> list[Point]:
    """An arm's curve in one repetition, in the order in which it was measured."""
    return [judge.point(cell) for cell in cells if cell.arm == arm and cell.repetition == repetition and cell.questions]
