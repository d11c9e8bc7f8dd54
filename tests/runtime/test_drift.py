"""The drift watch: audited programs run to their cap, and a warning comes when too many answers change."""

from __future__ import annotations

from dataclasses import replace

from dynasor import AnswerReader, Options, Question, Runtime, SelfConsistency
from dynasor.events import CertaindexMeasured, DriftSuspected, Event
from dynasor.profile import Expected, Profile, Promise
from dynasor.runtime import DriftWatch
from dynasor.runtime.drift import Audit
from dynasor.scheduling import Agreement, Curve, Fixed, Skyline, watch
from dynasor.vocabulary import Certaindex, StopReason
from tests.in_process_engine import InProcessEngine, Script, says

PROFILE = Profile(
    model="scripted",
    dataset="none",
    program="self-consistency",
    max_samples=12,
    allocator=Agreement(0.3),
    promise=Promise("agreement", 0.95),
    expected=Expected(0.7, 0.95),
)
CHANGES = says("1", "1", *["2"] * 10)
"""The first two agree, which is enough for the profile, and all others say something else."""


async def run(
    script: Script, programs: int, share: float, profile: Profile = PROFILE
) -> tuple[DriftWatch, list[Event], list[StopReason]]:
    events: list[Event] = []
    watch = DriftWatch(profile, share)
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=1, listener=events.append, watch=watch)
        reasons = [
            (
                await runtime.run(
                    Question.of_text("?", f"q{number}"), SelfConsistency(), profile.allocator, Options(max_samples=12)
                )
            ).stop_reason
            for number in range(programs)
        ]
    return watch, [event for event in events if isinstance(event, DriftSuspected)], reasons


async def test_a_stable_world_raises_no_warning() -> None:
    watch, warnings, reasons = await run(says("7"), 12, share=1.0)
    assert (watch.audited, watch.changed, warnings) == (12, 0, [])
    assert set(reasons) == {StopReason.CAP}


async def test_too_many_changes_are_reported_once() -> None:
    watch, warnings, _ = await run(CHANGES, 12, share=1.0)
    assert (watch.audited, watch.changed) == (12, 12)
    assert warnings == [DriftSuspected(2, 2, watch.allowed)]


async def test_an_audit_goes_by_what_the_rule_itself_would_have_granted() -> None:
    """After two samples this skyline grants six more, which turn the answer; a third alone would not."""
    skyline = replace(PROFILE, allocator=Skyline({2: Curve(((0.0, 6),))}))
    watch, warnings, _ = await run(CHANGES, 3, share=1.0, profile=skyline)
    assert (watch.audited, watch.changed, warnings) == (3, 0, [])
    hasty = replace(PROFILE, allocator=Skyline({2: Curve(((0.0, 1),))}))
    assert (await run(CHANGES, 3, share=1.0, profile=hasty))[0].changed == 3


async def test_programs_that_are_not_audited_stop_as_the_profile_says() -> None:
    watch, warnings, reasons = await run(CHANGES, 6, share=0.0)
    assert (watch.audited, warnings) == (0, [])
    assert set(reasons) == {StopReason.CERTAIN}


async def test_about_the_share_is_audited_and_always_the_same_programs() -> None:
    watch, _, reasons = await run(says("7"), 60, share=0.25)
    assert 5 <= watch.audited <= 25
    assert (await run(says("7"), 60, share=0.25))[2] == reasons


def test_a_few_changes_are_no_surprise() -> None:
    watch = DriftWatch(PROFILE, audited=100, changed=7)
    assert not watch.is_surprising
    watch.changed = 13
    assert watch.is_surprising


def test_a_chain_is_audited_on_its_probes_also_beyond_the_cap_of_samples() -> None:
    profile = replace(PROFILE, program="chain-of-thought", max_samples=2, allocator=Agreement(max_chain_change=0.1))
    assert DriftWatch(profile).allocator == watch()
    audit = Audit(profile)
    for probe, (agreement, answer) in enumerate([(0.0, "1"), (0.5, "2"), (0.8, "2"), (0.95, "2"), (0.95, "3")], 1):
        audit.hear(CertaindexMeasured("p", Certaindex(agreement, {"agreement": agreement}), answer, probe))
    assert audit.answer == "2"


def test_samples_are_audited_all_at_once_and_trees_in_their_waves() -> None:
    assert DriftWatch(PROFILE).allocator == Fixed()
    assert DriftWatch(replace(PROFILE, program="rebase", allocator=Agreement(wave=4))).allocator == watch(4)
