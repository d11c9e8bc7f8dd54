"""The runtime: give it a question and a program, get an answer with what it cost."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields, replace

from dynasor.answers import AnswerReader
from dynasor.engines.protocol import Engine
from dynasor.errors import BadProgram, EngineError, InputError, ProgramFailed, first_cause
from dynasor.events import (
    Listener,
    ProgramEnded,
    ProgramStarted,
    RequestEnded,
    RequestStarted,
    both,
    ignore,
)
from dynasor.programs import Program
from dynasor.runtime.cache_watch import LOOK_S, watch_cache
from dynasor.runtime.dispatcher import Dispatcher, Place
from dynasor.runtime.drift import Audit, DriftWatch
from dynasor.runtime.options import Options, deadline_of
from dynasor.runtime.recovery import DEFAULT_RECOVERY, Recovery
from dynasor.runtime.relay import RELAY, Relay
from dynasor.runtime.replicas import Replicas
from dynasor.runtime.request_stream import now
from dynasor.runtime.run import ProgramRun, ProgramStatus, engine_error_in
from dynasor.runtime.session import ProgramSession, seed_of
from dynasor.runtime.visit import Replica
from dynasor.scheduling import POLICIES, AdaptiveCapacity, Allocator, Policy, Scheduler, UnitTokens
from dynasor.vocabulary import Answer, Question, RequestKind, Sampling, StopReason


class Runtime:
    """Runs programs over one engine or its replicas, with at most ``concurrency`` requests in flight on each, in the
    order of ``policy``.

    The engines and the reader are the caller's: enter and leave them around the runtime's use.
    """

    def __init__(
        self,
        engines: Engine | Sequence[Engine] | Mapping[str, Engine],
        reader: AnswerReader,
        *,
        concurrency: int | AdaptiveCapacity = 32,
        policy: str | Policy = "gang",
        weights: Mapping[str, float] | None = None,
        recovery: Recovery = DEFAULT_RECOVERY,
        listener: Listener = ignore,
        watch: DriftWatch | None = None,
    ) -> None:
        """Take the engines, under names where a mapping is given.

        Args:
            concurrency: requests in flight on each replica; those that run beside others do not count. An
                ``AdaptiveCapacity`` finds it, for each replica on its own, and heeds the engines' KV caches inside
                ``watching_caches``.
            policy: whose request starts next, a name in ``POLICIES``, or one of the caller's own.
            weights: of tenants, who then share by them; None: tenants play no part.
            recovery: what is done about replicas that fail.
            listener: hears of all programs and of the replicas.
            watch: has a share of programs run to their cap.

        Raises:
            InputError: there is no such policy, no engine, or a number is not allowed.
        """
        if isinstance(policy, str) and policy not in POLICIES:
            raise InputError(f"there is no policy {policy!r}; choose {', '.join(POLICIES)}")
        self.reader = reader
        self.listener = listener
        self.watch = watch
        self.dispatcher = Dispatcher(
            Scheduler(POLICIES[policy] if isinstance(policy, str) else policy, weights=weights)
        )
        self.replicas = Replicas(engines, self.dispatcher, capacity=concurrency, recovery=recovery, listener=listener)
        self._unit_tokens = UnitTokens()
        self._runs: dict[str, ProgramRun | Relay] = {}
        self._numbers = itertools.count()

    async def run(
        self,
        question: Question,
        program: Program,
        allocator: Allocator,
        options: Options,
        *,
        program_id: str | None = None,
        can_be_audited: bool = True,
        listener: Listener = ignore,
    ) -> Answer:
        """Work on ``question`` with ``program``, until it ends, ``options.deadline_s`` has passed, or ``stop`` is
        called: then the answer is the best that it has reported by ``Session.observe``.

        Cancelling cancels every request of the program, in the engine too, before this returns. A program that the
        drift watch picks runs to its cap, whatever ``allocator`` would say, but not past its deadline.

        Args:
            program_id: its name in events, and for ``stop``; None: one is made from the question's.
            can_be_audited: it goes by the rule of the drift watch's profile, and may be picked.
            listener: hears of this program, beside the runtime's own listener.

        Raises:
            ProgramFailed: the engine failed one of its requests; says what was spent.
            InputError: a program of this name runs already.
        """
        name = program_id if program_id is not None else f"{question.id}-{next(self._numbers)}"
        listener = both(self.listener, listener)
        watch = self.watch
        rng = random.Random(seed_of(options.seed, question.id, "audit"))
        if watch is None or not can_be_audited or not watch.audits(rng):
            return await self._run(name, question, program, allocator, options, listener)
        audit = Audit(watch.profile)
        answer = await self._run(name, question, program, watch.allocator, options, both(listener, audit.hear))
        if answer.stop_reason not in (StopReason.DEADLINE, StopReason.STOPPED):
            watch.count(audit, answer, listener)
        return answer

    def stop(self, program_id: str, reason: StopReason = StopReason.STOPPED) -> bool:
        """End a program now: what awaits its ``run`` gets the best answer it has, with ``reason``.

        Returns whether there is something to end: not if the program is unknown, over, or being ended already.
        """
        run = self._runs.get(program_id)
        return run is not None and run.end(reason)

    @asynccontextmanager
    async def watching_caches(self, look_s: float = LOOK_S) -> AsyncIterator[None]:
        """In this block it is looked every ``look_s`` seconds how full the engines' KV caches are, where they tell, and
        no adaptive capacity goes beyond what fits. With a fixed one there is nothing to look for."""
        adapting = [replica for replica in self.replicas if isinstance(replica.capacity, AdaptiveCapacity)]
        try:
            async with asyncio.TaskGroup() as group:
                looks = [group.create_task(watch_cache(each, self.dispatcher, look_s)) for each in adapting]
                yield
                for look in looks:
                    look.cancel()
        except BaseExceptionGroup as failures:
            raise first_cause(failures) from None

    def programs(self) -> list[ProgramStatus]:
        """What runs and waits, in the order of arrival."""
        return [run.status(now()) for run in self._runs.values()]

    @asynccontextmanager
    async def relay(self, options: Options, *, program_id: str, listener: Listener = ignore) -> AsyncIterator[Replica]:
        """A turn for a request that is passed through to an engine as it came: the block is its run, on the replica
        that it is given.

        It counts as a program of its own with a single request. An ``EngineError`` that leaves the block is taken for
        the replica's, where it is of a kind that replicas fail with.

        Raises:
            ProgramStopped: it was stopped, or its deadline passed, before or within the block.
        """
        listener = both(self.listener, listener)
        with self._entered(program_id, options) as (place, arrival_time):
            relay = self._runs[program_id] = Relay(program_id, options, arrival_time)
            listener(ProgramStarted(program_id, 1, RELAY, options.tenant))
            request_id = f"{program_id}-0"
            try:
                async with relay.limited(), self.dispatcher.turn(place, request_id) as name:
                    visit = self.replicas.begin(name, program_id)
                    relay.started_time = visit.started_time
                    queue_s = visit.started_time - arrival_time
                    listener(RequestStarted(program_id, request_id, RequestKind.MAIN, name, queue_s))
                    is_cancelled = True
                    try:
                        yield visit.replica
                        self.replicas.succeeded(visit)
                        is_cancelled = False
                    except EngineError as error:
                        self.replicas.failed(visit, error)
                        raise
                    finally:
                        self.replicas.end(visit)
                        run_s = now() - visit.started_time
                        listener(RequestEnded(program_id, request_id, RequestKind.MAIN, 0, is_cancelled, name, run_s))
            finally:
                listener(ProgramEnded(program_id, None))

    async def _run(
        self,
        program_id: str,
        question: Question,
        program: Program,
        allocator: Allocator,
        options: Options,
        listener: Listener,
    ) -> Answer:
        with self._entered(program_id, options) as (place, arrival_time):
            session = ProgramSession(
                program_id=program_id,
                question=question,
                replicas=self.replicas,
                dispatcher=self.dispatcher,
                place=place,
                reader=self.reader,
                allocator=allocator,
                cap=options.max_samples,
                sampling=replace(overlaid(options.sampling, question.sampling), seed=None),
                seed=options.seed if question.sampling.seed is None else question.sampling.seed,
                listener=listener,
                unit_tokens=self._usual(options),
                vote_prior=options.vote_prior,
                priority=options.priority,
            )
            asked = question.messages[-1].content if question.messages else ""
            listener(ProgramStarted(program_id, options.max_samples, type(program).__name__, options.tenant, asked))
            answer: Answer | None = None
            try:
                run = self._runs[program_id] = ProgramRun(session, program, arrival_time, options.tenant)
                found = await run.answer(deadline_of(options, arrival_time))
                answer = completed(found, run, arrival_time)
                return answer
            except (EngineError, ExceptionGroup) as error:
                cause = engine_error_in(error)
                if cause is None:
                    raise
                raise ProgramFailed(question.id, cause, session.account.usage) from cause
            finally:
                self._unit_tokens.learn(session.account.usage.produced, session.knob.done)
                listener(ProgramEnded(program_id, answer))

    def _usual(self, options: Options) -> UnitTokens:
        """What a unit is taken to cost of which the program has finished none."""
        known = options.mean_tokens_per_unit
        return self._unit_tokens if known is None else UnitTokens(known)

    @contextmanager
    def _entered(self, program_id: str, options: Options) -> Iterator[tuple[Place, float]]:
        """A program's place in line, and when it arrived."""
        if program_id in self._runs:
            raise InputError(f"a program called {program_id!r} runs already; another name was expected")
        arrival_time = now()
        place = self.dispatcher.enter(
            program_id,
            priority=options.priority,
            tenant=options.tenant,
            deadline=deadline_of(options, arrival_time),
        )
        try:
            yield place, arrival_time
        finally:
            self._runs.pop(program_id, None)
            self.dispatcher.leave(place)


def completed(found: Answer, run: ProgramRun, arrival_time: float) -> Answer:
    """A program's answer with what the runtime knows of its run."""
    if not isinstance(found, Answer):  # programs are written by anybody, also without a type checker
        kind = type(found).__name__
        raise BadProgram(f"the program {run.program} gave back a {kind}; an Answer was expected")
    session, account = run.session, run.session.account
    end_time = now()
    allocators_word = session.stop_reason if session.stop_reason is not StopReason.PROGRAM else found.stop_reason
    started_time = end_time if account.first_start_time is None else account.first_start_time
    return replace(
        found,
        stop_reason=run.ended_by or allocators_word,
        usage=account.usage,
        num_samples=session.knob.done,
        duration_s=end_time - arrival_time,
        queue_s=started_time - arrival_time,
    )


def overlaid(base: Sampling, over: Sampling) -> Sampling:
    """``base`` with every value that ``over`` sets."""
    default = Sampling()
    changes = {
        each.name: getattr(over, each.name)
        for each in fields(Sampling)
        if getattr(over, each.name) != getattr(default, each.name)
    }
    return replace(base, **changes)
