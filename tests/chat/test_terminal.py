"""The chat on a terminal: a real process on a pseudo-terminal, against a server or an engine in this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dynasor.errors import EngineRejected
from dynasor.vocabulary import Request
from tests.chat.terminal import CTRL_C, CTRL_D, on_terminal
from tests.in_process_engine import InProcessEngine, Reply
from tests.serving.running import Served, serving, until

HOSTILE = "[bold]loud[/bold] \x1b[2J\x1b]0;mine\x07 [link=http://x]x[/link] \\boxed{2}"
LONG = 10**5
READY = "Ctrl-D ends the chat\n> "


@dataclass(slots=True)
class Script:
    """What the model does, by what the latest question speaks of. Probes never get the same answer twice."""

    num_probes: int = 0
    asked: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        prompt = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
        if prompt.endswith("\\boxed{"):
            self.num_probes += 1
            return Reply(f"{self.num_probes}}}", 1)
        prompt = prompt.rpartition("<user>")[2]
        if "hostile" in prompt:
            return Reply(HOSTILE)
        if "forever" in prompt:
            return Reply(pieces=("Let ", "me ", "see", *["."] * LONG))
        if "ponder" in prompt:
            return Reply(pieces=(*["hmm "] * 30, "</think>", "\n\nSo it ", "is \\boxed{7}."))
        if "refuse" in prompt:
            return Reply(error=EngineRejected("no,\nthanks"))
        return Reply("The answer is \\boxed{84}.")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(InProcessEngine(Script(), step_s=0.002), program="single") as served:
        yield served
        await until(lambda: served.service.num_open == 0)
        served.assert_nothing_left()


def live(served: Served) -> set[str]:
    engine = next(iter(served.service.runtime.replicas)).engine
    assert isinstance(engine, InProcessEngine)
    return engine.live


async def test_ctrl_c_stops_the_answer_and_not_the_chat(served: Served) -> None:
    async with on_terminal("chat", "--url", served.url) as terminal:
        assert "scripted at http://127.0.0.1" in await terminal.until(READY)
        terminal.type("go on forever\n")
        await terminal.until("Let me see.......")
        assert live(served)
        terminal.type(CTRL_C)
        assert "\nstopped: stopped, 1 sample, " in await terminal.until("> ")
        assert not live(served)
        assert (await served.get("/v1/programs"))[1]["data"][0]["stop_reason"] == "stopped"
        terminal.type("and now?\n")
        await terminal.until("The answer is \\boxed{84}.\n")
        await terminal.until("> ")
        await terminal.type_until(CTRL_C, "Ctrl-D ends the chat\n> ")
        terminal.type(CTRL_D)
        assert await terminal.ended() == 0


async def test_thinking_is_folded_and_what_a_stopped_chain_has_found_is_its_answer(served: Served) -> None:
    async with on_terminal("chat", "--url", served.url, "--program", "chain-of-thought") as terminal:
        await terminal.until(READY)
        terminal.type("think forever\n")
        await terminal.until("thinking, about ")
        assert "certaindex 0." in await terminal.until("answer so far: 2")
        terminal.type(CTRL_C)
        assert "thought for about " in await terminal.until("/thinking shows it\n")
        answer = await terminal.until("\n> ")
        assert answer.startswith("The answer is \\boxed{")
        assert "\ncertaindex 0." in answer
        assert ", stopped: stopped, " in answer
        terminal.type("/thinking\n")
        await terminal.until("Let me see....")
        await terminal.until("thinking is shown in full\n> ")
        terminal.type("ponder\n")
        assert "hmm hmm hmm" in await terminal.until("So it is \\boxed{7}.\n")
        await terminal.until("> ")
        terminal.type("/quit\n")
        assert await terminal.ended() == 0


async def test_what_a_model_writes_is_shown_and_not_obeyed(served: Served) -> None:
    async with on_terminal("chat", "--url", served.url) as terminal:
        await terminal.until(READY)
        terminal.type("be hostile\n")
        await terminal.until("[bold]loud[/bold] ␛[2J␛]0;mine␇ [link=http://x]x[/link] \\boxed{2}\n")
        await terminal.until("\n> ")
        assert "\x1b[2J" not in terminal.screen
        assert "\x1b]" not in terminal.screen
        assert "\x07" not in terminal.screen
        terminal.type(CTRL_D)
        assert await terminal.ended() == 0


async def test_an_error_is_a_line_and_the_chat_goes_on(served: Served) -> None:
    async with on_terminal("chat", "--url", served.url) as terminal:
        await terminal.until(READY)
        terminal.type("refuse\n")
        error = await terminal.until("\n> ")
        assert error.endswith(": no, thanks\n> ")
        assert "certaindex" not in error
        terminal.type("/program nobody\n")
        await terminal.until("program: nobody\n> ")
        terminal.type("well?\n")
        assert "(HTTP 400): dynasor.program is 'nobody'; one of " in await terminal.until("\n> ")
        terminal.type("/program\n")
        await terminal.until("program: the default one\n> ")
        terminal.type("/effort low\n")
        await terminal.until("effort: low\n> ")
        terminal.type("well?\n")
        assert "the program single takes no effort" in await terminal.until("\n> ")
        terminal.type("/effort\n")
        await terminal.until("as by default\n> ")
        terminal.type("/effort lots\n")
        await terminal.until("/effort is 'lots'; low, medium, high or nothing was expected\n> ")
        terminal.type("well?\n")
        await terminal.until("\\boxed{84}.\n")
        await terminal.until("\n> ")
        terminal.type(CTRL_D)
        assert await terminal.ended() == 0


async def test_ctrl_c_with_the_engine_in_the_same_process() -> None:
    options = ("-e", "embedded", "-p", "self-consistency", "-a", "fixed", "-n", "5000", "-c", "2", "--max-tokens", "64")
    async with on_terminal("chat", *options) as terminal:
        await terminal.until("dynasor-tiny on embedded; /help lists the commands, Ctrl-D ends the chat\n")
        await terminal.until("arithmetic word problems and nothing else.\n> ")
        terminal.type("A shop has 7 boxes of 12 pens. How many pens are there?\n")
        await terminal.until("samples, certaindex ")
        terminal.type(CTRL_C)
        assert "stopped: stopped" in await terminal.until(" saved, ")
        await terminal.until("> ")
        terminal.type("/program single\n")
        await terminal.until("program: single\n> ")
        terminal.type("A shop has 7 boxes of 12 pens. How many pens are there?\n")
        await terminal.until("1 sample, ")
        await terminal.until("\n> ")
        children = children_of(terminal.process.pid)
        assert children
        terminal.type(CTRL_D)
        assert await terminal.ended() == 0
        assert not alive(children)


def alive(process_ids: list[str]) -> list[str]:
    return [each for each in process_ids if Path(f"/proc/{each}").exists()]


def children_of(process_id: int) -> list[str]:
    return Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
