"""``dynasor simulate`` from its options to its tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dynasor.cli.main import app
from dynasor.errors import InputError

SMALL = ["simulate", "--programs", "12", "--rate", "20", "--max-samples", "4"]


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*SMALL, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(app, [*SMALL, *arguments], catch_exceptions=False)
    return str(caught.value)


def test_json_has_every_arm_and_is_the_same_every_time() -> None:
    arguments = ("--policy", "gang", "--policy", "sjf", "-a", "fixed", "-a", "agreement", "--slo", "5", "--json")
    report = json.loads(ran(*arguments))
    assert [arm["arm"] for arm in report["arms"]] == ["gang fixed", "sjf fixed", "gang agreement", "sjf agreement"]
    assert all(arm["programs"] == 12 and arm["slo_attainment"] is not None for arm in report["arms"])
    assert report["arms"][0]["requests"] == 48
    assert json.loads(ran(*arguments)) == report


def test_the_table_says_where_lengths_come_from() -> None:
    output = ran("--policy", "gang", "--replicas", "2", "--arrivals", "bursty")
    assert "latency P99, s" in output
    assert "lengths modelled" in output
    assert "This is a simulation" in output


def test_a_trace_is_drawn_from_or_fitted(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    samples = [{"answer": "5", "correct": True, "tokens": 40}] * 3 + [{"answer": "x^2", "correct": False, "tokens": 60}]
    trace.write_text("".join(json.dumps({"id": f"q{n}", "samples": samples}) + "\n" for n in range(5)))
    recorded = json.loads(ran("-q", str(trace), "--policy", "gang", "-a", "fixed", "--json"))
    assert recorded["streams"][0]["lengths"] == "recorded"
    assert 0.5 < recorded["arms"][0]["accuracy"] <= 1
    fitted = json.loads(ran("-q", str(trace), "--modelled", "--policy", "gang", "-a", "fixed", "--json"))
    assert fitted["streams"][0]["lengths"] == "modelled (log-normal) after recorded"


def test_a_workload_of_streams_and_an_event_log(tmp_path: Path) -> None:
    workload, events = tmp_path / "workload.json", tmp_path / "events.jsonl"
    (tmp_path / "times.jsonl").write_text('3.5\n{"at": 3.6}\n')
    streams = [
        {"name": "chat", "rate": 20, "questions": "gsm8k-faithful-cot", "max_samples": 4, "slo_s": 5},
        {"name": "file", "arrivals": "times.jsonl", "questions": "svamp-program-of-thoughts", "program": "single"},
    ]
    workload.write_text(json.dumps({"streams": streams, "weights": {"chat": 2, "file": 1}}))
    arguments = ("--workload", str(workload), "--policy", "gang", "--json", "--events", str(events))
    result = CliRunner().invoke(app, ["simulate", "--programs", "12", *arguments], catch_exceptions=False)
    (arm,) = json.loads(result.output)["arms"]
    assert {name: found["programs"] for name, found in arm["streams"].items()} == {"chat": 10, "file": 2}
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert sum(line["event"] == "ProgramEnded" for line in lines) == 12
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"weights": {"chad": 2}}, ": weights has chad; the tenants are chat"),
        ({"weights": {"chat": 0}}, ": weights are to be an object of numbers above 0 by the name of a tenant"),
        ({"weights": [1]}, ": weights are to be an object of numbers above 0 by the name of a tenant"),
        ({"weigths": {"chat": 2}}, " has weigths; it may have streams, weights"),
    ],
)
def test_a_slip_in_a_workload_is_named(tmp_path: Path, stored: dict[str, object], message: str) -> None:
    workload = tmp_path / "workload.json"
    streams = [{"name": "chat", "rate": 20, "questions": "gsm8k-faithful-cot"}]
    workload.write_text(json.dumps({"streams": streams, **stored}))
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(app, ["simulate", "--workload", str(workload)], catch_exceptions=False)
    assert str(caught.value) == f"{workload}{message}"


def test_options_of_one_stream_do_not_go_with_a_workload() -> None:
    message = refusal("--workload", "any.json")
    assert message == "--rate does not go with --workload, whose streams say it each for themselves"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--policy", "lifo"), "there is no policy 'lifo'; choose fcfs, gang"),
        (("--engine-profile", "abacus"), "there is no engine profile 'abacus'; choose a100-80gb-llama-3.1-8b"),
        (("-q", "riddles"), "there are no questions 'riddles'; choose aqua"),
        (("-p", "tarot"), "there is no program 'tarot'; choose self-consistency, chain-of-thought"),
        (("--manner", "score_auc=2"), "score_auc is 2.0; a number from 0.5"),
        (("--deadline",), "has deadlines and no slo_s"),
        (("--arrivals", "nowhere.jsonl"), "nowhere.jsonl: there is no such file of arrivals"),
        (("--rate", "0"), "the rate is 0.0"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], message: str) -> None:
    assert message in refusal(*arguments)
