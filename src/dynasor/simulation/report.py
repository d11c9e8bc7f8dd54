"""What a simulated run came to. Programs are counted as they end; what is kept of each is a few numbers."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from dynasor.scheduling.measures import finish_time_fairness
from dynasor.simulation.batching import Counters
from dynasor.simulation.workloads import Arrival
from dynasor.vocabulary import JSON, Answer, StopReason, Usage

ROUNDING_S = 1e-6
"""What a difference of two times may be off by."""


@dataclass(slots=True)
class Tally:
    """Programs that ended. Arrays have a number for each, in the order in which they ended; fairness only for those
    that produced something."""

    latency_s: array[float] = field(default_factory=lambda: array("d"))
    queue_s: array[float] = field(default_factory=lambda: array("d"))
    fairness: array[float] = field(default_factory=lambda: array("d"))
    usage: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Usage.__slots__, 0))
    samples: int = 0
    judged: int = 0
    right: int = 0
    due: int = 0
    in_time: int = 0
    stop_reasons: Counter[str] = field(default_factory=Counter)

    def add(self, arrival: Arrival, answer: Answer) -> None:
        self.latency_s.append(answer.duration_s)
        self.queue_s.append(answer.queue_s)
        phi = finish_time_fairness(answer, arrival.options.max_samples)
        if phi is not None:
            self.fairness.append(phi)
        for name in self.usage:
            self.usage[name] += getattr(answer.usage, name)
        self.samples += answer.num_samples
        self.stop_reasons[answer.stop_reason.value] += 1
        self._judge(arrival, answer)

    def _judge(self, arrival: Arrival, answer: Answer) -> None:
        if arrival.question.right is not None:
            self.judged += 1
            self.right += answer.text in arrival.question.right
        if arrival.slo_s is not None:
            self.due += 1
            self.in_time += is_in_time(answer, arrival.slo_s)

    @property
    def num_programs(self) -> int:
        return len(self.latency_s)

    def to_json(self, duration_s: float) -> JSON:
        """Times in seconds; ``fairness`` in seconds a token (``scheduling.measures``), less is better."""
        return {
            "programs": self.num_programs,
            "latency_s": spread(self.latency_s),
            "queue_s": spread(self.queue_s),
            "slo_attainment": self.in_time / self.due if self.due else None,
            "goodput_programs_per_s": self.in_time / duration_s if self.due and duration_s else None,
            "programs_per_s": self.num_programs / duration_s if duration_s else None,
            "accuracy": self.right / self.judged if self.judged else None,
            "samples_per_program": self.samples / self.num_programs if self.num_programs else None,
            "tokens": dict(self.usage),
            "fairness_s_per_token": spread(self.fairness),
            "stop_reasons": dict(sorted(self.stop_reasons.items())),
        }


def is_in_time(answer: Answer, slo_s: float) -> bool:
    """Whether it came within ``slo_s``. What its deadline ended came right then: it counts if it says something."""
    says_nothing = answer.stop_reason is StopReason.DEADLINE and answer.text is None
    return answer.duration_s <= slo_s + ROUNDING_S and not says_nothing


def spread(values: Sequence[float]) -> JSON:
    """Mean, quantiles and the most."""
    if not values:
        return dict.fromkeys(("mean", "p50", "p90", "p99", "most"))
    ordered = sorted(values)
    return {
        "mean": fmean(ordered),
        "p50": quantile(ordered, 0.5),
        "p90": quantile(ordered, 0.9),
        "p99": quantile(ordered, 0.99),
        "most": ordered[-1],
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One arm of a simulation: all programs, those of each stream, and what each replica did in ``duration_s``.
    ``left_over`` are the tokens that a replica's cache still held at the end, those that it shared, and those that were
    looked back on: none, if all is well."""

    arm: str
    duration_s: float
    whole: Tally
    by_stream: Mapping[str, Tally]
    replicas: Mapping[str, Counters]
    num_requests: int
    left_over: Mapping[str, tuple[int, int, int]]

    def to_json(self) -> JSON:
        streams = {name: tally.to_json(self.duration_s) for name, tally in self.by_stream.items()}
        return {
            "arm": self.arm,
            "duration_s": self.duration_s,
            "requests": self.num_requests,
            **self.whole.to_json(self.duration_s),
            "streams": streams if len(streams) > 1 else {},
            "replicas": {name: self._use(counters) for name, counters in self.replicas.items()},
        }

    def _use(self, counters: Counters) -> JSON:
        asked = counters.read + counters.cached
        return {
            "busy_share": counters.busy_s / self.duration_s if self.duration_s else 0.0,
            "mean_running": counters.sequence_s / counters.busy_s if counters.busy_s else 0.0,
            "most_running": counters.most_running,
            "iterations": counters.iterations,
            "written_tokens": counters.written,
            "dropped_tokens": counters.dropped,
            "read_tokens": counters.read,
            "prefix_hit_share": counters.cached / asked if asked else 0.0,
            "preemptions": counters.preemptions,
        }
