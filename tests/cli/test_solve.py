"""``dynasor solve`` on the embedded model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import dynasor

QUESTION = "A shop has 7 boxes of 12 pens. How many pens are there?"


def test_solve_shows_the_work_and_the_answer() -> None:
    done = dynasor("solve", QUESTION)
    assert done.returncode == 0, done.stderr
    assert "sample   1  certaindex 0.772" in done.stderr
    lines = done.stdout.splitlines()
    assert "The answer is \\boxed{84}." in lines
    assert "answer      84" in lines
    assert any(line.startswith("certaindex  ") and line.endswith("(stopped: certain)") for line in lines)
    assert any(line.startswith("tokens      ") for line in lines)


def test_solve_json_and_the_same_seed_twice() -> None:
    first, second = (
        json.loads(dynasor("solve", QUESTION, "--json", "--seed", "3", "-a", "fixed", "-n", "4", "-c", "1").stdout)
        for _ in range(2)
    )
    assert first["answer"] == second["answer"] == "84"
    assert first["samples"] == 4
    assert first["stop_reason"] == "cap"
    assert first["usage"] == second["usage"]
    assert first["usage"]["main"] > 0
    assert set(first["signals"]) == {"agreement", "entropy"}


def test_version_and_help() -> None:
    assert dynasor("--version").stdout.startswith("dynasor 0.")
    assert "solve" in dynasor("--help").stdout
    assert "Example" in dynasor("batch", "--help").stdout


@pytest.mark.parametrize("program", ["best-of-n", "weighted-majority"])
def test_a_reward_and_what_it_read(program: str) -> None:
    done = dynasor("solve", QUESTION, "-n", "2", "-a", "fixed", "-p", program, "--reward", "judge")
    assert done.returncode == 0, done.stderr
    assert "answer      84" in done.stdout
    assert "tokens read by the reward" in done.stdout
    done = dynasor("solve", QUESTION, "-n", "2", "-p", program, "--reward", "likelihood:form=mean", "--json")
    answer = json.loads(done.stdout)
    assert answer["answer"] == "84"
    assert 0 < answer["signals"]["reward"] <= 1
    assert (answer["usage"]["score"], answer["score_prompt"]) == (0, 0)


def test_parameters_of_a_program_and_a_reward_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(PROGRAM_AND_REWARD)
    monkeypatch.chdir(tmp_path)
    command = ("solve", QUESTION, "-p", "mine:First", "--reward", "mine:last_character", "--json")
    done = dynasor(*command, "--set", "max-characters=4")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["answer"] == "The 0.5"
    done = dynasor(*command, "--set", "max_chars=4")
    assert (done.returncode, done.stdout) == (2, "")
    expected = "the program mine:First has no parameter 'max_chars'; it takes max_characters"
    assert done.stderr == f"dynasor: {expected}\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("Fails", ["mine.py", "dynasor: code of your own failed: ValueError: my own slip"]),
        ("SaysText", ["dynasor: the program SaysText gave back a str; an Answer was expected"]),
    ],
)
def test_mistakes_in_a_program_of_ones_own_are_told_without_our_insides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: list[str]
) -> None:
    (tmp_path / "mine.py").write_text(MISTAKES)
    monkeypatch.chdir(tmp_path)
    done = dynasor("solve", QUESTION, "-p", f"mine:{program}", "-n", "2")
    assert done.returncode == 2
    assert all(part in done.stderr for part in said)
    assert "Traceback" not in done.stderr and "runtime.py" not in done.stderr


def test_a_program_named_by_its_file_is_told_how() -> None:
    done = dynasor("solve", QUESTION, "-p", "mine.py:First")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("; it is named as mine:First\n")


MISTAKES = """
class Fails:
    async def execute(self, session):
        async with session.branches() as branches:
            async for completion in branches:
                raise ValueError("my own slip")


class SaysText:
    async def execute(self, session):
        return "84"
"""

PROGRAM_AND_REWARD = """
from dataclasses import dataclass
from dynasor import Answer, Certaindex, Session
from dynasor.rewards import Reward, Solution

def last_character(question: str, text: str) -> float:
    return 0.5 if text.endswith(".") and "boxes" in question else 0.0

@dataclass
class First:
    reward: Reward
    max_characters: int

    async def execute(self, session: Session) -> Answer:
        completion = await session.generate(session.question.messages)
        score = await self.reward.score(session, Solution(session.question, (completion.text,)))
        return Answer(f"{completion.text[:self.max_characters]}{score}", Certaindex(0.0, {}))
"""
