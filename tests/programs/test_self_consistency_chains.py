"""A vote of chains of thought, some of which still think when it is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor import Agreement, Fixed, Threshold
from dynasor.errors import InputError
from dynasor.events import CertaindexMeasured
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.self_consistency_chains import SelfConsistencyOverChains
from dynasor.vocabulary import Allocation, Certaindex, Request, RequestKind, Spending, StopReason
from tests.in_process_engine import Reply
from tests.programs.scripted_chains import ScriptedChain, always, run, settles

CHAIN = ChainOfThought(probe_interval=10, probe_budget=9.0)
CHAINS = SelfConsistencyOverChains(chain=CHAIN)
NEVER_BY_ITSELF = Agreement(max_chain_change=0.0)
"""Stops the vote only; no chain is ever quite sure."""


def different_chains(chains: Mapping[int, ScriptedChain], otherwise: ScriptedChain) -> Callable[[Request], Reply]:
    """A script for each chain, by the order in which the chains began. Their probes are told apart by their first
    word, for the i-th chain says ``c<i>`` before its words."""
    begun = 0

    def script(request: Request) -> Reply:
        nonlocal begun
        if request.kind is RequestKind.PROBE:
            number = int(str(request.prompt).split("<think>\nc")[1].split(" ")[0])
            return chains.get(number, otherwise)(request)
        reply = chains.get(begun, otherwise)(request)
        reply = Reply(pieces=(f"c{begun} ", *reply.pieces), finish_reason=reply.finish_reason)
        begun += 1
        return reply

    return script


async def test_a_vote_is_decided_by_chains_that_still_think() -> None:
    script = different_chains({}, ScriptedChain(always("7}"), length=900))
    found = await run(CHAINS, NEVER_BY_ITSELF, script, max_samples=8)
    answer = found.answer
    assert (answer.text, answer.stop_reason) == ("7", StopReason.CERTAIN)
    assert answer.num_samples == 0
    assert answer.solution == "The answer is \\boxed{7}"
    assert answer.certaindex.votes is not None
    assert answer.certaindex.votes.leader >= 3
    assert answer.usage.produced < 400


class StopsAtTwoVotes:
    """Starts three chains, and lets them think until two of them agree."""

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if certaindex is not None and certaindex.votes is None:
            return Allocation.grant(1)
        if certaindex is not None and certaindex.votes is not None and certaindex.votes.leader == 2:
            return Allocation.stop(StopReason.CERTAIN)
        return Allocation.grant(min(3, spending.cap) - spending.granted)


async def test_tokens_of_a_chain_are_used_up_to_its_vote_and_cancelled_from_there() -> None:
    """The second chain never votes."""
    script = different_chains({1: ScriptedChain(settles(at=9999), length=900)}, ScriptedChain(always("7}"), length=900))
    found = await run(CHAINS, StopsAtTwoVotes(), script)
    assert len(found.mains) == 3
    assert [branch.answer for branch in found.answer.branches] == ["7", "7"]
    assert found.answer.usage.main == sum(branch.num_tokens for branch in found.answer.branches)
    assert found.answer.usage.cancelled > max(branch.num_tokens for branch in found.answer.branches)


async def test_each_chain_stops_by_itself_as_well() -> None:
    """Three answers of eight chains: the vote goes on to the cap, but no chain to its end."""
    scripts = {number: ScriptedChain(always(f"{number % 3}}}"), length=900) for number in range(8)}
    found = await run(CHAINS, Agreement(), different_chains(scripts, scripts[0]), max_samples=8)
    assert all(branch.num_tokens < 200 for branch in found.answer.branches)
    assert found.answer.text == "0"


async def test_a_chain_that_changes_its_mind_takes_its_vote_back() -> None:
    """Both chains say 1 at first; the second comes to 2, and to its end."""
    late = ScriptedChain(lambda length: "1}" if length < 40 else f"{length}}}", length=300, final="2")
    scripts = {0: ScriptedChain(always("1}"), length=60, final="1"), 1: late}
    found = await run(CHAINS, NEVER_BY_ITSELF, different_chains(scripts, late), max_samples=2)
    assert found.answer.stop_reason is StopReason.CAP
    assert sorted(str(branch.answer) for branch in found.answer.branches) == ["1", "2"]
    voted = [event.certaindex.votes for event in found.events if isinstance(event, CertaindexMeasured)]
    assert [votes.groups for votes in voted if votes is not None and len(votes.groups) == 1].count((2,)) > 0


async def test_the_answer_is_shown_by_a_chain_that_finished() -> None:
    scripts = {2: ScriptedChain(settles(at=9999), length=45, final="7")}
    found = await run(
        CHAINS, NEVER_BY_ITSELF, different_chains(scripts, ScriptedChain(always("7}"), 900)), max_samples=12
    )
    assert found.answer.num_samples == 1
    assert found.answer.solution == "The answer is \\boxed{7}."


async def test_under_fixed_all_chains_go_to_their_end_unprobed() -> None:
    found = await run(CHAINS, Fixed(), different_chains({}, ScriptedChain(always("3}"), final="8")), max_samples=5)
    assert not found.probes
    assert (found.answer.text, found.answer.num_samples, found.answer.stop_reason) == ("8", 5, StopReason.CAP)
    assert found.answer.usage.main == 5 * 205


async def test_the_papers_threshold_works_on_the_vote_and_on_the_chains() -> None:
    found = await run(CHAINS, Threshold(), different_chains({}, ScriptedChain(always("7}"), 300)), max_samples=6)
    assert (found.answer.text, found.answer.stop_reason) == ("7", StopReason.CERTAIN)


async def test_a_cut_off_chain_votes_for_its_last_probe() -> None:
    script = different_chains({}, ScriptedChain(always("7}"), length=40, final=None))
    found = await run(CHAINS, Fixed(), script, max_samples=3, max_tokens=41)
    assert (found.answer.text, found.answer.certaindex.votes and found.answer.certaindex.votes.leader) == ("7", 3)


async def test_chains_without_an_answer_vote_for_nobody() -> None:
    script = different_chains({}, ScriptedChain(always("}"), length=40, final=None))
    found = await run(CHAINS, Agreement(), script, max_samples=3, max_tokens=41)
    assert (found.answer.text, found.answer.certaindex.value) == (None, 0)
    assert found.answer.certaindex.votes is not None
    assert found.answer.certaindex.votes.unanswered == 3


async def test_listeners_hear_of_the_vote_and_not_of_the_chains() -> None:
    found = await run(CHAINS, Agreement(), different_chains({}, ScriptedChain(always("7}"), 300)), max_samples=4)
    measured = [event.certaindex for event in found.events if isinstance(event, CertaindexMeasured)]
    assert measured
    assert all(certaindex.votes is not None for certaindex in measured)


@given(
    lengths=st.lists(st.integers(1, 120), min_size=1, max_size=5),
    settled_at=st.integers(0, 150),
    probe_tokens=st.integers(1, 20),
    concurrency=st.integers(1, 4),
    allocator=st.sampled_from([Agreement(), Fixed(), Threshold(), NEVER_BY_ITSELF]),
)
@settings(deadline=None, max_examples=40)
def test_whatever_happens_it_answers_and_counts_every_token(
    lengths: list[int], settled_at: int, probe_tokens: int, concurrency: int, allocator: Agreement
) -> None:
    scripts = {
        number: ScriptedChain(settles(settled_at + number), length, "7", probe_tokens)
        for number, length in enumerate(lengths)
    }
    script = different_chains(scripts, scripts[0])
    work = run(CHAINS, allocator, script, max_samples=len(lengths), concurrency=concurrency)
    found = asyncio.run(asyncio.wait_for(work, 20))
    assert found.answer.text == "7"
    assert found.engine.most_live <= 2 * concurrency


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"effort": "huge"}, "effort is 'huge'; choose low, medium, high"),
        ({"votes_from": 0.0}, "votes_from is 0.0; a number above 0 and up to 1"),
        ({"votes_from": 1.5}, "votes_from is 1.5; a number above 0 and up to 1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SelfConsistencyOverChains(**parameters)  # type: ignore[arg-type]
