"""The certaindex of programs that vote."""

from __future__ import annotations

from dynasor.certainty.agreement import UNIFORM, VotePrior, agreement
from dynasor.certainty.entropy import normalised_entropy
from dynasor.certainty.signals import AGREEMENT, ENTROPY
from dynasor.vocabulary import Certaindex, VoteCounts


def certaindex_of_votes(votes: VoteCounts, cap: int, prior: VotePrior = UNIFORM) -> Certaindex:
    """How settled a majority vote is when at most ``cap`` samples will be drawn; ``agreement`` is the headline.

    Without votes both signals are 0; with one, ``entropy`` is 0 and ``agreement`` what the prior says.
    """
    settled = agreement(votes, cap, prior)
    return Certaindex(settled, {AGREEMENT: settled, ENTROPY: normalised_entropy(votes)}, votes)
