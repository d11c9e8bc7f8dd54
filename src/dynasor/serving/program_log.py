"""What programs did and do, kept from events alone: the pages and the metrics read it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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
    TreeGrown,
)
from dynasor.programs import PROGRAMS
from dynasor.serving.requests import PASS_THROUGH
from dynasor.vocabulary import Answer, Branch, Certaindex, RequestKind, TreeNode

FINISHED_KEPT = 1000
DETAILED_KEPT = 200
"""Finished programs of which trees and requests are kept, too."""
MEASURES_KEPT = 500
BRANCHES_KEPT = 256
NODES_KEPT = 256
REQUESTS_KEPT = 256
QUESTION_KEPT = 4000
"""Characters."""
STEP_KEPT = 200
"""Characters of a step in a tree."""
PROGRAM_NAMES: Mapping[str, str] = MappingProxyType(
    {**{path.rpartition(":")[2]: name for name, path in PROGRAMS.items()}, "relay": PASS_THROUGH}
)
"""What the runtime calls a program, and what users do."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How settled a program was, ``after_s`` from its arrival, after so many units of its knob, by evidence that took
    ``num_tokens``."""

    after_s: float
    certaindex: Certaindex
    answer: str | None
    finished: int
    num_tokens: int = 0


@dataclass(frozen=True, slots=True)
class OpenRequest:
    kind: RequestKind
    replica: str
    started_time: float


@dataclass(frozen=True, slots=True)
class PastRequest:
    """A request that is over, or its stay on a replica that it had to leave (``moved``)."""

    request_id: str
    kind: RequestKind
    replica: str
    started_time: float
    ended_time: float
    num_tokens: int
    outcome: str
    """finished, cancelled or moved."""


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
    question: str = ""
    answer: Answer | None = None
    relayed: Relayed | None = None
    branches: tuple[Branch, ...] = ()
    """Behind the latest measure."""
    measures: list[Measure] = field(default_factory=list)
    requests: dict[str, OpenRequest] = field(default_factory=dict)
    past_requests: deque[PastRequest] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    nodes: dict[int, TreeNode] = field(default_factory=dict)
    num_requests: int = 0
    num_tokens: int = 0
    """Produced by the requests that are over."""
    num_changes: int = 0
    """Of what is written here."""

    @property
    def public_id(self) -> str:
        return public_id(self.program_id)

    def forget_details(self) -> None:
        self.nodes.clear()
        self.past_requests.clear()
        self.num_changes += 1


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
        self._detailed: deque[Record] = deque()

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
        record.num_changes += 1
        if isinstance(event, TextShown):
            record.shown_time = record.shown_time or self._now()
        elif isinstance(event, RequestStarted):
            self._start_request(record, event)
        elif isinstance(event, RequestEnded):
            record.num_tokens += event.num_tokens
            self._end_request(record, event, "cancelled" if event.cancelled else "finished")
        elif isinstance(event, RequestMoved):
            self._end_request(record, event, "moved")
        elif isinstance(event, TreeGrown):
            grow(record, event)
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
            question=event.question[:QUESTION_KEPT],
        )

    def _start_request(self, record: Record, event: RequestStarted) -> None:
        now = self._now()
        record.started_time = record.started_time or now
        record.num_requests += 1
        record.requests[event.request_id] = OpenRequest(event.kind, event.replica, now)

    def _end_request(self, record: Record, event: RequestEnded | RequestMoved, outcome: str) -> None:
        request = record.requests.pop(event.request_id, None)
        if request is not None:
            record.past_requests.append(
                PastRequest(
                    event.request_id,
                    request.kind,
                    request.replica,
                    request.started_time,
                    self._now(),
                    event.num_tokens,
                    outcome,
                )
            )

    def _measure(self, record: Record, event: CertaindexMeasured) -> None:
        after_s = self._now() - record.arrival_time
        record.branches = event.branches
        num_tokens = sum(branch.num_tokens for branch in event.branches) or record.num_tokens
        record.measures.append(Measure(after_s, event.certaindex, event.answer, event.finished, num_tokens))
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
        self._detailed.append(record)
        if len(self._detailed) > DETAILED_KEPT:
            self._detailed.popleft().forget_details()


def grow(record: Record, event: TreeGrown) -> None:
    """Keep the tree's first nodes; those that it has are seen anew."""
    for node in event.nodes:
        if node.node in record.nodes or len(record.nodes) < NODES_KEPT:
            record.nodes[node.node] = node if len(node.text) <= STEP_KEPT else replace(node, text=node.text[:STEP_KEPT])
