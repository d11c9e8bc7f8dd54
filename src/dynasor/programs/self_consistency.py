"""Self-consistency (Wang et al., arXiv 2203.11171): many independent chains of thought, one vote."""

from __future__ import annotations

from dynasor.programs.protocol import Session
from dynasor.vocabulary import Answer


class SelfConsistency:
    """Sample independent chains of thought and take the majority answer."""

    async def execute(self, session: Session) -> Answer:
        async with session.branches() as branches:
            votes = session.votes()
            async for completion in branches:
                votes.add(await session.read_answer(completion), completion)
                votes.report(branches)
        return votes.answer()
