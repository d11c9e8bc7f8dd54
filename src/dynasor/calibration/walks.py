"""Walks: recorded questions in random order, and what each sample on the way showed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dynasor.calibration.courses import Course, Marks
from dynasor.certainty import ChosenBy, Lead, VotePrior, hope
from dynasor.programs import ReadAnswer, Votes
from dynasor.replay.traces import RecordedQuestion, RecordedSample
from dynasor.scheduling import Agreement
from dynasor.vocabulary import VoteCounts


@dataclass(frozen=True, slots=True)
class Walk:
    """One order of a question's samples. All sequences have an entry after every sample, the last at the cap."""

    question: int
    leads: tuple[Lead, ...]
    counts: tuple[VoteCounts, ...]
    kept: tuple[bool, ...]
    """Whether the answer then is the answer at the cap."""
    right: Marks
    """Whether the answer then is right; None where nobody marked it."""

    @property
    def cap(self) -> int:
        return len(self.leads)

    def course(self, prior: VotePrior, min_share: float = 0.0) -> Course:
        """This walk as ``Agreement`` sees it, which gives up the hopeless if there is a ``min_share``."""
        return Course(
            question=self.question,
            risks=tuple(1 - lead.agreement(self.cap, prior) for lead in self.leads),
            costs=tuple(range(1, self.cap + 1)),
            kept=self.kept,
            right=self.right,
            gives_up_at=self._gives_up_at(min_share),
        )

    def _gives_up_at(self, min_share: float) -> int:
        if min_share:
            for place, counts in enumerate(self.counts[:-1]):
                if hope(counts, self.cap, min_share) <= Agreement().max_hope:
                    return place
        return self.cap - 1


def walk(
    question: int, samples: Sequence[RecordedSample], by: ChosenBy, marks: Mapping[str | None, bool] | None = None
) -> Walk:
    """Take ``samples`` one after the other; together they are the cap. ``marks`` tell which answers are right."""
    votes = Votes(len(samples), by=by)
    leads, counts, answers = [], [], []
    for sample in samples:
        answer = None if sample.answer is None else ReadAnswer(sample.answer, sample.answer)
        votes.add(answer, _Written(sample.tokens or 0), sample.reward)
        leads.append(votes.lead)
        counts.append(votes.counts)
        answers.append(votes.leading_answer)
    return Walk(
        question=question,
        leads=tuple(leads),
        counts=tuple(counts),
        kept=tuple(answer == answers[-1] for answer in answers),
        right=tuple(None if marks is None else marks[answer] for answer in answers),
    )


def shuffled_walks(
    questions: Sequence[RecordedQuestion], cap: int, by: ChosenBy, shuffles: int, seed: int
) -> list[Walk]:
    """``shuffles`` walks of every question, each through ``cap`` of its samples (or all, if it has fewer)."""
    walks = []
    for number, question in enumerate(questions):
        rng = random.Random(f"{seed}-{question.id}")
        for _ in range(shuffles):
            samples = rng.sample(question.samples, min(cap, len(question.samples)))
            walks.append(walk(number, samples, by, question.marks))
    return walks


@dataclass(frozen=True, slots=True)
class _Written:
    num_tokens: int
    text: str = ""
