"""``dynasor chat`` without a terminal, as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess

import pytest

from dynasor.engines.embedded import EmbeddedEngine
from tests.cli.running import COMMAND, NO_TERMINAL, dynasor, hear_interrupts
from tests.in_process_engine import InProcessEngine, Reply
from tests.serving.running import serving, until

QUESTION = "A shop has 7 boxes of 12 pens. How many pens are there?"


async def test_questions_through_a_pipe_to_a_server_with_the_embedded_engine() -> None:
    async with serving(EmbeddedEngine(slots=8), program="chain-of-thought") as served:
        lines = f"{QUESTION}\n/effort low\n/new\n{QUESTION}\n/program self-consistency\n/effort\n/new\n{QUESTION}\n"
        done = await asyncio.to_thread(dynasor, "chat", "--url", served.url, stdin=lines)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\\boxed{84}") == 3, done.stdout
        reports = [line for line in done.stderr.splitlines() if line.startswith("certaindex ")]
        assert len(reports) == 3
        assert all(" tokens" in line for line in reports)
        assert [" saved, " in line for line in reports] == [False, False, True], "of a chain nobody can tell"
        served.assert_nothing_left()


def test_questions_through_a_pipe_to_an_engine() -> None:
    lines = f"{QUESTION}\n/nonsense\n"
    done = dynasor("chat", "--engine", "embedded", "--program", "self-consistency", "-n", "4", stdin=lines)
    assert done.returncode == 1, done.stderr
    assert "The answer is \\boxed{84}." in done.stdout
    assert "\ndynasor: there is no command /nonsense;" in done.stderr


async def test_an_interrupt_ends_a_chat_that_nobody_sits_before() -> None:
    engine = InProcessEngine(lambda request: Reply(pieces=("ab",) * 10**5), 0.001)
    async with serving(engine, program="single") as served:
        process = start_chat("--url", served.url)
        assert process.stdin is not None
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        await until(lambda: engine.produced > 50, 30.0)
        process.send_signal(signal.SIGINT)
        answers, _ = await asyncio.to_thread(process.communicate, timeout=30.0)
        assert process.returncode == 130
        assert answers.startswith(b"abab")
        assert not engine.live


def start_chat(*arguments: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*COMMAND, "chat", *arguments],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=NO_TERMINAL,
        preexec_fn=hear_interrupts,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--url", "http://127.0.0.1:9"), 3, "`dynasor serve` starts a server"),
        (("--url", "http://127.0.0.1:9", "--engine", "embedded"), 2, "choose one"),
        (("--url", "http://127.0.0.1:9", "--max-samples", "4"), 2, "--max-samples is for an --engine"),
        (("--engine", "embedded", "--effort", "huge"), 2, "choose low, medium, high"),
        (("--engine", "embedded", "--program", "nobody"), 2, "there is no program 'nobody'"),
    ],
)
def test_options_that_cannot_be_used(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = dynasor("chat", *arguments, stdin="never asked\n")
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.startswith("dynasor: ") and done.stderr.count("\n") == 1
