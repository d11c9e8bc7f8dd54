"""``dynasor bench batch`` as a user calls it, in small, on the embedded engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.batch import put_into
from benchmarks.write_results import page
from dynasor.bench.offline import runs_of
from dynasor.cli.bench_online import make_workloads
from dynasor.cli.main import app
from dynasor.errors import InputError
from dynasor.models.question_sets import Split, question_lines


def test_it_runs_every_rule_once_and_reports_again(tmp_path: Path) -> None:
    easy = [line for line in question_lines(Split.TEST) if json.loads(line)["level"] == 1]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("\n".join(easy[:2]) + "\n")
    arguments = ["bench", "batch", str(questions), "-o", str(tmp_path / "results"), "-p", "self-consistency"]
    arguments += ["--cap", "self-consistency=6", "--max-tokens", "40", "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["workloads"]["self-consistency"]
    run = {(each["rule"], each["cap"]) for each in found["rules"] if not each["is_replayed"]}
    assert run == {("even split", 6), ("agreement", 6), ("paper", 6)}
    replayed = {(each["rule"], each["cap"]) for each in found["rules"] if each["is_replayed"]}
    others = ("agreement", "adaptive-consistency", "esc", "supermajority")
    assert replayed == {*((rule, cap) for rule in others for cap in (5, 6)), ("paper", 6), ("length", 6)}
    assert [each["cap"] for each in found["even_split"]] == [1, 2, 3, 4, 5, 6]
    agreement = next(each for each in found["rules"] if each["rule"] == "agreement" and each["cap"] == 6)
    assert agreement["accuracy"] == 1.0
    assert agreement["against_cap"]["saved"] >= 0
    report = json.loads(result.stdout)
    path = tmp_path / "batch.json"
    put_into(path, {"mcts": report["workloads"]["self-consistency"]}, {"command": "other", "is_timed": False} | report)
    put_into(path, report.pop("workloads"), {"command": "this", "is_timed": True} | report)
    text = page(tmp_path)
    assert "### mcts, at most 6" in text and "`other`" in text
    assert "### self-consistency, at most 6" in text and "`this`" in text
    assert "| agreement | 6 | 100.0 % |" in text
    again = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert json.loads(again.stdout)["workloads"]["self-consistency"] == found


def test_a_cap_at_which_the_papers_rule_does_not_look_yet_is_refused() -> None:
    (workload,) = make_workloads(["self-consistency"], [], ["self-consistency=5"], None).values()
    with pytest.raises(InputError, match=r"^the cap of self-consistency is 5; more than 5, where .* was due$"):
        runs_of("self-consistency", workload)
