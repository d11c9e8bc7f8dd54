"""A program of your own: the first answer that three samples agree on wins the race.

    dynasor solve "A shop has 47 boxes of 56 pens. How many pens are there?" \
        --program examples.first_to_three:FirstToThree --allocator fixed --max-samples 9
"""

from dynasor import Answer, Session

VOTES_TO_WIN = 3


class FirstToThree:
    """Sample in parallel, stop at the third vote for one answer, and cancel the others."""

    async def execute(self, session: Session) -> Answer:
        async with session.branches() as branches:
            votes = session.votes()
            async for completion in branches:
                votes.add(await session.read_answer(completion), completion)
                branches.observe(votes.certaindex, votes.leading_answer)
                if votes.counts.leader >= VOTES_TO_WIN:
                    break
        return votes.answer()
