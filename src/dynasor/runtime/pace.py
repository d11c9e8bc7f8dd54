"""How fast replicas write, and which of them is far too slow. Pure: no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

SLOW_SHARE = 1 / 8
"""A replica is too slow when it writes less than this share of what it usually does, and of what the others do. Load
and long prompts slow a replica down to a half or a third, and then the others as well."""
NEW_SHARE = 1 / 8
"""The weight of the latest look in what is usual."""


@dataclass(slots=True)
class Pace:
    """The tokens a second that replicas write for each request, look by look, and what is usual for each."""

    usual: dict[str, float] = field(default_factory=dict)

    def too_slow(self, rates: Mapping[str, float]) -> list[str]:
        """Which of the replicas with these ``rates`` since the last look are too slow. Only replicas that were writing
        all the time have a rate; what is usual is learned from those that are not too slow."""
        slow = [name for name, rate in rates.items() if self._is_slow(name, rate, rates)]
        for name, rate in rates.items():
            if name not in slow:
                usual = self.usual.get(name, rate)
                self.usual[name] = usual + NEW_SHARE * (rate - usual)
        return slow

    def _is_slow(self, name: str, rate: float, rates: Mapping[str, float]) -> bool:
        others = [rates.get(other, usual) for other, usual in self.usual.items() if other != name]
        if name not in self.usual or not others:
            return False
        return rate < SLOW_SHARE * min(self.usual[name], median(others))
