"""Result files as reports read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynasor.batch.results import openai_line
from dynasor.errors import InputError
from dynasor.reports import read_arms
from dynasor.vocabulary import Answer, Certaindex
from tests.reports.results import record, write_results


def test_a_baseline_beside_the_results_comes_before_them(tmp_path: Path) -> None:
    path = write_results(tmp_path / "out.jsonl", [record("a")], options={"--max-samples": 8, "model": "m"})
    (tmp_path / "out.fixed.jsonl").write_text(json.dumps(record("a", stop_reason="cap")) + "\n")
    baseline, arm = read_arms([path])
    assert (baseline.name, baseline.is_baseline, arm.name, arm.is_baseline) == ("fixed", True, "agreement", False)
    assert (arm.cap, arm.elapsed_s, baseline.options["model"]) == (8, 2.0, "m")


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = write_results(tmp_path / "out.jsonl", [record("a"), record("b")])
    with path.open("a") as file:
        file.write('{"id": "c", "ans')
    assert [each["id"] for each in read_arms([path])[0].records] == ["a", "b"]


def test_lines_of_the_openai_format_bring_their_solutions(tmp_path: Path) -> None:
    answer = Answer("4", Certaindex(0.9, {}), solution="2 + 2 = 4")
    path = tmp_path / "out.jsonl"
    failed = {**record("b", None, certaindex=None, stop_reason="failed"), "error": "it broke"}
    lines = [openai_line(record("a"), answer, "m"), openai_line(failed, None, "m")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_arms([path])[0].records
    assert (first["id"], first["solution"], second["error"]) == ("a", "2 + 2 = 4", "it broke")


def test_arms_with_one_name_are_called_by_their_files(tmp_path: Path) -> None:
    paths = [write_results(tmp_path / name, [record("a")]) for name in ("one.jsonl", "two.jsonl")]
    assert [arm.name for arm in read_arms(paths)] == ["agreement (one)", "agreement (two)"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no results yet"),
        ('{"id": "a"}\n', r":1: this is not a result line of `dynasor batch`"),
        ("nonsense\n{}\n", r":1: this is not a result line"),
        ("[1]\n", r":1: this is not a result line"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_arms([path])
