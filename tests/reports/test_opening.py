"""From files to reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynasor.errors import InputError
from dynasor.reports import Figures, QuestionTable, Table, open_report
from dynasor.vocabulary import JSON
from tests.reports.results import record, write_results

SPREAD = {"mean": 1.0, "p50": 0.8, "p90": 2.0, "p99": 3.0, "most": 3.1}
USE = {"busy_share": 0.5, "mean_running": 2.0, "most_running": 4, "prefix_hit_share": 0.1, "preemptions": 0}


def simulated(name: str, **more: object) -> JSON:
    tokens = {"main": 100, "cancelled": 20, "probe": 0, "score": 0, "prompt": 7}
    return {
        "arm": name,
        "programs": 10,
        "latency_s": SPREAD,
        "slo_attainment": 0.9,
        "goodput_programs_per_s": 1.0,
        "programs_per_s": 1.2,
        "accuracy": None,
        "samples_per_program": 3.0,
        "tokens": tokens,
        "stop_reasons": {"cap": 4, "certain": 6},
        "streams": {},
        "replicas": {"replica-0": USE},
        **more,
    }


def written(path: Path, *arms: JSON) -> Path:
    result = {"engine_profile": "h100", "replicas": 2, "programs": 10, "seed": 0, "arms": arms}
    path.write_text(json.dumps(result, indent=2))
    return path


def test_a_simulation_has_a_row_for_each_arm(tmp_path: Path) -> None:
    report = open_report([written(tmp_path / "sim.json", simulated("gang fixed"), simulated("sjf agreement"))])
    table = report.parts[0]
    assert isinstance(table, Table)
    assert [column.name for column in table.columns] == [
        *("arm", "programs", "latency, mean", "P50", "P90", "P99", "in time"),
        *("goodput, programs/s", "throughput, programs/s", "samples a program", "tokens a program"),
    ]
    assert table.rows[0][-1] == 12
    titles = [part.title for part in report.parts]
    assert titles == ["Arms", "Latency", "In time", "Tokens by kind", "Why programs stopped", "Replicas"]
    assert report.subtitle == "10 programs on 2 x h100, seed 0"


def test_streams_have_tables_of_their_own(tmp_path: Path) -> None:
    streams = {"chat": simulated("chat"), "file": simulated("file")}
    report = open_report([written(tmp_path / "sim.json", simulated("gang fixed", streams=streams))])
    assert [part.title for part in report.parts][-2:] == ["Of these, chat", "Of these, file"]


def test_batches_bring_the_texts_of_their_questions(tmp_path: Path) -> None:
    results = write_results(tmp_path / "out.jsonl", [record("a"), record("b")])
    questions = tmp_path / "in.jsonl"
    questions.write_text('{"id": "a", "question": "What is 2 + 2?"}\n{"id": "b", "question": "And 3 + 1?"}\n')
    table = open_report([results], questions).parts[-1]
    assert isinstance(table, QuestionTable)
    assert [details["question"] for details in table.details] == ["What is 2 + 2?", "And 3 + 1?"]


def test_one_result_alone_is_still_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps(record("a")))
    assert isinstance(open_report([path]).parts[0], Figures)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"arms": {"fixed": {}}}', "is the summary of a batch; name its result file"),
        ('{\n"weights": 1}', "is no result of `dynasor batch`, `simulate --json` or `bench --json`"),
        ('{"arms": [{}]}', "this is no result of `dynasor simulate --json`"),
        ("plain text\n", "this is not a result line"),
    ],
)
def test_what_cannot_be_reported_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "result"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        open_report([path])


def test_a_simulation_beside_another_is_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path / name, simulated("gang fixed")) for name in ("a.json", "b.json")]
    with pytest.raises(InputError, match="only results of `dynasor batch` stand side by side"):
        open_report(paths)
