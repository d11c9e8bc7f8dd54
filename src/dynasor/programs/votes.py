"""Votes: which answers a program's samples gave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from dynasor.certainty import (
    AGREEMENT,
    ENTROPY,
    REWARD,
    UNIFORM,
    ChosenBy,
    Lead,
    VotePrior,
    normalised_entropy,
)
from dynasor.programs.protocol import ReadAnswer
from dynasor.vocabulary import Answer, Branch, Certaindex, Completion, VoteCounts

RewardForm = Literal["mean", "max"]
UNSCORED = -1.0
"""Below every reward."""


class Written(Protocol):
    """What a vote is cast with: a completion, or the end of a path in a tree."""

    @property
    def text(self) -> str: ...

    @property
    def num_tokens(self) -> int: ...


class Observer(Protocol):
    """Who is told how settled a count is: a session, or its branches."""

    def observe(
        self, certaindex: Certaindex, answer: str | None, solution: str, branches: Sequence[Branch]
    ) -> None: ...


@dataclass(slots=True)
class Group:
    """The samples that gave one answer: how the first of them wrote it, how many there are, what they weigh together,
    and the chain that shows it best: the first, or of those with the highest reward the first."""

    answer: str
    solution: str
    first: int
    shown_by: int
    weights: list[float] = field(default_factory=list)
    best_reward: float = UNSCORED

    @property
    def size(self) -> int:
        return len(self.weights)

    @property
    def weight(self) -> float:
        return math.fsum(self.weights)  # the same in any order

    def add(self, answer: str, solution: str, reward: float | None, number: int) -> None:
        self.weights.append(1.0 if reward is None else reward)
        if number < self.first:
            self.first, self.answer = number, answer
        worth = UNSCORED if reward is None else reward
        if (worth, -number) > (self.best_reward, -self.shown_by):
            self.best_reward, self.shown_by, self.solution = worth, number, solution


class Votes:
    """Counts answers by their key, and knows how settled the count is.

    Args:
        cap: the most samples there will be.
        prior: of the agreement posterior.
        by: who leads: ``majority`` the largest group, ``weighted`` the one with the largest sum of rewards,
            ``best`` the one whose best sample has the highest reward. On a tie the one of the sample that was asked
            for first, whichever came back first, where samples are completions; else of the one added first.
        reward_form: whether the signal ``reward`` is the mean over all samples (the paper's for MCTS) or their
            maximum (its for Rebase).
    """

    def __init__(
        self,
        cap: int,
        prior: VotePrior = UNIFORM,
        *,
        by: ChosenBy = "majority",
        reward_form: RewardForm = "mean",
    ) -> None:
        self.cap = cap
        self.prior = prior
        self.by = by
        self.reward_form = reward_form
        self._groups: dict[str, Group] = {}
        self._unanswered = 0
        self._streak: tuple[str | None, int] = (None, 0)
        self._branches: list[Branch] = []

    def add(self, answer: ReadAnswer | None, written: Written, reward: float | None = None) -> None:
        """One more sample; ``reward`` in [0, 1] if it was scored."""
        key = answer.key if answer else None
        self._streak = (key, self._streak[1] + 1 if key == self._streak[0] else 1)
        if answer is None:
            self._unanswered += 1
            self._branches.append(Branch(None, written.num_tokens, reward))
            return
        number = written.number if isinstance(written, Completion) else len(self._branches)
        new = Group(answer.text, written.text, first=number, shown_by=number)
        group = self._groups.setdefault(answer.key, new)
        spelling = group.answer
        group.add(answer.text, written.text, reward, number)
        if group.answer != spelling:
            self._branches = [
                replace(each, answer=group.answer) if each.answer == spelling else each for each in self._branches
            ]
        self._branches.append(Branch(group.answer, written.num_tokens, reward))

    @property
    def leader(self) -> Group | None:
        return max(self._groups.values(), key=self._rank, default=None)

    @property
    def leading_answer(self) -> str | None:
        return self.leader.answer if self.leader else None

    @property
    def counts(self) -> VoteCounts:
        sizes = sorted((group.size for group in self._groups.values()), reverse=True)
        key, length = self._streak
        return VoteCounts(tuple(sizes), self._unanswered, 0 if key is None else length)

    @property
    def lead(self) -> Lead:
        """How far the leader is ahead of its runner-up."""
        ranked = sorted(self._groups.values(), key=self._rank, reverse=True)[:2]
        pairs = [(group.size, group.weight) for group in ranked]
        leader, runner_up = [*pairs, (0, 0.0), (0, 0.0)][:2]
        return Lead(self.by, *leader, *runner_up, len(self._branches))

    @property
    def certaindex(self) -> Certaindex:
        """``agreement`` is the headline, for whichever way the leader is chosen. Without votes all signals are 0."""
        settled = self.lead.agreement(self.cap, self.prior)
        signals = {AGREEMENT: settled, ENTROPY: normalised_entropy(self.counts)}
        rewards = [branch.reward for branch in self._branches if branch.reward is not None]
        if rewards:
            signals[REWARD] = max(rewards) if self.reward_form == "max" else math.fsum(rewards) / len(rewards)
        return Certaindex(settled, signals, self.counts)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All samples, in the order they were added."""
        return tuple(self._branches)

    @property
    def leading_solution(self) -> str:
        """The chain that shows the leading answer best."""
        return self.leader.solution if self.leader else ""

    def report(self, observer: Observer) -> None:
        """Tell how settled the count is, with the answer it would give now."""
        observer.observe(self.certaindex, self.leading_answer, self.leading_solution, self.branches)

    def answer(self) -> Answer:
        """The leading answer with the chain that shows it best."""
        return Answer(
            text=self.leading_answer,
            solution=self.leading_solution,
            certaindex=self.certaindex,
            branches=self.branches,
        )

    def _rank(self, group: Group) -> tuple[float, int]:
        if self.by == "best":
            return group.best_reward, -group.shown_by
        return group.weight if self.by == "weighted" else group.size, -group.first

    def __repr__(self) -> str:
        groups = ", ".join(f"{group.answer}: {group.size}" for group in self._groups.values())
        return f"<Votes {groups or 'none'}; {self._unanswered} without an answer, cap {self.cap}>"
