"""What Prometheus reads, made of events. Names begin with ``dynasor:``, as vLLM's do with ``vllm:``; labels are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from dynasor.events import Event, ProgramEnded, ProgramStarted, RequestEnded, RequestStarted, TextShown
from dynasor.runtime import DriftWatch
from dynasor.serving.program_log import ProgramLog, Record
from dynasor.serving.responses import saved_tokens
from dynasor.vocabulary import Answer, ReplicaState, StopReason

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
CERTAINTIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1)
MOST_TENANTS = 50
"""With more owners of keys than that, none is a label."""
RELAYED = "relayed"


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """What deciding has cost so far, and how each replica is."""

    num_decisions: int
    num_started: int
    spent_s: float
    replicas: Sequence[ReplicaLoad]


@dataclass(frozen=True, slots=True)
class ReplicaLoad:
    """A replica's state, how many requests it runs now, and how many it may; 0 while it is out."""

    name: str
    state: ReplicaState
    running: int
    capacity: int


class Metrics:
    """Counts what it hears; ``log`` must have heard it first. ``tenants`` are the named owners of keys, ``watch`` looks
    for drift."""

    def __init__(
        self,
        log: ProgramLog,
        scheduler: Callable[[], SchedulerState],
        *,
        model: str,
        tenants: Sequence[str] = (),
        watch: DriftWatch | None = None,
        now: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._log = log
        self._now = now
        self._tenants = frozenset(tenants) if len(tenants) <= MOST_TENANTS else frozenset()
        self._arrival_times: dict[str, float] = {}
        self.registry.register(Gauges(log, scheduler, model, watch))
        self._make_families()

    def _make_families(self) -> None:
        registry = self.registry

        def histogram(name: str, text: str, buckets: Sequence[float] = SECONDS) -> Histogram:
            return Histogram(f"dynasor:{name}", text, ["program"], buckets=buckets, registry=registry)

        def counter(name: str, text: str, labels: Sequence[str]) -> Counter:
            return Counter(f"dynasor:{name}", text, labels, registry=registry)

        self._finished = counter(
            "programs_finished", "Programs that are over, by why they stopped.", ["program", "stop_reason"]
        )
        self._latency = histogram("program_latency_seconds", "From a program's arrival to its end.")
        self._queue = histogram("program_queue_time_seconds", "From a program's arrival to its first request's start.")
        self._first = histogram("time_to_first_token_seconds", "From a program's arrival to its first readable text.")
        self._certaindex = histogram("certaindex_at_stop", "How settled programs were at their end.", CERTAINTIES)
        self._tokens = counter("tokens", "Tokens read and produced, by what for.", ["program", "kind"])
        self._saved = counter("tokens_saved_estimate", "Tokens that the cap would have cost besides.", ["program"])
        self._requests = counter("requests", "Requests to engines that are over.", ["kind", "replica", "cancelled"])
        self._request_queue = Histogram(
            "dynasor:request_queue_time_seconds",
            "How long requests waited for their turn.",
            ["kind"],
            buckets=SECONDS,
            registry=registry,
        )
        self._by_tenant = counter("tenant_tokens", "Tokens produced, by whose key.", ["tenant"])

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def hear(self, event: Event) -> None:
        if isinstance(event, RequestStarted):
            self._request_queue.labels(event.kind.value).observe(event.queue_s)
        elif isinstance(event, RequestEnded):
            self._requests.labels(event.kind.value, event.replica, str(event.cancelled).lower()).inc()
        elif isinstance(event, ProgramStarted):
            self._arrival_times[event.program_id] = self._now()
        elif isinstance(event, TextShown):
            self._show(event)
        elif isinstance(event, ProgramEnded):
            self._end(event)

    def _show(self, event: TextShown) -> None:
        arrival_time = self._arrival_times.pop(event.program_id, None)
        record = self._log.running.get(event.program_id)
        if arrival_time is not None and record is not None:
            self._first.labels(record.program).observe(self._now() - arrival_time)

    def _end(self, event: ProgramEnded) -> None:
        has_shown = self._arrival_times.pop(event.program_id, None) is None
        record = self._log.finished.get(event.program_id)
        if record is None or record.ended_time is None:
            return
        latency_s = record.ended_time - record.arrival_time
        self._latency.labels(record.program).observe(latency_s)
        self._queue.labels(record.program).observe((record.started_time or record.ended_time) - record.arrival_time)
        self._finished.labels(record.program, stop_label(record)).inc()
        if record.answer is None:
            self._count_without_answer(record)
            return
        if not has_shown:
            self._first.labels(record.program).observe(latency_s)
        self._count_answer(record, record.answer)

    def _count_answer(self, record: Record, answer: Answer) -> None:
        self._certaindex.labels(record.program).observe(answer.certaindex.value)
        for kind in answer.usage.__slots__:
            self._tokens.labels(record.program, kind).inc(getattr(answer.usage, kind))
        saved = saved_tokens(answer, record.cap)
        self._saved.labels(record.program).inc(saved or 0)
        self._count_tenant(record, answer.usage.produced)

    def _count_without_answer(self, record: Record) -> None:
        """A request that was passed through, or a program that failed or was left: nobody used its tokens."""
        relayed = record.relayed
        if relayed is None:
            self._tokens.labels(record.program, "cancelled").inc(record.num_tokens)
            self._count_tenant(record, record.num_tokens)
            return
        self._first.labels(record.program).observe(
            (record.started_time or record.arrival_time) - record.arrival_time + relayed.first_byte_s
        )
        self._tokens.labels(record.program, "main").inc(relayed.num_tokens)
        self._tokens.labels(record.program, "prompt").inc(relayed.prompt_tokens)
        self._count_tenant(record, relayed.num_tokens)

    def _count_tenant(self, record: Record, num_tokens: int) -> None:
        if record.tenant in self._tenants:
            self._by_tenant.labels(record.tenant).inc(num_tokens)


def stop_label(record: Record) -> str:
    if record.answer is not None:
        return record.answer.stop_reason.value
    return RELAYED if record.relayed is not None else StopReason.FAILED.value


class Gauges:
    """What is now, looked up when it is asked for."""

    def __init__(
        self, log: ProgramLog, scheduler: Callable[[], SchedulerState], model: str, watch: DriftWatch | None
    ) -> None:
        self._log = log
        self._scheduler = scheduler
        self._model = model
        self._watch = watch

    def collect(self) -> Iterable[Metric]:
        running = self._log.running
        waiting = self._log.num_waiting
        yield gauge("num_programs_running", "Programs that an engine works on.", len(running) - waiting)
        yield gauge("num_programs_waiting", "Programs that wait for an engine.", waiting)
        info = GaugeMetricFamily("dynasor:server_info", "The model that is served.", labels=["model_name"])
        info.add_metric([self._model], 1)
        yield info
        yield from self._of_scheduler(self._scheduler())
        if self._watch is not None:
            yield from self._of_drift(self._watch)

    def _of_scheduler(self, state: SchedulerState) -> Iterable[Metric]:
        yield counted("scheduler_decisions", "How often the scheduler decided.", state.num_decisions)
        yield counted("scheduler_started_requests", "Requests that it started.", state.num_started)
        yield counted("scheduler_decision_seconds", "How long deciding took, in all.", state.spent_s)
        running = GaugeMetricFamily(
            "dynasor:replica_requests_running", "Requests that a replica runs.", labels=["replica"]
        )
        capacity = GaugeMetricFamily(
            "dynasor:replica_capacity", "Requests that a replica may run; 0 while it is out.", labels=["replica"]
        )
        states = GaugeMetricFamily("dynasor:replica_state", "1 for the state it is in.", labels=["replica", "state"])
        for each in state.replicas:
            running.add_metric([each.name], each.running)
            capacity.add_metric([each.name], each.capacity)
            for known in ReplicaState:
                states.add_metric([each.name, known.value], int(each.state is known))
        yield running
        yield capacity
        yield states

    def _of_drift(self, watch: DriftWatch) -> Iterable[Metric]:
        yield counted("audited_programs", "Programs that ran to the cap to audit the profile.", watch.audited)
        yield counted(
            "audited_changes", "Those that changed their answer after the profile would have stopped.", watch.changed
        )
        yield gauge("drift_suspected", "1 once that is more than the profile allows and chance.", int(watch.warned))


def gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"dynasor:{name}", text, labels=())
    family.add_metric((), value)
    return family


def counted(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(f"dynasor:{name}", text, labels=())
    family.add_metric((), value)
    return family
