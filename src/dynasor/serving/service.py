"""What all endpoints of one server share: the runtime, its books, its limits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dynasor.events import DriftSuspected, Event, Listener, RequestStarted
from dynasor.runtime import Runtime
from dynasor.serving.admission import Admission
from dynasor.serving.dashboard import Tallies, Views, Watchers
from dynasor.serving.keys import KeyRing
from dynasor.serving.limits import Limits
from dynasor.serving.metrics import Metrics, ReplicaLoad, SchedulerState
from dynasor.serving.plans import Offer, Plan
from dynasor.serving.program_log import ProgramLog, Record, scoped_id
from dynasor.serving.refusals import Refusal, Refused
from dynasor.vocabulary import Answer, Question, StopReason

logger = logging.getLogger("dynasor.serving")


class Service:
    """Runs programs for clients, each let in by the limits, and keeps the books.

    Args:
        make_runtime: makes the runtime, given the listener that keeps the books.
        offer: what clients can have.
        max_model_len: how many tokens prompt and answer may have together, where the engine says.
        listener: hears all that happens, besides.
        log_prompts: whether what users write may be logged.
    """

    def __init__(
        self,
        make_runtime: Callable[[Listener], Runtime],
        offer: Offer,
        *,
        limits: Limits | None = None,
        keys: KeyRing | None = None,
        max_model_len: int | None = None,
        listener: Listener | None = None,
        log_prompts: bool = False,
    ) -> None:
        self.offer = offer
        self.limits = limits or Limits()
        self.keys = keys or KeyRing()
        self.max_model_len = max_model_len
        self.log_prompts = log_prompts
        self.created = int(time.time())
        self.log = ProgramLog(time.time)
        self.admission = Admission(self.limits)
        self.runtime = make_runtime(self.hear)
        self.metrics = Metrics(
            self.log,
            self.scheduler_state,
            model=offer.model,
            tenants=self.keys.names,
            watch=self.runtime.watch,
            now=time.time,
        )
        self.tallies = Tallies(self.log)
        self.views = Views(
            self.log, self.tallies, self.scheduler_state, self.runtime.dispatcher.waiting_order, time.time
        )
        self.watchers = Watchers()
        self.num_open = 0
        """Requests for completions that are being answered, the writing of streams included."""
        self._all_over = asyncio.Event()
        self._all_over.set()
        self._listener = listener
        self._over: dict[str, asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"Service({self.log!r}, {self.admission!r})"

    def hear(self, event: Event) -> None:
        if isinstance(event, RequestStarted):
            self.admission.begin(event.program_id)
        self.log.hear(event)
        self.metrics.hear(event)
        self.tallies.hear(event)
        if isinstance(event, DriftSuspected):
            logger.warning("%s", event)
        if self._listener is not None:
            self._listener(event)

    def check_model(self, model: str | None) -> None:
        if model not in (None, "", self.offer.model):
            message = f"the model {model!r} is not served; {self.offer.model!r} is"
            raise Refused(Refusal.not_found(message, "model_not_found", "model"))

    @contextmanager
    def admitted(self, program_id: str, tenant: str) -> Iterator[None]:
        """A place for one more program of ``tenant``, or a refusal."""
        now = time.monotonic()
        refusal = self.admission.refusal(tenant, now)
        if refusal is not None:
            raise Refused(refusal)
        if program_id in self._over:
            message = "a program of this program_id is at work; another name was expected"
            raise Refused(Refusal(409, message, param="dynasor.program_id", code="program_exists"))
        over = self._over[program_id] = asyncio.Event()
        self.admission.enter(program_id, tenant)
        try:
            yield
        finally:
            self.admission.leave(program_id, tenant, time.monotonic())
            del self._over[program_id]
            over.set()

    async def run(self, question: Question, plan: Plan, program_id: str, listener: Listener) -> Answer:
        """Work on ``question``; see ``Runtime.run``.

        Who gives a seed wants the same answer each time, which an audit, chosen at random, might change.
        """
        with self.admitted(program_id, plan.options.tenant):
            return await self.runtime.run(
                question,
                plan.program,
                plan.allocator,
                plan.options,
                program_id=program_id,
                can_be_audited=plan.is_as_offered and question.sampling.seed is None,
                listener=listener,
            )

    @contextmanager
    def being_answered(self) -> Iterator[None]:
        self.num_open += 1
        self._all_over.clear()
        try:
            yield
        finally:
            self.num_open -= 1
            if not self.num_open:
                self._all_over.set()

    async def all_over(self) -> None:
        """Wait until no request for a completion is being answered."""
        await self._all_over.wait()

    def find(self, tenant: str, program_id: str) -> Record:
        """A program of this tenant; those of others are not there."""
        record = self.log.find(scoped_id(tenant, program_id))
        if record is None:
            raise Refused(Refusal.not_found(f"there is no program {program_id!r}", "program_not_found"))
        return record

    async def stop(self, program_id: str) -> None:
        """Stop a program with what it has; returns when it is over, at once if it was."""
        over = self._over.get(program_id)
        self.runtime.stop(program_id, StopReason.STOPPED)
        if over is not None:
            await over.wait()

    def stop_all(self) -> None:
        for program_id in list(self._over):
            self.runtime.stop(program_id, StopReason.STOPPED)

    @property
    def is_ready(self) -> bool:
        return not self.why_not_ready

    @property
    def why_not_ready(self) -> str:
        """What keeps the server from taking requests; empty if nothing does."""
        if self.admission.closing_in_s is not None:
            return "the server is shutting down"
        return "" if self.runtime.replicas.has_one_in else "no engine can be reached"

    def scheduler_state(self) -> SchedulerState:
        running = Counter(
            request.replica for record in self.log.running.values() for request in record.requests.values()
        )
        dispatcher = self.runtime.dispatcher
        decisions = dispatcher.decisions
        return SchedulerState(
            decisions.num_asked,
            decisions.num_started,
            decisions.spent_s,
            [
                ReplicaLoad(each.name, each.state, running[each.name], dispatcher.capacity_of(each.name))
                for each in self.runtime.replicas
            ],
        )
