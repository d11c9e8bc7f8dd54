"""The benchmark of fidelity finds none missing where the real engine is a simulated one."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import pytest

from benchmarks.fidelity import MEASURES, lines_of, row_of, served, simulated
from benchmarks.fidelity_samples import KnownQuestion, Recording, Setting
from dynasor import AnswerReader
from dynasor.scheduling import make_allocator
from dynasor.simulation import CostModel, EngineProfile, Piece, Reply, Segment, SimulatedEngine, run_virtually
from dynasor.simulation.answers import Sample
from dynasor.vocabulary import JSON, Request

PROFILE = EngineProfile("test", "none", CostModel(overhead_s=0.01, sequence_s=0.001, request_s=0.003), 50_000, 64)
GIVEN = argparse.Namespace(
    programs=15,
    capacity=8,
    max_samples=6,
    max_tokens=400,
    temperature=1.0,
    allocator="agreement",
    repeats=1,
    seed=3,
)
RATE = 0.8


class Drawn(dict[int, Sample]):
    """Whatever seed is asked with, there is a sample."""

    def __missing__(self, seed: int) -> Sample:
        return Sample(str(1 + seed % 3), 20 + seed % 60)


def known(question_id: str) -> KnownQuestion:
    return KnownQuestion(question_id, 30, Drawn(), frozenset({"1"}))


@dataclass(frozen=True, slots=True)
class Author:
    def reply(self, request: Request) -> Reply:
        question = known(request.program_id.rpartition("-")[0])
        sample = question.draw(request.sampling.seed or 0)
        return Reply((Segment(question.key, 30),), (Piece(sample.text, sample.num_tokens),))


@pytest.mark.parametrize("policy", ["fcfs", "sjf"])
def test_both_sides_serve_the_same_programs_alike(policy: str) -> None:
    async def real() -> tuple[JSON, Setting]:
        async with SimulatedEngine(PROFILE, Author()) as engine, AnswerReader() as reader:
            setting = Setting(engine, reader, make_allocator("agreement"), GIVEN)
            return await served(setting, RATE, policy), setting

    measured, setting = run_virtually(real())
    recording = Recording({each.question.id: known(each.question.id) for each in setting.coming(RATE)}, 0.0, 0.0)
    row = row_of(0.5, RATE, policy, [(measured, simulated(setting, PROFILE, recording, RATE, policy))])
    assert all(row["ratio"][name] == pytest.approx(1.0, abs=1e-6) for name in MEASURES)
    assert row["real"]["tokens_per_program"] == row["simulated"]["tokens_per_program"]
    assert f"| 0.5 | {policy} |" in "\n".join(lines_of(result_with(row)))


def result_with(row: JSON) -> JSON:
    return {
        "rows": [row],
        "machine": {"cores_used": 1, "cores": 2, "processor": "a processor"},
        "versions": {"vllm": "0"},
        "setting": vars(GIVEN),
        "command": "python -m benchmarks.fidelity",
        "profile": {"evidence": {"mean_error": 0.01, "largest_error": 0.02, "measured": 20}},
        "recording": {"layer_s": 0.001},
        "largest_deviation": 0.0,
        "target": 0.15,
        "real_spread": 0.2,
    }
