"""The runtime: give it a question and a program, get an answer with what it cost."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import dataclass, field, fields, replace

from dynasor.answers import AnswerReader
from dynasor.certainty import UNIFORM, VotePrior
from dynasor.engines.protocol import Engine
from dynasor.errors import EngineError, InputError, ProgramFailed
from dynasor.events import Event, Listener, ProgramEnded, ProgramStarted, ignore
from dynasor.programs import Program
from dynasor.runtime.dispatcher import Dispatcher
from dynasor.runtime.drift import Audit, DriftWatch
from dynasor.runtime.session import ProgramSession, seed_of
from dynasor.scheduling import POLICIES, Allocator, Fixed, Scheduler
from dynasor.vocabulary import Answer, Question, Sampling, StopReason


@dataclass(frozen=True, slots=True)
class Options:
    """How a program is run: the allocator's word is bounded by ``max_samples``; ``seed`` fixes the seeds of
    all its requests; ``vote_prior`` is what a profile learned of such questions."""

    max_samples: int = 16
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    vote_prior: VotePrior = UNIFORM

    def __post_init__(self) -> None:
        if self.max_samples < 1:
            raise InputError(f"max_samples is {self.max_samples}; at least 1 was expected")


class Runtime:
    """Runs programs over one engine, at most ``concurrency`` requests in flight, in the order of ``policy``.

    The engine and the reader are the caller's: enter and leave them around the runtime's use.
    """

    def __init__(
        self,
        engine: Engine,
        reader: AnswerReader,
        *,
        concurrency: int = 32,
        policy: str = "gang",
        listener: Listener = ignore,
        watch: DriftWatch | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise InputError(f"there is no policy {policy!r}; choose {', '.join(POLICIES)}")
        self.engine = engine
        self.reader = reader
        self.listener = listener
        self.watch = watch
        self.dispatcher = Dispatcher(Scheduler(concurrency, POLICIES[policy]))
        self._numbers = itertools.count()

    async def run(self, question: Question, program: Program, allocator: Allocator, options: Options) -> Answer:
        """Work on ``question`` with ``program``.

        Raises ProgramFailed, with what was spent, when the engine fails one of its requests. Cancelling
        cancels every request of the program, in the engine too, before this returns. A program that the drift
        watch picks runs to its cap, whatever ``allocator`` would say.
        """
        watch = self.watch
        if watch is None or not watch.audits(random.Random(seed_of(options.seed, question.id, "audit"))):
            return await self._run(question, program, allocator, options, self.listener)
        audit = Audit(watch.profile)
        answer = await self._run(question, program, Fixed(), options, both(self.listener, audit.hear))
        watch.count(audit, answer, self.listener)
        return answer

    async def _run(
        self, question: Question, program: Program, allocator: Allocator, options: Options, listener: Listener
    ) -> Answer:
        program_id = f"{question.id}-{next(self._numbers)}"
        place = self.dispatcher.enter(program_id)
        session = ProgramSession(
            program_id=program_id,
            question=question,
            engine=self.engine,
            dispatcher=self.dispatcher,
            place=place,
            reader=self.reader,
            allocator=allocator,
            cap=options.max_samples,
            sampling=replace(overlaid(options.sampling, question.sampling), seed=None),
            seed=options.seed if question.sampling.seed is None else question.sampling.seed,
            listener=listener,
            vote_prior=options.vote_prior,
        )
        listener(ProgramStarted(program_id, options.max_samples))
        answer: Answer | None = None
        began = time.monotonic()
        try:
            found = await program.execute(session)
            stopped_here = session.stop_reason is not StopReason.PROGRAM
            answer = replace(
                found,
                stop_reason=session.stop_reason if stopped_here else found.stop_reason,
                usage=session.account.usage,
                num_samples=session.knob.done,
                duration_s=time.monotonic() - began,
            )
            return answer
        except (EngineError, ExceptionGroup) as error:
            cause = engine_error_in(error)
            if cause is None:
                raise
            raise ProgramFailed(question.id, cause, session.account.usage) from cause
        finally:
            self.dispatcher.leave(place)
            listener(ProgramEnded(program_id, answer))


def both(first: Listener, second: Listener) -> Listener:
    def tell(event: Event) -> None:
        first(event)
        second(event)

    return tell


def engine_error_in(error: Exception) -> EngineError | None:
    """The engine's error that ``error`` is or, for a task group of the program's own, consists of."""
    if isinstance(error, ExceptionGroup):
        ours, others = error.split(EngineError)
        return engine_error_in(ours.exceptions[0]) if ours is not None and others is None else None
    return error if isinstance(error, EngineError) else None


def overlaid(base: Sampling, over: Sampling) -> Sampling:
    """``base`` with every value that ``over`` sets."""
    default = Sampling()
    changes = {
        each.name: getattr(over, each.name)
        for each in fields(Sampling)
        if getattr(over, each.name) != getattr(default, each.name)
    }
    return replace(base, **changes)
