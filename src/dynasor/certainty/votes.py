"""The certaindex of programs that vote."""

from __future__ import annotations

from dynasor.certainty.agreement import agreement
from dynasor.certainty.entropy import normalised_entropy
from dynasor.vocabulary import Certaindex, VoteCounts

AGREEMENT = "agreement"
ENTROPY = "entropy"


def certaindex_of_votes(votes: VoteCounts, cap: int) -> Certaindex:
    """How settled ``votes`` are when at most ``cap`` samples will be drawn; ``agreement`` is the headline.

    Without votes both signals are 0; with one, ``entropy`` is 0 and ``agreement`` what the prior says.
    """
    settled = agreement(votes, cap)
    return Certaindex(settled, {AGREEMENT: settled, ENTROPY: normalised_entropy(votes)}, votes)
