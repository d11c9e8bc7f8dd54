"""``dynasor bench online`` as a user calls it, in small, on the embedded engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dynasor.cli.main import app
from dynasor.errors import InputError
from dynasor.models.question_sets import Split, question_lines
from tests.cli.running import lines_of

SMALL = (
    *("-p", "self-consistency", "--cap", "self-consistency=2", "--arm", "engine", "--arm", "dynasor"),
    *(
        "--window-s",
        "0.5",
        "--window-deadlines",
        "0.1",
        "--repetitions",
        "1",
        "--trials",
        "2",
        "--alone",
        "1",
        "--max-tokens",
        "40",
    ),
    *("--concurrency", "8", "--temperature", "0", "--json"),
)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    easy = [line for line in question_lines(Split.TEST) if json.loads(line)["level"] == 1]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(easy[:3]) + "\n")
    return path


def ran(*arguments: str | Path) -> dict[str, object]:
    result = CliRunner().invoke(app, ["bench", "online", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.timeout(600)
def test_it_measures_stops_in_time_and_goes_on(questions: Path, tmp_path: Path) -> None:
    raw = tmp_path / "online.jsonl"
    stopped = ran(questions, "-o", raw, *SMALL, "--budget-s", "0.1")
    assert stopped["is_complete"] is False
    assert stopped["workloads"] == {}
    found = ran(questions, "-o", raw, *SMALL)
    assert found["is_complete"] is True
    workload = found["workloads"]["self-consistency"]  # type: ignore[index]
    assert set(workload["arms"]) == {"engine", "dynasor"}
    assert workload["rate_ratio"]["engine"]["mean"] > 0
    assert workload["arms"]["engine"]["accuracy"]["mean"] == 1.0
    kinds = [line["kind"] for line in lines_of(raw)]
    assert kinds[0] == "run"
    assert kinds.count("sustained") == kinds.count("trials") == kinds.count("alone") == 1
    assert kinds.count("process") == 2
    assert ran(questions, "-o", raw, *SMALL)["workloads"] == found["workloads"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-p", "poetry"), "there is no workload 'poetry'"),
        (("--arm", "dynasor"), "the arm engine is the baseline"),
        (("--arm", "magic"), "there is no arm 'magic'"),
        (("-p", "mcts", "--cap", "rebase=4"), "rebase is none of the programs of this run, mcts"),
        (("--cap", "mcts"), "PROGRAM=N"),
        (("--window-s", "0"), "window_s is 0"),
        (("--deadline-s", "mcts"), "PROGRAM=SECONDS"),
        (("-p", "mcts", "--deadline-s", "rebase=4"), "deadline_s is of rebase, none of mcts"),
        (("-p", "mcts", "--deadline-s", "mcts=0"), "deadline_s of mcts is 0"),
    ],
)
def test_what_is_refused(questions: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ran(questions, "-o", tmp_path / "raw.jsonl", *arguments)


@pytest.mark.timeout(600)
def test_deadlines_may_be_given_in_seconds(questions: Path, tmp_path: Path) -> None:
    found = ran(questions, "-o", tmp_path / "online.jsonl", *SMALL, "--deadline-s", "self-consistency=2.5")
    assert found["workloads"]["self-consistency"]["base_deadline_s"] == 2.5  # type: ignore[index]
    assert found["settings"]["deadline_s"] == {"self-consistency": 2.5}  # type: ignore[index]


def test_questions_need_references(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"id": "a", "question": "What is 2 + 3?"}\n')
    with pytest.raises(InputError, match="'a' has no reference"):
        ran(path, "-o", tmp_path / "raw.jsonl")
