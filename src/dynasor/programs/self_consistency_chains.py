"""Self-consistency over chains of thought: a vote of long chains that need not all come to their end.

A chain whose own answer has settled votes while it still thinks. So a vote may be decided, and every chain ended, long
before the slowest would be. (The Certaindex paper measures a vote or a chain, never both.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from dynasor.certainty import AGREEMENT
from dynasor.errors import InputError
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.efforts import EFFORTS, EffortName
from dynasor.programs.probes import Probe
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.programs.votes import Votes
from dynasor.vocabulary import Answer, Certaindex


@dataclass(frozen=True, slots=True)
class Ballot:
    """What a chain votes for: its final answer, or the one that it has settled on so far."""

    answer: ReadAnswer | None
    text: str
    num_tokens: int
    is_final: bool

    @classmethod
    def of_probe(cls, probe: Probe) -> Ballot:
        return cls(probe.answer, probe.text.strip(), probe.num_tokens, is_final=False)


@dataclass(frozen=True, slots=True)
class SelfConsistencyOverChains:
    """Let chains of thought run side by side and take the majority of their answers, also of those still thinking.

    A unit of its knob is a chain. Each chain is stopped by the same allocator as the vote, on its own evidence.

    Args:
        effort: of the chains, if ``chain`` is not given.
        votes_from: the agreement from which a chain that still thinks votes.
        chain: the chains' own program.
    """

    effort: EffortName = "medium"
    votes_from: float = 0.8
    chain: ChainOfThought | None = None

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise InputError(f"effort is {self.effort!r}; choose {', '.join(EFFORTS)}")
        if not 0 < self.votes_from <= 1:
            raise InputError(f"votes_from is {self.votes_from}; a number above 0 and up to 1 was expected")

    async def execute(self, session: Session) -> Answer:
        chain = self.chain or ChainOfThought(effort=self.effort)
        ballots: dict[int, Ballot] = {}
        guesses: dict[int, Ballot] = {}
        numbers = itertools.count()

        def report() -> None:
            """Before there is a vote, the best answer is what most chains would say now, sure or not."""
            votes = count(session, ballots)
            best = votes if votes.leader else count(session, guesses)
            chains.observe(votes.certaindex, best.leading_answer, best.leading_solution, votes.branches)

        async def think(unit: Session) -> tuple[int, Answer]:
            number = next(numbers)

            def heard(certaindex: Certaindex, probe: Probe) -> bool:
                before, guess = ballots.get(number), Ballot.of_probe(probe)
                guesses[number] = guess
                if certaindex.signals[AGREEMENT] < self.votes_from:
                    ballots.pop(number, None)
                elif probe.is_sure:
                    ballots[number] = guess
                if vote_of(before) != vote_of(ballots.get(number)) or not any(map(vote_of, ballots.values())):
                    report()
                return number in ballots

            return number, await chain.think_aloud(unit.inner(None, 1), heard)

        async with session.parallel(think) as chains:
            async for number, answer in chains:
                read = None if answer.text is None else await session.read_as_answer(answer.text)
                ballots[number] = Ballot(read, answer.solution, answer.branches[0].num_tokens, is_final=True)
                report()
            return count(session, ballots).answer()  # before those that still think are ended


def vote_of(ballot: Ballot | None) -> str | None:
    return ballot.answer.key if ballot is not None and ballot.answer is not None else None


def count(session: Session, ballots: dict[int, Ballot]) -> Votes:
    """The votes, those of finished chains first, so that the answer is shown by one of them; then in the order in which
    the chains began, so that it settles ties.

    A chain that still thinks may vote otherwise in the end. So its vote is evidence, and also yet to come: that makes
    the agreement rather too low than too high, and never 1 before the chains that could change it have finished.
    """
    votes = session.votes()
    votes.cap += sum(not ballot.is_final for ballot in ballots.values())
    for _, ballot in sorted(ballots.items(), key=lambda numbered: (not numbered[1].is_final, numbered[0])):
        votes.add(ballot.answer, ballot)
    return votes
