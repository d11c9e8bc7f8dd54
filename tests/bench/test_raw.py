"""Raw results: what is there is kept, and only for a run of the same settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynasor.bench.raw import RawResults
from dynasor.errors import InputError


def test_lines_are_there_again_and_a_cut_one_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    RawResults(path, {"seed": 1}).add("cell", {"rate": 2.0})
    with path.open("ab") as file:
        file.write(b'{"kind": "cell", "ra')
    again = RawResults(path, {"seed": 1})
    again.add("cell", {"rate": 3.0})
    assert [line["rate"] for line in RawResults(path, {"seed": 1}).of_kind("cell")] == [2.0, 3.0]


def test_results_of_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    RawResults(path, {"seed": 1, "window_s": 40.0})
    with pytest.raises(InputError, match=r"other settings \(seed\)"):
        RawResults(path, {"seed": 2, "window_s": 40.0})


@pytest.mark.parametrize("content", ["not JSON\n", "[1]\n", '{"rate": 1}\n'])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a file of results"):
        RawResults(path, {})
    assert path.read_text() == content
