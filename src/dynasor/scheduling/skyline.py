"""The paper's Pareto-frontier allocator: each program's further budget is capped by its certaindex now.

"An empirical map from certaindex to remaining budget", a skyline fitted on profile data (section 3.2 and appendix
B.2). ``dynasor.calibration.skyline`` fits it; with a curve for one step it is the paper's initial curve fitting, with
a curve for every step its dynamic one (Table 4).
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynasor.certainty import AGREEMENT, UNIFORM, VotePrior
from dynasor.errors import InputError
from dynasor.scheduling.allocators import signal as signal_of
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason

Knot = tuple[float, int]
"""(certaindex, units): from this certaindex on, so many further units are worth spending."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A step curve from certaindex to the further units worth spending, by its knots in order of certaindex. It never
    rises; below the first knot all that the cap leaves is worth it."""

    knots: tuple[Knot, ...] = ()

    def __post_init__(self) -> None:
        for certaindex, units in self.knots:
            if not 0 <= certaindex <= 1:
                raise InputError(f"a curve has a knot at certaindex {certaindex}; a number from 0 to 1 was expected")
            if units < 0:
                raise InputError(f"a curve has a knot of {units} units; at least 0 was expected")
        for before, after in itertools.pairwise(self.knots):
            if not (before[0] < after[0] and before[1] > after[1]):
                raise InputError(
                    f"a curve goes from {before} to {after} (certaindex, units); more of the first and less of the "
                    "second was expected"
                )

    def units(self, certaindex: float) -> int | None:
        """Further units worth spending at ``certaindex``; None: all that the cap leaves."""
        passed = bisect_right(self.knots, certaindex, key=lambda knot: knot[0])
        return self.knots[passed - 1][1] if passed else None


@dataclass(frozen=True, slots=True)
class Skyline:
    """Grants what the curve of the step it has come to says is worth spending, and stops once nothing is.

    A grant reaches no further than the next step with a curve, where the question is looked at again. Between two
    such steps a grant that is used up is the end: the curve before it said that more is not worth it. Without any
    curve it runs to the cap.

    Args:
        curves: by step, in units finished.
        signal: of the certaindex, which the curves are over: ``agreement``, the headline, or the paper's ``entropy``.
        prior: of the agreement posterior, as the profile learned it.
    """

    curves: Mapping[int, Curve] = field(default_factory=dict)
    signal: str = AGREEMENT
    prior: VotePrior = UNIFORM

    def __post_init__(self) -> None:
        for step in self.curves:
            if step < 1:
                raise InputError(f"a curve is for step {step}; at least 1 was expected")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        if spending.open:
            return Allocation.wait()
        level = 0.0 if certaindex is None else signal_of(certaindex, self.signal)
        units = self.units(spending.finished, level, spending.cap)
        return Allocation.grant(units) if units else Allocation.stop(StopReason.CERTAIN)

    def units(self, finished: int, certaindex: float, cap: int) -> int:
        """Units to spend before anything is decided again, when ``finished`` have shown this ``certaindex``; 0: none
        is worth it."""
        most = next((step for step in range(finished + 1, cap) if step in self.curves), cap) - finished
        if finished in self.curves:
            worth = self.curves[finished].units(certaindex)
            return most if worth is None else min(worth, most)
        has_begun = any(step < finished for step in self.curves)
        return 0 if has_begun else most
