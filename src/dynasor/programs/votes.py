"""Votes: which answers a program's samples gave."""

from __future__ import annotations

from dataclasses import dataclass

from dynasor.certainty import certaindex_of_votes
from dynasor.programs.protocol import ReadAnswer
from dynasor.vocabulary import Answer, Branch, Certaindex, Completion, VoteCounts


@dataclass(slots=True)
class Group:
    """The samples that gave one answer: how it was first written, in which chain, and how many there are."""

    answer: str
    solution: str
    size: int = 0


class Votes:
    """Counts answers by their key. The leader is the largest group, the earlier one on a tie."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self._groups: dict[str, Group] = {}
        self._unanswered = 0
        self._branches: list[Branch] = []

    def add(self, answer: ReadAnswer | None, completion: Completion) -> None:
        if answer is None:
            self._unanswered += 1
            self._branches.append(Branch(None, completion.num_tokens))
            return
        group = self._groups.setdefault(answer.key, Group(answer.text, completion.text))
        group.size += 1
        self._branches.append(Branch(group.answer, completion.num_tokens))

    @property
    def leader(self) -> Group | None:
        return max(self._groups.values(), key=lambda group: group.size, default=None)

    @property
    def leading_answer(self) -> str | None:
        return self.leader.answer if self.leader else None

    @property
    def counts(self) -> VoteCounts:
        sizes = sorted((group.size for group in self._groups.values()), reverse=True)
        return VoteCounts(tuple(sizes), self._unanswered)

    @property
    def certaindex(self) -> Certaindex:
        return certaindex_of_votes(self.counts, self.cap)

    def answer(self) -> Answer:
        """The majority answer with the first chain that gave it."""
        leader = self.leader
        return Answer(
            text=self.leading_answer,
            solution=leader.solution if leader else "",
            certaindex=self.certaindex,
            branches=tuple(self._branches),
        )

    def __repr__(self) -> str:
        groups = ", ".join(f"{group.answer}: {group.size}" for group in self._groups.values())
        return f"<Votes {groups or 'none'}; {self._unanswered} without an answer, cap {self.cap}>"
