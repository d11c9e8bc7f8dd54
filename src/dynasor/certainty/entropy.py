"""Normalised entropy of votes: the paper's certaindex for programs that sample (section 3.1, eq. 1)."""

from __future__ import annotations

import math

from dynasor.vocabulary import VoteCounts


def normalised_entropy(votes: VoteCounts) -> float:
    """``(log n - H) / log n`` over the ``n`` samples of ``votes`` that have an answer: 1 all agree, 0 all differ.

    The paper does not say what a sample without an answer counts; they are left out. Fewer than two answers
    say nothing about agreement, where the formula is undefined: 0, not certain, is the safe value.
    """
    given = votes.total - votes.unanswered
    if given < 2:
        return 0.0
    entropy = -sum(size / given * math.log(size / given) for size in votes.groups)
    return max(0.0, 1.0 - entropy / math.log(given))
