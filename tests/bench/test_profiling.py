"""A profile is found again in what a simulated engine was measured to take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from dynasor.bench.flows import Plan
from dynasor.bench.profiling import Profiled, profile_engine
from dynasor.errors import EngineFailed
from dynasor.simulation import (
    CostModel,
    EngineProfile,
    Piece,
    Reply,
    Segment,
    SimulatedEngine,
    load_engine_profile,
    run_virtually,
)
from dynasor.vocabulary import Request

TRUE = EngineProfile(
    "true",
    "none",
    CostModel(overhead_s=0.004, token_s=2e-5, sequence_s=3e-4, context_s=2e-7, request_s=0.003),
    kv_tokens=200_000,
    max_running=64,
    delay_s=0.002,
)


@dataclass(frozen=True, slots=True)
class EveryToken:
    """Writes without end, and tells of each token, as engines do."""

    def reply(self, request: Request) -> Reply:
        words = sum(len(message.content.split()) for message in request.prompt if not isinstance(message, str))
        pieces = tuple(Piece("x", number) for number in range(1, 2000))
        return Reply((Segment(request.id, 10 + words),), pieces)


def profiled(capacity: int) -> Profiled:
    async def main() -> Profiled:
        async with SimulatedEngine(TRUE, EveryToken()) as engine:
            return await profile_engine(engine, "simulated", Plan.up_to(capacity, 1.0, 1), name="found")

    return run_virtually(main())


def test_a_profile_is_found_again() -> None:
    found = profiled(16)
    assert len(found.flows) == 20
    assert found.fit.mean_error < 0.02
    for running, context, prefill, begun in ((1, 100, 0, 0), (16, 8000, 0, 0), (8, 1000, 500, 1), (8, 1000, 30, 2)):
        expected = TRUE.cost.iteration_s(running, context, prefill, begun)
        assert found.profile.cost.iteration_s(running, context, prefill, begun) == pytest.approx(expected, rel=0.08)
    assert found.profile.delay_s == pytest.approx(TRUE.delay_s, abs=0.001)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    found, path = profiled(2), tmp_path / "mine.json"
    path.write_bytes(orjson.dumps(found.to_json()))
    assert load_engine_profile(str(path)) == found.profile
    assert orjson.loads(path.read_bytes())["evidence"]["measured"] == 8


class Breaks(EveryToken):
    def reply(self, request: Request) -> Reply:
        if request.id == "profile-20":
            raise EngineFailed("it broke")
        return EveryToken.reply(self, request)


def test_an_engine_that_fails_is_named_as_what_failed() -> None:
    async def main() -> None:
        async with SimulatedEngine(TRUE, Breaks()) as engine:
            await profile_engine(engine, "simulated", Plan.up_to(4, 1.0, 1))

    with pytest.raises(EngineFailed, match="it broke"):
        run_virtually(main())


def test_the_plan_goes_up_to_the_capacity() -> None:
    assert Plan.up_to(24, 1.0, 1).concurrencies == (1, 2, 4, 8, 16, 24)
    assert Plan.up_to(1, 1.0, 3).num_flows == 12
