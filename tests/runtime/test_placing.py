"""What the scheduler is told of a request, so that it goes where its text is read already."""

from __future__ import annotations

import pytest

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, SelfConsistency
from dynasor.programs.self_consistency_chains import SelfConsistencyOverChains
from dynasor.runtime.prompt_length import PromptLengths, characters_of
from dynasor.scheduling import Ticket, watch
from dynasor.vocabulary import Message, Request, RequestKind, Sampling
from tests.in_process_engine import InProcessEngine, Reply, Script, says


def chain_that_writes(word: str) -> Script:
    def script(request: Request) -> Reply:
        if request.kind is RequestKind.PROBE:
            return Reply("7}", num_tokens=1)
        return Reply(pieces=(*[f"{word} "] * 400, "</think>", "\\boxed{7}"))

    return script


async def test_a_probe_runs_where_the_chain_runs_that_it_accompanies() -> None:
    """Two chains of one program on two replicas, each of which writes a word of its own."""
    engines = {word: InProcessEngine(chain_that_writes(word)) for word in ("ping", "pong")}
    async with engines["ping"], engines["pong"], AnswerReader() as reader:
        runtime = Runtime(engines, reader, concurrency=1)
        options = Options(max_samples=2, sampling=Sampling(max_tokens=1600))
        await runtime.run(Question.of_text("How many?", "q"), SelfConsistencyOverChains(), watch(2), options)
    for word, engine in engines.items():
        [main] = [request for request in engine.requests if request.kind is RequestKind.MAIN]
        probes = [str(request.prompt) for request in engine.requests if request.kind is RequestKind.PROBE]
        assert probes
        assert {word in prompt for prompt in probes} == {True}, f"{main.id} ran here"


async def test_the_scheduler_is_told_how_long_prompts_are() -> None:
    """By their characters, until the engine has told of the program's first."""
    tickets: list[Ticket] = []
    async with InProcessEngine(says("1")) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=1)
        submit = runtime.dispatcher.scheduler.submit

        def note(ticket: Ticket) -> None:
            tickets.append(ticket)
            submit(ticket)

        runtime.dispatcher.scheduler.submit = note  # type: ignore[method-assign]  # looks on
        question = Question.of_text("How many " * 4, "q")
        await runtime.run(question, SelfConsistency(), watch(1), Options(max_samples=3))
        await runtime.run(Question.of_text("?" * 400, "long"), SelfConsistency(), Fixed(), Options(max_samples=1))
    assert len(question.messages[0].content) == 36
    assert [ticket.prompt_tokens for ticket in tickets] == [9, 7, 100]


@pytest.mark.parametrize(
    ("told", "expected"), [([], 25), ([(100, 0)], 25), ([(100, 50)], 50), ([(80, 30), (20, 0)], 38)]
)
def test_lengths_are_those_told_before_in_proportion(told: list[tuple[int, int]], expected: int) -> None:
    lengths = PromptLengths()
    for characters, tokens in told:
        lengths.learn(characters, tokens)
    assert lengths.expected(100) == expected


def test_a_conversation_is_as_long_as_what_was_said() -> None:
    assert characters_of((Message("user", "abc"), Message("assistant", "de"))) == 5
    assert characters_of("abc") == 3
