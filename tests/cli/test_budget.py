"""``--token-budget`` and ``--samples-per-question`` as a user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynasor.cli.budget import BudgetOptions
from dynasor.cli.run_options import RunOptions
from dynasor.errors import InputError
from tests.cli.running import dynasor, lines_of
from tests.cli.test_batch import write_questions
from tests.replay.recorded import line, write_trace


def test_a_batch_under_a_budget_says_what_became_of_it(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 20)
    output, summary_path = tmp_path / "out.jsonl", tmp_path / "summary.json"
    command = ("batch", questions, "-o", output, "-n", "6", "--samples-per-question", "3")
    done = dynasor(*command, "--compare", "fixed", "--summary", summary_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(summary_path.read_text())
    spent = sum(line["samples"] for line in lines_of(output))
    assert f"spent of the budget: {spent} of 60 samples" in done.stdout
    assert "the same total split evenly, 3.00 samples for every question" in done.stdout
    assert summary["budget"]["spent"] == spent <= 60
    assert summary["options"]["--samples-per-question"] == 3
    assert summary["options"]["--allocator"] == "budget"
    assert list(summary["arms"]) == ["fixed", "budget"]
    other = dynasor(*command[:-1], "4", "--compare", "fixed")
    assert other.returncode == 2
    assert "--samples-per-question was 3.0, is 4.0" in other.stderr


def test_too_small_a_total_is_refused_before_anything_runs(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 20)
    done = dynasor("batch", questions, "-o", tmp_path / "out.jsonl", "--token-budget", "39")
    assert done.returncode == 2
    assert "the budget is 39 tokens; at least 40 was expected" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("token_budget", "samples", "options", "named"),
    [
        (1000, 3.0, {}, "--token-budget excludes --samples-per-question"),
        (1000, None, {"allocator": "fixed"}, "--token-budget excludes --allocator"),
        (None, 3.0, {"max_change": 0.1}, "--samples-per-question excludes --max-change"),
        (None, 3.0, {"threshold": 0.5}, "--samples-per-question excludes --threshold"),
        (None, 3.0, {"detect_at": 4}, "--samples-per-question excludes --detect-at"),
        (None, 3.0, {"preset": "paper/sc-math"}, "--samples-per-question excludes --preset"),
        (1000, None, {"profile": Path("profile.json")}, "--token-budget excludes --profile"),
    ],
)
def test_a_budget_decides_alone(
    token_budget: int | None, samples: float | None, options: dict[str, object], named: str
) -> None:
    run = RunOptions(**options)  # type: ignore[arg-type]  # a test's own keyword arguments
    with pytest.raises(InputError) as caught:
        BudgetOptions(token_budget=token_budget, samples_per_question=samples).check(run)
    assert str(caught.value) == f"{named}; a budget alone decides how much each question gets"


def test_without_a_budget_every_option_goes() -> None:
    BudgetOptions().check(RunOptions(allocator="threshold", threshold=0.5))
    BudgetOptions(token_budget=1000).check(RunOptions(max_samples=8))


def test_replay_puts_a_budget_beside_its_even_split(tmp_path: Path) -> None:
    lines = [line(str(number), "aaaaaaaa" if number % 3 else "bbaaaaaa") for number in range(30)]
    trace = write_trace(tmp_path / "t.jsonl", *lines)
    command = ("replay", trace, "-n", "8", "--samples-per-question", "3", "--samples-per-question", "4.5")
    done = dynasor(*command, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["allocator"] for row in rows] == ["agreement", "budget:3", "budget:4.5"]
    assert rows[1]["difference"]["mean"] == pytest.approx(rows[1]["accuracy"] - rows[1]["even_accuracy"])
    table = dynasor(*command)
    assert "budget:3: the same total split evenly gets" in " ".join(table.stdout.split())
    refused = dynasor(*command, "--calibrate-on", "0.5")
    assert refused.returncode == 2
    assert "--samples-per-question excludes --calibrate-on" in refused.stderr
