"""Every benchmark in its smallest form, as ``make bench-smoke`` runs them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmarks.quick import Step, run, run_all


@pytest.mark.timeout(300)
def test_all_of_them_run_and_are_summed_up(tmp_path: Path) -> None:
    lines: list[str] = []
    found = run_all(tmp_path, is_smoke=True, say=lines.append)
    assert [each["name"] for each in found] == ["scheduler", "scale", "batch", "online"]
    assert all(each["outcome"] == "done" for each in found), lines
    assert orjson.loads((tmp_path / "summary.json").read_bytes())["steps"] == found
    assert len(lines) == len(found)


def test_what_is_not_there_is_left_out_and_what_fails_is_told(tmp_path: Path) -> None:
    step = Step("none", ("false",), tmp_path / "none.json", 5.0, str)
    assert run(step, tmp_path / "log")["outcome"] == "failed with 1"
    slow = Step("slow", ("sleep", "60"), tmp_path / "none.json", 0.1, str)
    assert run(slow, tmp_path / "log")["outcome"] == "ended after 0.1 s"
    missing = Step("gpu", ("false",), tmp_path / "none.json", 5.0, str, needs="a GPU")
    assert run(missing, tmp_path / "log")["headline"] == "needs a GPU"
