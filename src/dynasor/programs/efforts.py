"""How patient a chain of thought is with itself, as numbers under names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

EffortName = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many tokens a chain writes from one probe to the next, how many probes in a row ``stability`` looks at, and
    how many tokens come before the first probe."""

    probe_interval: int
    window: int
    min_tokens: int

    def num_intervals(self, max_tokens: int | None) -> int | None:
        """How many units of the knob a chain of ``max_tokens`` tokens has at most; None: nobody limits it."""
        return None if max_tokens is None else math.ceil(max_tokens / self.probe_interval)


EFFORTS: Mapping[EffortName, Effort] = MappingProxyType(
    {
        "low": Effort(probe_interval=32, window=2, min_tokens=0),
        "medium": Effort(probe_interval=64, window=3, min_tokens=0),
        "high": Effort(probe_interval=64, window=5, min_tokens=512),
    }
)
"""``medium`` has the interval and the window that the paper's authors chose as their default."""

FEWEST_INTERVALS = 32
SHORTEST_INTERVAL = 16


def interval_for(effort: Effort, max_tokens: int | None) -> int:
    """The effort's probe interval, or a shorter one for a budget that would have fewer than 32 of those: the 32nd
    part of it, but not below 16 tokens, for a probe itself takes about ten."""
    if max_tokens is None:
        return effort.probe_interval
    return min(effort.probe_interval, max(SHORTEST_INTERVAL, max_tokens // FEWEST_INTERVALS))
