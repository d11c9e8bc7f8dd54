"""Conversations line by line, without a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dynasor import AnswerReader, Options, Runtime, Sampling
from dynasor.chat import Choice, Conversation, Dialogue, Ending
from dynasor.chat.local import LocalSource
from dynasor.chat.screens import JsonScreen, PlainScreen
from dynasor.chat.server import ServerSource
from dynasor.errors import EngineFailed
from dynasor.programs import make_program
from dynasor.scheduling import Agreement
from dynasor.vocabulary import Message, Request
from tests.in_process_engine import InProcessEngine, Reply
from tests.serving.running import serving


@dataclass
class Echo:
    """Says how many messages it was told, or breaks."""

    asked: list[tuple[Message, ...]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        assert not isinstance(request.prompt, str)
        self.asked.append(request.prompt)
        if request.prompt[-1].content == "break":
            return Reply(error=EngineFailed("it broke"))
        return Reply(f"\\boxed{{{len(request.prompt)}}}\x1b[0m")


@asynccontextmanager
async def local(echo: Echo, program: str = "single") -> AsyncIterator[LocalSource]:
    async with InProcessEngine(echo) as engine, AnswerReader() as reader:
        yield LocalSource(
            greeting="test",
            runtime=Runtime(engine, reader),
            make_program=lambda name, given: make_program(name, None, given),
            default_program=program,
            default_settings={},
            allocator=Agreement(),
            options=Options(max_samples=2, sampling=Sampling(max_tokens=50)),
        )


@dataclass
class Heard:
    ending: Ending
    answers: str
    remarks: str


async def hold(
    source: LocalSource | ServerSource,
    lines: str,
    conversation: Conversation | None = None,
    kind: type[PlainScreen] = PlainScreen,
) -> Heard:
    answers, remarks = io.StringIO(), io.StringIO()
    screen = kind(io.StringIO(lines), answers, remarks)
    ending = await Dialogue(source, screen, conversation or Conversation()).run()
    return Heard(ending, answers.getvalue(), remarks.getvalue())


async def test_a_line_is_a_question_and_the_conversation_is_sent_along() -> None:
    echo = Echo()
    async with local(echo) as source:
        heard = await hold(source, "one\n\n two \n/new\nthree", Conversation("Be brief."))
    assert heard.answers == "\\boxed{2}␛[0m\n\\boxed{4}␛[0m\n\\boxed{2}␛[0m\n"
    assert [[each.content for each in asked] for asked in echo.asked] == [
        ["Be brief.", "one"],
        ["Be brief.", "one", "\\boxed{2}\x1b[0m", "two"],
        ["Be brief.", "three"],
    ]
    assert heard.ending is Ending.DONE
    assert "stopped: program, 1 sample, 3 tokens, 0." in heard.remarks


async def test_after_an_error_the_chat_goes_on_without_the_question() -> None:
    echo = Echo()
    async with local(echo) as source:
        heard = await hold(source, "break\n/nonsense\nwell?\n/quit\nnever asked\n")
    assert heard.answers == "\\boxed{1}␛[0m\n"
    assert "it broke" in heard.remarks.splitlines()[0]
    assert "there is no command /nonsense" in heard.remarks.splitlines()[1]
    assert heard.ending is Ending.SOME_FAILED


async def test_as_json_an_answer_that_failed_is_a_line_too() -> None:
    async with local(Echo(), "self-consistency") as source:
        heard = await hold(source, "break\n/nonsense\nwell?\n", kind=JsonScreen)
    failed, answered = map(json.loads, heard.answers.splitlines())
    assert failed["content"] == "" and failed["stop_reason"] is None
    assert "it broke" in failed["error"]
    assert 0 <= answered.pop("duration_s") < 60
    assert answered == {
        "content": "\\boxed{1}\x1b[0m",
        "reasoning_content": None,
        "certaindex": 1.0,
        "stop_reason": "cap",
        "samples": 2,
        "tokens": 6,
        "saved_tokens": 0,
        "error": None,
    }
    assert "there is no command /nonsense" in heard.remarks
    assert heard.ending is Ending.SOME_FAILED


async def test_programs_and_efforts_on_the_fly() -> None:
    lines = "/effort low\n/program self-consistency\none\n/program nobody\n/program chain-of-thought\n/effort high\n"
    async with local(Echo()) as source:
        heard = await hold(source, lines, Conversation(choice=Choice()))
    assert heard.answers == "\\boxed{1}␛[0m\n"
    remarks = heard.remarks.splitlines()
    assert remarks[0] == "dynasor: the program single takes no effort; /effort alone chooses none"
    assert remarks[1] == "program: self-consistency"
    assert remarks[2].startswith("certaindex 1.000, stopped: cap, 2 samples, 6 tokens, ")
    assert remarks[3].startswith("dynasor: there is no program 'nobody'; choose ")
    assert remarks[4:] == ["program: chain-of-thought", "effort: high"]


async def test_a_server_that_goes_away_and_comes_back() -> None:
    async with serving(InProcessEngine(Echo()), program="single") as served:
        source = ServerSource(served.url)
        await source.__aenter__()
        assert (await hold(source, "one\n")).answers == "\\boxed{1}␛[0m\n"
    try:
        heard = await hold(source, "two\nthree\n")
    finally:
        await source.__aexit__()
    assert heard.answers == ""
    assert heard.ending is Ending.SOME_FAILED
    assert [line.startswith("dynasor: cannot connect to http://") for line in heard.remarks.splitlines()] == [True] * 2
