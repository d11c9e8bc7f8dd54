"""What programs did and do, kept from events alone: the pages and the metrics read it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dynasor.events import (
    CertaindexMeasured,
    Event,
    ProgramEnded,
    ProgramStarted,
    Relayed,
    RequestEnded,
    RequestMoved,
    RequestStarted,
    TextShown,
)
from dynasor.programs import PROGRAMS
from dynasor.serving.requests import PASS_THROUGH
from dynasor.vocabulary import Answer, Certaindex, RequestKind

FINISHED_KEPT = 1000
MEASURES_KEPT = 500
BRANCHES_KEPT = 256
PROGRAM_NAMES: Mapping[str, str] = MappingProxyType(
    {**{path.rpartition(":")[2]: name for name, path in PROGRAMS.items()}, "relay": PASS_THROUGH}
)
"""What the runtime calls a program, and what users do."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How settled a program was, ``after_s`` from its arrival and after so many units of its knob."""

    after_s: float
    certaindex: Certaindex
    answer: str | None
    finished: int


@dataclass(frozen=True, slots=True)
class OpenRequest:
    kind: RequestKind
    replica: str
    started_time: float


@dataclass(slots=True)
class Record:
    """One program. Times are Unix seconds, None for what has not happened."""

    program_id: str
    program: str
    tenant: str
    cap: int
    arrival_time: float
    started_time: float | None = None
    shown_time: float | None = None
    ended_time: float | None = None
    answer: Answer | None = None
    relayed: Relayed | None = None
    measures: list[Measure] = field(default_factory=list)
    requests: dict[str, OpenRequest] = field(default_factory=dict)
    num_requests: int = 0
    num_tokens: int = 0
    """Produced by the requests that are over."""

    @property
    def public_id(self) -> str:
        return public_id(self.program_id)


def scoped_id(tenant: str, program_id: str) -> str:
    """What the runtime calls the program that ``tenant`` knows as ``program_id``: two tenants may use one name."""
    return f"{tenant}/{program_id}"


def public_id(scoped: str) -> str:
    return scoped.rpartition("/")[2]


class ProgramLog:
    """Listens; keeps every program at work and the latest finished ones, at most ``FINISHED_KEPT``."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.running: dict[str, Record] = {}
        self.finished: OrderedDict[str, Record] = OrderedDict()

    def __repr__(self) -> str:
        return f"ProgramLog(running={len(self.running)}, finished={len(self.finished)})"

    def find(self, program_id: str) -> Record | None:
        return self.running.get(program_id) or self.finished.get(program_id)

    def of_tenant(self, tenant: str) -> Iterator[Record]:
        """Those at work by arrival, then the finished, latest first."""
        for record in (*self.running.values(), *reversed(self.finished.values())):
            if record.tenant == tenant:
                yield record

    @property
    def num_waiting(self) -> int:
        return sum(record.started_time is None for record in self.running.values())

    def hear(self, event: Event) -> None:
        if isinstance(event, ProgramStarted):
            self._begin(event)
            return
        record = self.running.get(getattr(event, "program_id", ""))
        if record is None:
            return
        if isinstance(event, TextShown):
            record.shown_time = record.shown_time or self._now()
        elif isinstance(event, RequestStarted):
            self._start_request(record, event)
        elif isinstance(event, RequestEnded):
            record.requests.pop(event.request_id, None)
            record.num_tokens += event.num_tokens
        elif isinstance(event, RequestMoved):
            record.requests.pop(event.request_id, None)
        elif isinstance(event, CertaindexMeasured):
            self._measure(record, event)
        elif isinstance(event, Relayed):
            record.relayed = event
        elif isinstance(event, ProgramEnded):
            self._end(record, event)

    def _begin(self, event: ProgramStarted) -> None:
        self.running[event.program_id] = Record(
            event.program_id,
            PROGRAM_NAMES.get(event.program, event.program),
            event.tenant,
            event.cap,
            self._now(),
        )

    def _start_request(self, record: Record, event: RequestStarted) -> None:
        now = self._now()
        record.started_time = record.started_time or now
        record.num_requests += 1
        record.requests[event.request_id] = OpenRequest(event.kind, event.replica, now)

    def _measure(self, record: Record, event: CertaindexMeasured) -> None:
        after_s = self._now() - record.arrival_time
        record.measures.append(Measure(after_s, event.certaindex, event.answer, event.finished))
        if len(record.measures) > MEASURES_KEPT:
            del record.measures[1::2]  # half as fine, over the whole of its time

    def _end(self, record: Record, event: ProgramEnded) -> None:
        del self.running[record.program_id]
        record.answer = event.answer
        record.ended_time = self._now()
        self.finished.pop(record.program_id, None)
        self.finished[record.program_id] = record
        while len(self.finished) > FINISHED_KEPT:
            self.finished.popitem(last=False)
