"""The reader with its real worker: formulas, hostile answers, death and cancellation."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.answers.algebraist import COMMAND, Algebraist

SAME = [
    ["x+1", "1 + x", "$x + 1$", "y = x + 1", "f(x) = x + 1", r"\frac{x^2-1}{x-1}"],
    ["(x+1)^2", "x² + 2x + 1", "x^2 + 2x + 1", "x**2+2*x+1"],
    [r"\frac{1}{1-x}", r"-\frac{1}{x-1}"],
    [r"3\sqrt{13}", r"\sqrt{117}", "3 sqrt(13)", "3√13", r"3\sqrt{13}\text{ units}"],
    [r"\frac{\sqrt{2}}{2}", r"1/\sqrt2", r"\sin 45 \cdot 0 + \frac{1}{\sqrt{2}}"],
    ["5^2", "25", r"\sqrt{625}", "5 * 5"],
    [r"(1+\sqrt5)(1-\sqrt5)", "-4"],
    [r"\sin^2 x + \cos^2 x", "1"],
    [r"\frac{\pi}{2}", "pi/2", "π/2", r"\dfrac{1}{2}\pi"],
    ["6 - 5i", "-5i + 6"],
    ["(1+i)^2", "2i"],
    [r"\{1, 2\}", "1, 2", "2 and 1", "x = 1, 2", "x = 2 or x = 1", r"x=1 \text{ or } x=2"],
    [r"(3, \frac{\pi}{2})", r"\left(3, \pi/2\right)"],
    ["x = 1, y = 2", "(x, y) = (1, 2)", "(1, 2)", "y=2, x=1"],
    ["x > 5", "5 < x", r"(5, \infty)", r"x \in (5, \infty)"],
    [r"1 \le x < 3", "[1, 3)"],
    [r"(-\infty, 2) \cup (2, \infty)", r"(2, \infty) \cup (-\infty, 2)", r"\mathbb{R} \setminus \{2\}"],
    ["x^2 + y^2 = 4", "4 = y^2 + x^2", "2x^2 + 2y^2 - 8 = 0"],
    [r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ \frac{4}{2} \end{pmatrix}"],
    ["3.14x", r"\frac{157}{50}x"],
    ["5!", "120"],
    [r"\log_2 8", "3"],
    ["5t"],
    ["x^2", "x²", "x x"],
    ["x + c"],
    [r"\sqrt{x^2}", "|x|"],
    [r"\frac{22}{7}"],
    ["[1, 2]"],
    ["(2, 1)"],
    [r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"],
    ["1.41421356"],
    [r"\sqrt{2}"],
    ["a"],
]

HOSTILE = [
    "9^9^9^9",
    "9^{9^{9^9}}",
    r"10^{10^{10}}",
    "((((9!)!)!)!)!",
    "10000000!",
    r"x^{x^{x^x}}",
    r"\binom{10^9}{5 \cdot 10^8}",
    r"\sum_{n=1}^{10^{12}} \sin(n^2)",
    r"\int e^{x^x \sin x} dx",
    "{" * 10_000 + "5" + "}" * 10_000,
    "(" * 39 + "5" + ")" * 39,
    "((" * 400,
    "__import__('os').system('touch EVIL')",
    "(lambda: __import__('pathlib').Path('EVIL').touch())()",
    "exec(\"open('EVIL','w')\")",
    r"\text{__import__('os').system('touch EVIL')} + 1",
    r"\operatorname{exec}(open('EVIL','w'))",
    "x_{__import__('os').system('touch EVIL')} + 1",
    "9" * 900 + "*" + "9" * 90,
    "9" * 1_000_000 + "+1",
    "1e99999999",
    "\x00+\n\u2028x",
    "\ud800+x",
]


@pytest_asyncio.fixture
async def reader() -> AsyncIterator[AnswerReader]:
    async with AnswerReader() as reader:
        yield reader


async def test_same_formulas_and_only_they_have_the_same_key(reader: AnswerReader) -> None:
    classes = [{await reader.key(answer) for answer in answers} for answers in SAME]
    assert [SAME[index] for index, keys in enumerate(classes) if len(keys) > 1] == []
    assert [(SAME[i], SAME[j]) for i, j in itertools.combinations(range(len(SAME)), 2) if classes[i] & classes[j]] == []


async def test_sameness_is_an_equivalence(reader: AnswerReader) -> None:
    pool = [
        "5",
        "5.0",
        "500",
        "500%",
        "5%",
        "x=5",
        "1/3",
        "0.333",
        "A",
        "(a)",
        "the answer is A",
        "x",
        "",
        "{",
        "$",
        "\\",
    ]
    same = {pair: await reader.same(*pair) for pair in itertools.product(pool, repeat=2)}
    for first, second, third in itertools.product(pool, repeat=3):
        assert same[first, first]
        assert same[first, second] == same[second, first]
        assert not (same[first, second] and same[second, third]) or same[first, third]


async def test_hostile_answers_do_not_hang_or_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with AnswerReader(timeout_s=1.0) as reader:
        await reader.key("x+1")
        for answer in HOSTILE:
            started = time.monotonic()
            key = await reader.key(answer)
            assert time.monotonic() - started < 5.0, answer[:60]
            assert len(key) < 1100
            assert key == await reader.key(answer)
        assert await reader.same("x+1", "1+x")
    assert os.listdir(tmp_path) == []


async def test_a_killed_worker_is_replaced(reader: AnswerReader) -> None:
    key = await reader.key("x+1")
    worker = reader._algebraist.worker_pid
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    assert await reader.key("1+x") == key
    assert reader._algebraist.worker_pid != worker


SLEEPER = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    text = json.loads(line)["text"]
    if text.startswith("slow"):
        time.sleep(float(text.split()[1]))
    if text == "die":
        sys.exit()
    print(json.dumps({"key": "key of " + text}), flush=True)
"""


def sleeper(timeout_s: float) -> Algebraist:
    return Algebraist(timeout_s, command=(sys.executable, "-c", SLEEPER))


async def test_a_cancelled_question_does_not_shift_the_replies() -> None:
    algebraist = sleeper(timeout_s=10.0)
    assert await algebraist.key("a") == "key of a"
    asking = asyncio.create_task(algebraist.key("slow 0.3"))
    waiting = asyncio.create_task(algebraist.key("b"))
    await asyncio.sleep(0.1)
    asking.cancel()
    assert await waiting == "key of b"
    assert await algebraist.key("c") == "key of c"
    with pytest.raises(asyncio.CancelledError):
        await asking
    await algebraist.close()


async def test_a_question_cancelled_while_it_waits_disturbs_nobody() -> None:
    algebraist = sleeper(timeout_s=10.0)
    asking = asyncio.create_task(algebraist.key("slow 0.3"))
    waiting = asyncio.create_task(algebraist.key("b"))
    await asyncio.sleep(0.1)
    waiting.cancel()
    assert await asking == "key of slow 0.3"
    assert await algebraist.key("b") == "key of b"
    await algebraist.close()


async def test_a_late_worker_is_killed_and_paid_for_once() -> None:
    algebraist = sleeper(timeout_s=0.2)
    started = time.monotonic()
    assert await asyncio.gather(*(algebraist.key("slow 60") for _ in range(20))) == [None] * 20
    assert await algebraist.key("a") == "key of a"
    assert time.monotonic() - started < 5.0
    await algebraist.close()


async def test_a_worker_that_dies_of_a_question_gives_up_on_it_only() -> None:
    algebraist = sleeper(timeout_s=5.0)
    assert await algebraist.key("die") is None
    assert await algebraist.key("a") == "key of a"
    await algebraist.close()


async def test_without_a_worker_formulas_are_compared_as_text() -> None:
    algebraist = Algebraist(command=(sys.executable, "-c", "import nothing_of_this_name"))
    assert await algebraist.key("x") is None
    assert "unavailable" in repr(algebraist)
    await algebraist.close()


async def test_the_worker_ends_with_its_reader() -> None:
    async with AnswerReader() as reader:
        await reader.key("x+1")
        worker = reader._algebraist.worker_pid
        assert worker is not None
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    with pytest.raises(RuntimeError, match="left"):
        await reader.key("x+2")


def test_the_worker_ends_with_its_input() -> None:
    questions = json.dumps({"text": "x+1", "budget_s": 5.0}) + "\n"
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(COMMAND, input=questions, capture_output=True, text=True, timeout=60, env=environment)
    ready, reply = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, ready) == (0, {"ready": True})
    assert reply["key"].startswith("formula:")


async def test_quick_answers_start_no_worker() -> None:
    for style in set(AnswerStyle) - {AnswerStyle.SEMANTIC}:
        async with AnswerReader(style) as reader:
            assert await reader.same("5", "5")
            assert reader._algebraist.worker_pid is None
    assert repr(AnswerReader()) == "<AnswerReader math <Algebraist open worker=None remembered=0>>"


async def test_a_grouping_of_canonical_keys_is_the_reader() -> None:
    async with AnswerReader(AnswerStyle.CHOICE) as reader:
        assert await reader.grouping().key("(b)") == await reader.key("B") == "choice:B"


def test_quick_keys_need_no_event_loop() -> None:
    with pytest.raises(StopIteration) as stopped:
        AnswerReader().key("0.5").send(None)
    assert stopped.value.value == "number:1/2"
