"""Budgets: one total for a whole set of questions, spent where the next token changes most.

What is even for none is best for all: stop every program where one more token is worth less than one *price*, the
same for all, which is such that the total is just spent. The price is not known beforehand. The keeper of a
budget finds it as it goes, from the bids of all programs so far (see ``demand``).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from dynasor.certainty import worth
from dynasor.errors import InputError
from dynasor.scheduling.demand import DemandCurve
from dynasor.scheduling.known_rules import votes_of
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason

FIRST = 2
"""Samples that every question gets before it bids: with one, all would bid the same."""
SAFETY = 3.0
"""So many standard deviations of what is to come are kept back, so that dear samples do not pass the total."""
FEWEST_KNOWN = 8
"""Of so many questions the costs must be known before a budget is called too small."""
ROUNDING = 1e-6


class BudgetUnit(StrEnum):
    TOKENS = "tokens"
    """All that engines produced, used or not."""
    SAMPLES = "samples"
    """Units of the knob, whatever their length."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A total for a whole set of questions."""

    total: float
    unit: BudgetUnit

    @classmethod
    def of_tokens(cls, total: float) -> Budget:
        return cls(total, BudgetUnit.TOKENS)

    @classmethod
    def of_samples(cls, per_question: float, num_questions: int, cap: int) -> Budget:
        """So many on average, at most ``cap`` for any one. InputError if that is too few, or more than the cap."""
        if not FIRST <= per_question <= cap:
            raise InputError(
                f"samples_per_question is {per_question:g}; a number from {FIRST}, which every question gets before it "
                f"is compared with others, to max_samples ({cap}) was expected"
            )
        return cls(per_question * num_questions, BudgetUnit.SAMPLES)

    def check(self, num_questions: int, cap: int) -> None:
        """InputError if it cannot pay the first samples of so many questions, of one token at least."""
        first = min(FIRST, cap)
        least = first * num_questions
        if not least <= self.total < math.inf:
            raise InputError(
                f"the budget is {self.total:g} {self.unit}; at least {least} was expected, for each of "
                f"{num_questions} questions gets {first} samples before it is compared with others"
            )


@dataclass(slots=True)
class Moments:
    """Mean and variance of numbers that come one by one (Welford, 1962)."""

    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self._squares += before * (value - self.mean)

    @property
    def variance(self) -> float:
        return self._squares / (self.count - 1) if self.count > 1 else 0.0


@dataclass(slots=True, eq=False)
class BudgetedProgram:
    """The allocator of one program under a budget. It remembers where the program stands, so ask it about one only.

    The first samples are free, then they come one at a time. A sample that runs is never called off: what it
    still costs is less than a new one, whatever the price is by then.
    """

    keeper: BudgetKeeper
    spent: float = 0.0
    finished: int = 0
    open: int = 0
    bids: list[float] = field(default_factory=list)
    """What one more sample was worth after the first ones, and after each further one; by the unit of the budget."""
    lost: float = 0.0
    """Spent on an attempt that failed."""

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        """Raises InputError once it should judge the votes of a program that does not vote."""
        self.finished, self.open = spending.finished, spending.open
        self.spent = self.keeper.cost_of(spending.tokens, spending.finished)
        allocation = self._decide(spending, certaindex)
        self.open += allocation.units
        return allocation

    def _decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if self.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        missing = min(self.keeper.first, spending.cap) - spending.granted
        if missing > 0:
            return self._first(missing)
        if self.open:
            return Allocation.wait()
        if certaindex is None:
            raise InputError("a budget is spent by votes, and this program has not reported any certaindex")
        bid = worth(votes_of(certaindex), spending.cap) / self.cost
        if len(self.bids) < self.finished - self.keeper.first + 1:
            self.keeper.hear(self, bid)
        return Allocation.grant(1) if self.keeper.accepts(self, bid) else Allocation.stop(StopReason.PRICE)

    def _first(self, missing: int) -> Allocation:
        """All that is ``missing`` of them, or one if the total has become too small for all."""
        keeper = self.keeper
        if keeper.committed + keeper.reserve <= keeper.most:
            return Allocation.grant(missing)
        if self.open:
            return Allocation.wait()
        if not self.finished and keeper.running + self.cost <= keeper.most:
            return Allocation.grant(1)
        return Allocation.stop(StopReason.PRICE)

    @property
    def cost(self) -> float:
        """What its next sample is expected to cost: its own mean, or that of all before it has one."""
        return max(1.0, self.spent / self.finished) if self.finished else self.keeper.mean_cost

    def close(self, tokens: int, samples: int) -> None:
        """The question ended, with so many tokens produced, over all attempts, and so many samples finished."""
        self.keeper.close(self, tokens, samples)

    def start_over(self, lost_tokens: int) -> None:
        """The attempt so far failed, having produced so many tokens. Its samples count for nothing."""
        self.lost += self.keeper.cost_of(lost_tokens, 0)
        self.spent, self.finished, self.open, self.bids = 0.0, 0, 0, []


class BudgetKeeper:
    """Keeps a budget for ``num_questions``, each with at most ``cap`` samples.

    At every decision it sets the price anew: to that at which the programs under way and the questions to come are
    expected to spend what is left. It grants nothing that would pass the total, with ``FIRST`` samples at
    their expected cost in reserve for every question to come, and what runs counted as spent. A total of samples is
    therefore never passed. One of tokens cannot be promised so: a sample's length is known when it is over. By
    ``SAFETY`` it is rarely passed, and then by a part of a sample.

    What is to come is expected to be like what came. So take the questions in random order.
    """

    def __init__(self, budget: Budget, num_questions: int, cap: int) -> None:
        for name, value in (("num_questions", num_questions), ("cap", cap)):
            if value < 1:
                raise InputError(f"{name} is {value}; at least 1 was expected")
        budget.check(num_questions, cap)
        self.budget = budget
        self.num_questions = num_questions
        self.cap = cap
        self.first = min(FIRST, cap)
        self.to_come = num_questions
        self.price: float | None = None
        """The latest one, by the unit of the budget; None before the first bid."""
        self._spent_by_ended = 0.0
        self._under_way: dict[BudgetedProgram, None] = {}
        self._costs = Moments()
        self._curve = DemandCurve(self.first, cap)

    def allocator(self) -> BudgetedProgram:
        """A question begins; this is its allocator. It must be closed."""
        if not self.to_come:
            raise InputError(f"this budget is for {self.num_questions} questions, and all of them have begun")
        self.to_come -= 1
        program = BudgetedProgram(self)
        self._under_way[program] = None
        return program

    def close(self, program: BudgetedProgram, tokens: int, samples: int) -> None:
        """As ``BudgetedProgram.close``."""
        del self._under_way[program]
        spent = self.cost_of(tokens, samples)
        self._spent_by_ended += spent
        if samples and not program.bids:
            self._costs.add(spent / samples)

    def restore(self, tokens: int, samples: int, bids: list[float]) -> None:
        """A question that ended in an earlier run of the same job."""
        program = self.allocator()
        if samples:
            program.spent, program.finished = self.cost_of(tokens, samples), samples
            for bid in bids:
                self.hear(program, bid)
        self.close(program, tokens, samples)

    def cost_of(self, tokens: int, samples: int) -> float:
        return samples if self.budget.unit is BudgetUnit.SAMPLES else tokens

    @property
    def is_too_small(self) -> bool:
        """Surely, for the first samples of all questions, of which some are still to come."""
        if not self.to_come or self._costs.count < FEWEST_KNOWN:
            return False
        error = math.sqrt(self._costs.variance / self._costs.count)
        return self.first * self.num_questions * (self._costs.mean - SAFETY * error) > self.budget.total

    def check(self) -> None:
        """Raises InputError, with the least that is needed, if the total is too small."""
        if self.is_too_small:
            least = self.first * self.num_questions * self.mean_cost
            raise InputError(
                f"the budget is {self.budget.total:g} {self.budget.unit}; about {least:.0f} or more was expected: "
                f"{self.first} samples for each of {self.num_questions} questions, at {self.mean_cost:.0f} "
                f"{self.budget.unit} a sample so far"
            )

    @property
    def mean_cost(self) -> float:
        """Of a sample of any question."""
        return max(1.0, self._costs.mean)

    @property
    def most(self) -> float:
        return self.budget.total + ROUNDING

    @property
    def spent(self) -> float:
        """By ended questions, and by samples that are finished of those under way."""
        return self._spent_by_ended + math.fsum(program.lost + program.spent for program in self._under_way)

    @property
    def running(self) -> float:
        """Spent, and expected for what runs."""
        return self.spent + math.fsum(program.open * program.cost for program in self._under_way)

    @property
    def committed(self) -> float:
        """The same, and for those of the first samples that programs under way still have to get."""
        return self._spent_by_ended + math.fsum(
            program.lost + program.spent + max(program.open, self.first - program.finished) * program.cost
            for program in self._under_way
        )

    @property
    def reserve(self) -> float:
        """For the first samples of the questions to come."""
        return self.to_come * self.first * self.mean_cost

    @property
    def margin(self) -> float:
        """What the samples that run and those in reserve may cost above their expected cost."""
        known = self._costs.count
        if known < 2:
            return 0.0
        running = sum(program.open for program in self._under_way)
        first = self.first * self.first * (self.to_come + self.to_come * self.to_come / known)
        return SAFETY * math.sqrt(self._costs.variance * (first + running + 1))

    def hear(self, program: BudgetedProgram, bid: float) -> None:
        """A program under way bids, for the first time after so many samples."""
        if not program.bids:
            self._costs.add(program.cost)
        samples = self.first + len(program.bids)
        self._curve.observe(samples, bid, min(program.bids, default=math.inf), program.cost)
        program.bids.append(bid)

    def accepts(self, program: BudgetedProgram, bid: float) -> bool:
        """Whether one more sample is worth it to a program where nothing runs, and leaves the reserve untouched."""
        room = self.most - self.committed - self.reserve - self.margin
        deciding = Counter(max(self.first, each.finished + each.open) for each in self._under_way)
        deciding[self.first] += self.to_come
        self.price = self._curve.price(room, deciding, self.mean_cost)
        return bid > 0 and bid >= self.price and program.cost <= room

    def __repr__(self) -> str:
        price = "no price yet" if self.price is None else f"price {self.price:.2g}"
        return (
            f"<BudgetKeeper {self.spent:g} of {self.budget.total:g} {self.budget.unit} spent, {self.to_come} of "
            f"{self.num_questions} questions to come, {len(self._under_way)} under way, {price}>"
        )
