"""Counts of each key's programs that are over, for the dashboard. Bounded: a few numbers a key."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from dynasor.events import Event, ProgramEnded
from dynasor.serving.metrics import stop_label
from dynasor.serving.program_log import ProgramLog, Record
from dynasor.serving.responses import saved_tokens
from dynasor.vocabulary import JSON, StopReason

RECENT = 1000
"""Programs over which quantiles are taken."""
RATE_S = 60.0
BUCKET_S = 5.0
BUCKETS_KEPT = 120
"""Ten minutes."""
CERTAINTY_BINS = 10
CUT_OFF = frozenset({StopReason.STOPPED, StopReason.DEADLINE})
"""What such programs had left to spend was not saved: they were not allowed to."""
PRODUCED = ("main", "probe", "score", "cancelled")


@dataclass(slots=True)
class Bucket:
    """Programs that ended within ``BUCKET_S`` from ``began``, in Unix seconds."""

    began: float
    finished: int = 0
    spent: int = 0
    saved: int = 0

    def to_json(self) -> list[float]:
        return [self.began, self.finished, self.spent, self.saved]


@dataclass(slots=True)
class Tally:
    """The finished programs of one key."""

    finished: int = 0
    failed: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    saved: int = 0
    stop_reasons: Counter[str] = field(default_factory=Counter)
    certainty: list[int] = field(default_factory=lambda: [0] * CERTAINTY_BINS)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    queue_times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    buckets: deque[Bucket] = field(default_factory=lambda: deque(maxlen=BUCKETS_KEPT))

    def add(self, record: Record, now: float) -> None:
        answer, relayed = record.answer, record.relayed
        self.stop_reasons[stop_label(record)] += 1
        self.finished += 1
        self.failed += answer is None and relayed is None
        self.latencies.append(now - record.arrival_time)
        self.queue_times.append((record.started_time or now) - record.arrival_time)
        spent = {"cancelled": record.num_tokens}
        saved = 0
        if answer is not None:
            spent = {kind: getattr(answer.usage, kind) for kind in PRODUCED}
            saved = saved_by(record) or 0
            self.certainty[min(CERTAINTY_BINS - 1, int(answer.certaindex.value * CERTAINTY_BINS))] += 1
        elif relayed is not None:
            spent = {"main": relayed.num_tokens}
        self.tokens.update(spent)
        self.saved += saved
        bucket = self._bucket(now)
        bucket.finished += 1
        bucket.spent += sum(spent.values())
        bucket.saved += saved

    def _bucket(self, now: float) -> Bucket:
        began = now - now % BUCKET_S
        if not self.buckets or self.buckets[-1].began != began:
            self.buckets.append(Bucket(began))
        return self.buckets[-1]

    def to_json(self, now: float) -> JSON:
        since = now - RATE_S
        recent = sum(bucket.finished for bucket in self.buckets if bucket.began >= since)
        return {
            "finished": self.finished,
            "failed": self.failed,
            "per_minute": recent * 60.0 / RATE_S,
            "latency_s": quantiles(self.latencies),
            "queue_s": quantiles(self.queue_times),
            "tokens": {kind: self.tokens[kind] for kind in PRODUCED},
            "saved": self.saved,
            "stop_reasons": dict(sorted(self.stop_reasons.items())),
            "certainty": list(self.certainty),
        }


class Tallies:
    """Listens; ``log`` must have heard an event first."""

    def __init__(self, log: ProgramLog) -> None:
        self._log = log
        self._by_tenant: dict[str, Tally] = {}

    def of(self, tenant: str) -> Tally:
        return self._by_tenant.get(tenant) or Tally()

    def hear(self, event: Event) -> None:
        if not isinstance(event, ProgramEnded):
            return
        record = self._log.finished.get(event.program_id)
        if record is not None and record.ended_time is not None:
            self._by_tenant.setdefault(record.tenant, Tally()).add(record, record.ended_time)


def saved_by(record: Record) -> int | None:
    """An estimate of the tokens that a program saved by its own end; None: it came to none, or nobody knows."""
    answer = record.answer
    return None if answer is None or answer.stop_reason in CUT_OFF else saved_tokens(answer, record.cap)


def quantiles(values: Sequence[float]) -> JSON:
    """The smallest values that half, nine tenths and 99 of a hundred do not exceed; None without values."""
    ordered = sorted(values)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {
        name: round(ordered[math.ceil(share * len(ordered)) - 1], 4) if ordered else None
        for name, share in shares.items()
    }
