"""Chains of thought by a script: an engine for tests that writes one word a token, and answers probes as told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dynasor import Answer, AnswerReader, Options, Question, Runtime
from dynasor.events import Event
from dynasor.programs import Program
from dynasor.scheduling import Allocator
from dynasor.vocabulary import FinishReason, Request, RequestKind, Sampling
from tests.in_process_engine import InProcessEngine, Reply, Script

QUESTION = Question.of_text("How many?", "q")
PROMPT = "<user>How many?<assistant><think>\n"
PLAIN_PROMPT = "<user>How many?<assistant>"
ASK = "</think>\n\nThe answer is \\boxed{"


def words(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"w{number} " for number in range(first, last))


def num_words(text: str) -> int:
    return len(re.findall(r"w\d+ ", text))


def ending(answer: str) -> tuple[str, ...]:
    return ("</think>", "\n\n", "The answer is ", f"\\boxed{{{answer}}}.")


@dataclass(frozen=True, slots=True)
class ScriptedChain:
    """A chain that thinks for ``length`` tokens and ends with ``final``, or is cut off there (None).

    ``answers`` says what a probe finds after so many tokens: what it writes after the open brace, the closing one
    and all that follows included.
    """

    answers: Callable[[int], str]
    length: int = 200
    final: str | None = "7"
    probe_tokens: int = 3
    worked: str = "\n\nIt is so. \\boxed{7}"

    def __call__(self, request: Request) -> Reply:
        assert isinstance(request.prompt, str)
        if request.kind is RequestKind.PROBE:
            text = self.answers(num_words(request.prompt))
            return Reply(pieces=(*[""] * (self.probe_tokens - 1), text))
        if request.prompt.rstrip().endswith("</think>"):
            return Reply(self.worked, num_tokens=5)
        if self.final is None:
            return Reply(pieces=words(0, self.length), finish_reason=FinishReason.LENGTH)
        return Reply(pieces=(*words(0, self.length), *ending(self.final)))


def always(*texts: str) -> Callable[[int], str]:
    """Probes of a chain find these, one after the other, the last one from then on."""
    found = list(texts)

    def answer(num_tokens: int) -> str:
        return found.pop(0) if len(found) > 1 else found[0]

    return answer


def settles(at: int, answer: str = "7}") -> Callable[[int], str]:
    """A chain whose answer changes with every probe, until ``at`` tokens."""
    return lambda num_tokens: answer if num_tokens >= at else f"{num_tokens}000}}"


@dataclass(frozen=True, slots=True)
class Run:
    answer: Answer
    engine: InProcessEngine
    events: Sequence[Event]

    @property
    def probes(self) -> list[Request]:
        return [request for request in self.engine.requests if request.kind is RequestKind.PROBE]

    @property
    def mains(self) -> list[Request]:
        return [request for request in self.engine.requests if request.kind is RequestKind.MAIN]

    @property
    def probed_at(self) -> list[int]:
        """How long the chain was at each probe."""
        return [num_words(str(request.prompt)) for request in self.probes]


async def run(
    program: Program,
    allocator: Allocator,
    script: Script,
    *,
    max_tokens: int | None = 1600,
    max_samples: int = 4,
    concurrency: int = 32,
    engine: InProcessEngine | None = None,
) -> Run:
    """Run ``program`` to its end. Nothing may be left running, and our count of tokens is the engine's."""
    events: list[Event] = []
    async with engine or InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=concurrency, listener=events.append)
        options = Options(max_samples=max_samples, sampling=Sampling(temperature=0.6, max_tokens=max_tokens))
        answer = await runtime.run(QUESTION, program, allocator, options)
        assert not runtime.dispatcher.scheduler.waiting
        assert not runtime.dispatcher.scheduler.running
    assert answer.usage.produced == engine.produced
    return Run(answer, engine, events)
