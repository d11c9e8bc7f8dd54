"""The drift watch of a server: it counts what goes by the profile's rule, and warns in the log and in the metrics."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dynasor.profile import Expected, Profile, Promise
from dynasor.runtime import DriftWatch
from dynasor.scheduling import Agreement
from tests.in_process_engine import InProcessEngine, says
from tests.serving.running import serving

CAP = 6
PROFILE = Profile(
    model="scripted",
    dataset="none",
    program="self-consistency",
    max_samples=CAP,
    allocator=Agreement(0.3),
    promise=Promise("agreement", 0.95),
    expected=Expected(0.7, 0.95),
)
CHANGES = says("1", "1", *["2"] * 10)
"""The first two agree, which is enough for the profile, and all others say something else."""


async def test_what_goes_by_the_profile_is_audited_and_drift_is_told(caplog: pytest.LogCaptureFixture) -> None:
    watch = DriftWatch(PROFILE, share=1.0)
    async with serving(InProcessEngine(CHANGES), max_samples=CAP, concurrency=1, watch=watch) as served:
        for number in range(3):
            status, answer = await served.chat(dynasor={"priority": number, "deadline_s": 60}, temperature=0.5)
            assert (status, answer["dynasor"]["samples"], answer["dynasor"]["answer"]) == (200, CAP, "2")
        _, page = await served.get("/metrics")
    assert (watch.audited, watch.changed) == (3, 3)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "2 of 2 programs that ran to the cap changed their answer after the profile would have stopped; "
        "it allows 5.0%. Calibrate again"
    ]
    assert "dynasor:audited_programs_total 3.0" in page
    assert "dynasor:audited_changes_total 3.0" in page
    assert "dynasor:drift_suspected 1.0" in page


@pytest.mark.parametrize(
    "own",
    [
        {"dynasor": {"max_samples": 4}},
        {"dynasor": {"allocator": "agreement:max_change=0.2"}},
        {"dynasor": {"max_change": 0.2}},
        {"dynasor": {"program": "chain-of-thought"}},
        {"dynasor": {"program": "self-consistency", "effort": "none"}},
        {"seed": 7},
    ],
    ids=str,
)
async def test_a_request_with_a_rule_of_its_own_is_not_counted(own: dict[str, Any]) -> None:
    watch = DriftWatch(PROFILE, share=1.0)
    async with serving(InProcessEngine(CHANGES), max_samples=CAP, concurrency=1, watch=watch) as served:
        assert (await served.chat(**own))[0] == 200
        _, page = await served.get("/metrics")
    assert watch.audited == 0
    assert "dynasor:drift_suspected 0.0" in page


@pytest.mark.parametrize(
    "same",
    [
        {"max_samples": CAP},
        {"program": "self-consistency"},
        {"allocator": "agreement:max_change=0.3"},
        {"effort": None},
    ],
    ids=str,
)
async def test_a_request_that_asks_for_the_rule_itself_is(same: dict[str, Any]) -> None:
    watch = DriftWatch(PROFILE, share=1.0)
    async with serving(InProcessEngine(CHANGES), max_samples=CAP, concurrency=1, watch=watch) as served:
        assert (await served.chat(dynasor=same))[0] == 200
    assert watch.audited == 1


async def test_without_a_profile_nothing_is_said_of_drift() -> None:
    async with serving(InProcessEngine(says("1"))) as served:
        await served.chat()
        assert "drift" not in (await served.get("/metrics"))[1]
