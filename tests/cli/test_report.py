"""``dynasor report``, and ``--report`` of the verbs that have one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dynasor.cli.main import app
from dynasor.errors import InputError
from tests.cli.running import dynasor
from tests.cli.test_batch import write_questions
from tests.reports.results import record, write_results
from tests.reports.test_page import data_in


def test_a_batch_and_the_report_of_its_results_are_the_same_page(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "in.jsonl", 4)
    output, during, after = tmp_path / "out.jsonl", tmp_path / "during.html", tmp_path / "after.html"
    done = dynasor("batch", questions, "-o", output, "-n", "2", "--compare", "fixed", "--report", during)
    assert done.returncode == 0, done.stderr
    assert f"report: {during}, " in done.stderr
    done = dynasor("report", output, "--questions", questions, "-o", after)
    assert done.returncode == 0, done.stderr
    assert during.read_text() == after.read_text()
    found = json.loads(data_in(after.read_text()))
    assert (found["title"], found["subtitle"]) == ("Batch: agreement", "4 questions, dynasor-tiny")
    texts = [details["question"] for details in found["parts"][-1]["details"]]
    assert sorted(texts) == sorted(json.loads(line)["question"] for line in questions.read_text().splitlines())


def test_a_simulation_writes_its_report(tmp_path: Path) -> None:
    path, stored = tmp_path / "sim.html", tmp_path / "sim.json"
    arguments = ["simulate", "--programs", "6", "--rate", "20", "-n", "2", "--report", str(path), "--json"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stored.write_text(result.stdout)
    again = CliRunner().invoke(app, ["report", str(stored), "-o", str(tmp_path / "again.html")], catch_exceptions=False)
    assert again.exit_code == 0, again.output
    assert path.read_text() == (tmp_path / "again.html").read_text()


def test_the_page_goes_beside_the_results(tmp_path: Path) -> None:
    results = write_results(tmp_path / "out.jsonl", [record("a")])
    CliRunner().invoke(app, ["report", str(results)], catch_exceptions=False)
    assert (tmp_path / "out.html").exists()


def test_json_has_the_parts_and_writes_no_file(tmp_path: Path) -> None:
    results = write_results(tmp_path / "out.jsonl", [record("a")])
    result = CliRunner().invoke(app, ["report", str(results), "--json"], catch_exceptions=False)
    assert json.loads(result.stdout)["parts"][0]["part"] == "Figures"
    assert not (tmp_path / "out.html").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    results = write_results(tmp_path / "out.html", [record("a")])
    with pytest.raises(InputError, match="choose another file"):
        CliRunner().invoke(app, ["report", str(results)], catch_exceptions=False)
