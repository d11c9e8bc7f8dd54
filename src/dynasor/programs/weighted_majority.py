"""Weighted majority: a vote in which a sample weighs as much as its reward."""

from __future__ import annotations

from dataclasses import dataclass

from dynasor.programs.protocol import Session
from dynasor.programs.scored_samples import scored_sampling
from dynasor.rewards import Reward
from dynasor.vocabulary import Answer


@dataclass(frozen=True, slots=True)
class WeightedMajority:
    """Sample independent solutions, score each, and take the answer whose samples have the largest sum of rewards.

    Args:
        reward: scores whole solutions.
    """

    reward: Reward

    async def execute(self, session: Session) -> Answer:
        votes = session.votes(by="weighted")
        async with session.parallel(await scored_sampling(session, self.reward)) as samples:
            async for sample in samples:
                votes.add(sample.answer, sample.completion, sample.reward)
                votes.report(samples)
        return votes.answer()
