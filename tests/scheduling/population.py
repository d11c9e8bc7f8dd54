"""A population of questions whose samples are drawn as they are asked for, under a budget."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dynasor.certainty.votes import certaindex_of_votes
from dynasor.scheduling import BudgetedProgram, BudgetKeeper
from dynasor.vocabulary import Certaindex, Spending, VoteCounts


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: how likely each of its answers is, and between how many tokens its samples have."""

    shares: tuple[float, ...]
    shortest: int = 1
    longest: int = 1


EASY, OPEN, HOPELESS = Kind((0.98, 0.02)), Kind((0.55, 0.3, 0.15)), Kind((0.07,) * 14)


@dataclass(slots=True)
class Asked:
    kind: Kind
    program: BudgetedProgram
    finished: int = 0
    open: int = 0
    tokens: int = 0
    votes: Counter[int] = field(default_factory=Counter)

    def finish_one(self, rng: random.Random) -> None:
        self.open -= 1
        self.finished += 1
        self.tokens += rng.randint(self.kind.shortest, self.kind.longest)
        self.votes[rng.choices(range(len(self.kind.shares)), self.kind.shares)[0]] += 1

    def certaindex(self, cap: int) -> Certaindex | None:
        groups = tuple(sorted(self.votes.values(), reverse=True))
        return certaindex_of_votes(VoteCounts(groups), cap) if groups else None


def spend(
    keeper: BudgetKeeper,
    questions: Sequence[Kind],
    seed: int = 0,
    in_flight: int = 8,
    at_grant: Callable[[], None] = lambda: None,
) -> list[Asked]:
    """Run ``questions`` in this order; of all samples under way any may be the next to finish. ``at_grant`` is called
    before the keeper's every grant takes effect."""
    rng = random.Random(seed)
    done: list[Asked] = []
    running: list[Asked] = []
    to_come = list(reversed(questions))
    while to_come or running:
        if to_come and len(running) < in_flight:
            asked = Asked(to_come.pop(), keeper.allocator())
            running.append(asked)
        else:
            asked = rng.choice([each for each in running if each.open])
            asked.finish_one(rng)
        spending = Spending(asked.finished, asked.open, keeper.cap, asked.tokens)
        allocation = asked.program.decide(spending, asked.certaindex(keeper.cap))
        if allocation.units:
            at_grant()
        asked.open += allocation.units
        if allocation.stop_reason is not None:
            assert not asked.open, "a sample that runs is not called off"
            running.remove(asked)
            asked.program.close(asked.tokens, asked.finished)
            done.append(asked)
        else:
            assert asked.open, "it neither runs nor stops"
    return done
