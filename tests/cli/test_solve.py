"""``dynasor solve`` on the embedded model."""

from __future__ import annotations

import json

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
