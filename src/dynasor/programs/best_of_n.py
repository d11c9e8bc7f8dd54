"""Best of n: the answer of the sample that a reward likes best."""

from __future__ import annotations

from dataclasses import dataclass

from dynasor.programs.protocol import Session
from dynasor.programs.scored_samples import scored_sampling
from dynasor.rewards import Reward
from dynasor.vocabulary import Answer


@dataclass(frozen=True, slots=True)
class BestOfN:
    """Sample independent solutions, score each, and answer as the one with the highest reward.

    Args:
        reward: scores whole solutions.
    """

    reward: Reward

    async def execute(self, session: Session) -> Answer:
        votes = session.votes(by="best")
        async with session.parallel(await scored_sampling(session, self.reward)) as samples:
            async for sample in samples:
                votes.add(sample.answer, sample.completion, sample.reward)
                votes.report(samples)
        return votes.answer()
