"""One arm of a batch on its way through the questions: many programs at once, results that survive a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from dynasor.answers import AnswerReader
from dynasor.batch.job import Arm, BatchJob
from dynasor.batch.looks import Looks
from dynasor.batch.questions import LineFormat
from dynasor.batch.results import Manifest, ResultFile, answer_record, failure_record, openai_line
from dynasor.batch.summary import ArmSummary
from dynasor.engines.protocol import Engine
from dynasor.errors import EngineFailed, EngineRejected, EngineUnreachable, ProgramFailed, first_cause
from dynasor.events import Listener, ignore
from dynasor.programs import is_exchangeable
from dynasor.runtime import Runtime
from dynasor.scheduling import Allocator, BudgetedProgram, BudgetKeeper
from dynasor.vocabulary import JSON, Answer, Question, Usage

SAVE_EVERY_S = 5.0
MAX_FAILURES_IN_A_ROW = 8
"""So many failures that may be the engine's, with no success between, are the engine's."""

Reporter = Callable[[Arm, ArmSummary], None]
"""Told about an arm's totals when it starts and after every result."""


def say_nothing(arm: Arm, summary: ArmSummary) -> None:
    """The reporter for runs that nobody watches."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is written for a question, and its answer if it has one."""

    record: JSON
    answer: Answer | None = None


class ArmRun:
    """One arm on its way through the questions."""

    def __init__(
        self,
        job: BatchJob,
        arm: Arm,
        engine: Engine,
        reader: AnswerReader,
        manifest: Manifest,
        report: Reporter,
        listener: Listener = ignore,
    ) -> None:
        self.job = job
        self.arm = arm
        self.reader = reader
        self.manifest = manifest
        self.report = report
        self.runtime = Runtime(
            engine,
            reader,
            concurrency=job.concurrency,
            recovery=job.recovery,
            listener=listener,
            watch=arm.watch,
        )
        self.model = engine.info.model
        self.summary = ArmSummary()
        self.keeper = (
            BudgetKeeper(arm.budget, job.questions.num_questions, job.options.max_samples) if arm.budget else None
        )
        self._writing = asyncio.Lock()
        self._suspects: list[Outcome] = []

    async def run(self) -> ArmSummary:
        with ResultFile(self.arm.path, self.arm.format) as results:
            for record in results.read_done():
                self.summary.add(record)
                self._restore(record)
            self._check_budget()
            self.report(self.arm, self.summary)
            missing = (question for question in self._questions() if question.id not in results.done)
            try:
                async with self.runtime.watching_caches(), asyncio.TaskGroup() as group:
                    clock = group.create_task(self._keep_time())
                    await self._work(missing, results)
                    clock.cancel()
            except BaseExceptionGroup as failures:
                raise first_cause(failures) from None
        return self.summary

    def _questions(self) -> Iterable[Question]:
        questions = self.job.questions
        return questions if self.keeper is None else questions.in_random_order(self.job.options.seed)

    def _restore(self, record: JSON) -> None:
        if self.keeper is not None:
            self.keeper.restore(sum(record["usage"].values()), record["samples"], record.get("bids", []))

    def _check_budget(self) -> None:
        if self.keeper is not None:
            self.keeper.check()

    async def _work(self, questions: Iterator[Question], results: ResultFile) -> None:
        """Keep as many programs going as requests may be in flight: then no slot is ever idle."""
        concurrency = self.job.concurrency
        places = asyncio.Semaphore(concurrency if isinstance(concurrency, int) else concurrency.most)
        async with asyncio.TaskGroup() as group:
            for question in questions:
                await places.acquire()
                if self.keeper is not None and self.keeper.is_too_small:
                    break
                task = group.create_task(self._work_on(question, results))
                task.add_done_callback(lambda _: places.release())
        for suspect in self._suspects:
            await self._write(suspect, results)
        self._check_budget()

    async def _work_on(self, question: Question, results: ResultFile) -> None:
        allocator = self.arm.allocator if self.keeper is None else self.keeper.allocator()
        looks = Looks()
        try:
            answer = await self._answer(question, allocator, looks)
        except ProgramFailed as failure:
            close(allocator, failure.usage, 0)
            await self._judge_failure(question, failure, results)
            return
        bids = close(allocator, answer.usage, answer.num_samples)
        suspects, self._suspects = self._suspects, []
        for outcome in (*suspects, Outcome(await self._record(question, answer, looks) | bids, answer)):
            await self._write(outcome, results)

    async def _judge_failure(self, question: Question, failure: ProgramFailed, results: ResultFile) -> None:
        """Is it the question or the engine? A rejected request is the question's own failure. Any other is held
        back until a question succeeds; if none does for too long it is the engine, and nothing is recorded."""
        cause = failure.__cause__
        if isinstance(cause, EngineUnreachable):
            raise cause from None
        outcome = Outcome(failure_record(question, str(cause), failure.usage))
        if isinstance(cause, EngineRejected):
            await self._write(outcome, results)
            return
        self._suspects.append(outcome)
        if len(self._suspects) >= MAX_FAILURES_IN_A_ROW:
            raise EngineUnreachable(
                f"the engine failed {len(self._suspects)} questions in a row, the last because: {cause}; "
                "the same command goes on from the results so far"
            ) from None

    async def _write(self, outcome: Outcome, results: ResultFile) -> None:
        line = outcome.record
        if self.arm.format is LineFormat.OPENAI:
            line = openai_line(outcome.record, outcome.answer, self.model)
        async with self._writing:
            await asyncio.to_thread(results.append, line)
        self.summary.add(outcome.record)
        self.report(self.arm, self.summary)

    async def _answer(self, question: Question, allocator: Allocator, looks: Looks) -> Answer:
        """Run the program, once more if the engine broke under it: an engine that died is unreachable the
        second time, which ends the run instead of failing every question in flight."""
        job = self.job
        try:
            return await self.runtime.run(question, job.program(), allocator, job.options, listener=looks.hear)
        except ProgramFailed as failure:
            if not isinstance(failure.__cause__, EngineFailed):
                raise
            spent = failure.usage
        if isinstance(allocator, BudgetedProgram):
            allocator.start_over(spent.produced)
        looks.begin_again()
        try:
            answer = await self.runtime.run(question, job.program(), allocator, job.options, listener=looks.hear)
        except ProgramFailed as failure:
            failure.usage += spent
            raise
        return replace(answer, usage=answer.usage + spent)

    async def _record(self, question: Question, answer: Answer, looks: Looks) -> JSON:
        reference = question.reference
        correct = None if reference is None else await self._matches(answer.text, reference)
        record = answer_record(question, answer, correct)
        if self.arm.with_branches:
            record["branches"] = [
                {
                    "answer": branch.answer,
                    "tokens": branch.num_tokens,
                    **({} if branch.reward is None else {"reward": branch.reward}),
                    **({} if reference is None else {"correct": await self._matches(branch.answer, reference)}),
                }
                for branch in answer.branches
            ]
            program = self.job.program_name
            record |= {"model": self.model, "program": program, "max_samples": self.job.options.max_samples}
            if not is_exchangeable(program):
                is_right = None if reference is None else partial(self._matches, reference=reference)
                record["looks"] = await looks.record(answer, self.reader, is_right)
                record["wave"] = getattr(self.arm.allocator, "wave", None)
                record["settings"] = self.job.fingerprint.get("--set", [])
        return record

    async def _matches(self, answer: str | None, reference: str) -> bool:
        return answer is not None and await self.reader.same(answer, reference)

    async def _keep_time(self) -> None:
        """Add the time of this run to the arm's, and save it now and then, for runs that are killed."""
        before = self.manifest.elapsed_s.get(self.arm.name, 0.0)
        began = time.monotonic()
        try:
            while True:
                await asyncio.sleep(SAVE_EVERY_S)
                self.manifest.elapsed_s[self.arm.name] = before + time.monotonic() - began
                self.manifest.save()
        finally:
            self.manifest.elapsed_s[self.arm.name] = before + time.monotonic() - began
            self.manifest.save()


def close(allocator: Allocator, usage: Usage, samples: int) -> JSON:
    """Tell the keeper of the budget, if there is one, that a question ended. What its result line says for it, from
    which a later run restores the budget."""
    if not isinstance(allocator, BudgetedProgram):
        return {}
    allocator.close(usage.produced, samples)
    return {"bids": [float(f"{bid:.4g}") for bid in allocator.bids]}
