"""One question replayed: its recorded samples come one after the other until the allocator says stop.

The runtime asks its allocator after every finished sample, while others may still run. So does the replay:
of the samples granted, one comes in, then the allocator is asked again. Those granted but not yet come are
open, and dropped when it stops; ``Outcome.started`` counts them in, as if all that is granted started at
once. The true spend of a run lies between ``drawn`` and ``started``, by how many of its samples run together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dynasor.certainty import UNIFORM, VotePrior
from dynasor.errors import BadProgram
from dynasor.programs import ReadAnswer, Votes
from dynasor.replay.traces import RecordedSample
from dynasor.scheduling import Allocator
from dynasor.vocabulary import Certaindex, Completion, FinishReason, Spending


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a question stands after some samples: how settled it is, its leading answer, the tokens so far."""

    certaindex: Certaindex | None = None
    answer: str | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a replay ended: the samples that had come, those started by then, and the answer."""

    drawn: int
    started: int
    answer: str | None


def standings(
    samples: Sequence[RecordedSample], token_counts: Sequence[int], prior: VotePrior = UNIFORM
) -> list[Standing]:
    """Where a question stands after 0, 1, ... all of ``samples``, which are its cap."""
    votes = Votes(len(samples), prior)
    found = [Standing()]
    for sample, num_tokens in zip(samples, token_counts, strict=True):
        answer = None if sample.answer is None else ReadAnswer(sample.answer, sample.answer)
        votes.add(answer, Completion("", "", FinishReason.STOP, num_tokens))
        found.append(Standing(votes.certaindex, votes.leading_answer, found[-1].tokens + num_tokens))
    return found


def replay(allocator: Allocator, standings: Sequence[Standing]) -> Outcome:
    """Ask ``allocator`` at one standing after the other.

    Raises BadProgram, as a run would, if it grants more than the cap or neither grants nor stops.
    """
    cap = len(standings) - 1
    started = 0
    for finished, standing in enumerate(standings):
        spending = Spending(finished, started - finished, cap, standing.tokens)
        allocation = allocator.decide(spending, standing.certaindex)
        if allocation.stop_reason is not None:
            return Outcome(finished, started, standing.answer)
        started += allocation.units
        if not finished < started <= cap:
            raise BadProgram(f"the allocator says {allocation} at {spending}; a grant up to the cap, or stop, was due")
    raise AssertionError("at the cap nothing can be granted, so the loop has ended")
