"""Normalised entropy of votes: the paper's certaindex for programs that sample (section 3.1, eq. 1)."""

from __future__ import annotations

import math

from dynasor.vocabulary import VoteCounts


def normalised_entropy(votes: VoteCounts) -> float:
    """``(log n - H) / log n`` over the ``n`` samples of ``votes``: 1 all agree, 0 all differ.

    A sample without an answer counts as one that agrees with nobody. Fewer than two samples say nothing
    about agreement, where the paper's formula is undefined: 0, not certain, is the safe value.
    """
    total = votes.total
    if total < 2:
        return 0.0
    entropy = -sum(size / total * math.log(size / total) for size in votes.groups)
    entropy += votes.unanswered / total * math.log(total)
    return max(0.0, 1.0 - entropy / math.log(total))
