"""``dynasor replay`` as a user runs it, on a small trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import dynasor
from tests.replay.recorded import line, write_trace


def small_trace(folder: Path) -> Path:
    lines = [line("sure", "a" * 12), line("split", "aaabbbaaabbb"), line("unmarked", "cccc", None)]
    return write_trace(folder / "small.jsonl.gz", *lines)


def test_json_has_a_row_for_each_trace_and_allocator(tmp_path: Path) -> None:
    trace = small_trace(tmp_path)
    other = write_trace(tmp_path / "other.jsonl", line("q", "aaaaaaaa"))
    command: list[str | Path] = [
        "replay",
        trace,
        other,
        "-a",
        "agreement:max_change=0.05",
        "-a",
        "fixed",
        "-n",
        "8",
        "--json",
    ]
    done = dynasor(*command)
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [(row["trace"], row["allocator"]) for row in rows] == [
        ("small", "agreement:max_change=0.05"),
        ("small", "fixed"),
        ("other", "agreement:max_change=0.05"),
        ("other", "fixed"),
    ]
    assert rows[0]["saved"] > rows[1]["saved"] == 0.0
    assert dynasor(*command).stdout == done.stdout, "the same seed gives the same rows"


def test_table_and_what_must_be_known_about_it(tmp_path: Path) -> None:
    done = dynasor("replay", small_trace(tmp_path), "-a", "agreement", "-a", "threshold", "--detect-at", "3", "-n", "8")
    assert done.returncode == 0, done.stderr
    assert "small: 3 questions, at most 8 samples each" in done.stdout
    assert "accuracy is over the 2 questions that are marked throughout" in done.stdout
    assert "1 of 3 questions have fewer samples recorded; all of those are their cap" in done.stdout
    assert "fewest samples, the same for every question, that reach the accuracy" in done.stdout


def test_calibration_on_half_of_the_questions_is_scored_on_the_other_half(tmp_path: Path) -> None:
    lines = [line(str(number), "aaaaaaaa" if number % 4 else "abababab") for number in range(80)]
    trace = write_trace(tmp_path / "t.jsonl", *lines)
    done = dynasor("replay", trace, "-a", "fixed", "-n", "8", "--calibrate-on", "0.5", "--shuffles", "2", "--json")
    assert done.returncode == 0, done.stderr
    calibrated, fixed = json.loads(done.stdout)
    assert (calibrated["allocator"], calibrated["calibrated"]) == ("agreement", True)
    assert fixed["questions"] == calibrated["questions"] == 40
    assert calibrated["saved"] > 0.2
    assert calibrated["agreement"] > 0.95


def test_skylines_are_calibrated_beside_agreement(tmp_path: Path) -> None:
    lines = [line(str(number), "aaaaaaaa" if number % 4 else "abababab") for number in range(80)]
    trace = write_trace(tmp_path / "t.jsonl", *lines)
    once = "skyline:detect_at=3,check_every=none"
    done = dynasor(
        "replay", trace, "-a", "skyline", "-a", once, "-a", "fixed", "-n", "8", "--calibrate-on", "0.5", "--json"
    )
    assert done.returncode == 0, done.stderr
    rows = {row["allocator"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["agreement", "skyline", once, "fixed"]
    assert [row["calibrated"] for row in rows.values()] == [True, True, True, False]
    assert rows["skyline"]["saved"] > 0.2
    assert rows["skyline"]["agreement"] > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-a", "magic"], "there is no allocator 'magic'; choose agreement"),
        (["-a", "fixed", "--max-change", "0.1"], "max_change means nothing to fixed; together they take no options"),
        (["--calibrate-on", "1.5"], "calibrate_on is 1.5; a number between 0 and 1 was expected"),
        (["-a", "skyline"], "the allocator skyline is learned from recorded samples"),
        (["-a", "skyline", "-a", "skyline", "--calibrate-on", "0.5"], "the allocator 'skyline' is named twice"),
        (["--calibrate-on", "0.5"], "2 questions are too few to keep 99.00% of answers"),
    ],
)
def test_unusable_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = dynasor("replay", small_trace(tmp_path), *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"dynasor: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_trace_is_named_with_its_line(tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "t.jsonl", line("q", "ab"), {"id": "r"})
    done = dynasor("replay", trace)
    assert (done.returncode, done.stderr) == (2, f'dynasor: {trace}:2: "samples" is missing; a list was expected\n')
