"""The certaindex of one chain of thought: does its answer still change?

The evidence is what probes found, in the order of the places they were sent from: the key of the answer so far, or
None where the chain hesitated or had no answer. Like everything here this measures whether more thinking would change
the answer, not whether the answer is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

from dynasor.certainty.entropy import normalised_entropy
from dynasor.certainty.signals import AGREEMENT, CONFIDENCE, ENTROPY, STABILITY
from dynasor.vocabulary import Certaindex, VoteCounts

Unsure = Literal["reset", "omit"]
"""What a probe without an answer does to the answers before it. ``reset``: it agrees with none of them, so the count
begins anew (the authors' code). ``omit``: as if it had not been sent (the text of the paper, section 2.1)."""


class ChainPrior(NamedTuple):
    """What chains are like: a Beta prior on the chance that the answer changes from one probe to the next.

    Its weights are as if so many changes and so many stays had been seen before the first probe. Below 1 they say that
    an answer is either still on the move or settled, and rarely in between. Chains that were probed to their end tell,
    without labels, how good a prior is: of those stopped where it said 0.9, nine in ten should have ended as they were.
    """

    changes: float
    stays: float


DEFAULT_CHAIN_PRIOR = ChainPrior(0.05, 0.5)
"""Chosen in that way on calibration questions of the embedded model, probed every 16 to 64 tokens, with confident
answers only."""

USUAL_CAP = 64
"""Probes of a chain whose budget is not known."""
EXPECTED_SHARE = 4
"""The part of its budget that a chain is expected to fill at least is one by this."""


def certaindex_of_chain(
    answers: Sequence[str | None],
    *,
    window: int,
    to_come: int,
    prior: ChainPrior = DEFAULT_CHAIN_PRIOR,
    unsure: Unsure = "reset",
    min_agreeing: int = 2,
    confidence: float | None = None,
) -> Certaindex:
    """How settled a chain is; ``agreement`` is the headline.

    Args:
        answers: what each probe found.
        window: how many of the latest probes ``stability`` and ``entropy`` look at.
        to_come: how many more probes the chain is expected to have before it would end.
        min_agreeing: as in ``answer_stays``.
        confidence: of the latest probe's answer, if its log-probabilities are known.
    """
    settled = answer_stays(answers, to_come, prior, unsure, min_agreeing)
    signals = {
        AGREEMENT: settled,
        STABILITY: stability(answers, window, unsure),
        ENTROPY: entropy_of_answers(answers, window, unsure),
    }
    if confidence is not None:
        signals[CONFIDENCE] = confidence
    return Certaindex(settled, signals)


def stability(answers: Sequence[str | None], window: int, unsure: Unsure = "reset") -> float:
    """The paper's ``C_k`` (section 2.1): the share of the latest ``window`` probes that gave the latest one's answer.

    The share is of the whole window, also where fewer probes were sent, so that 1 always means ``window`` equal
    answers. 0 if the latest probe has no answer; under ``omit`` that is the latest that has one.
    """
    latest = _counted(answers, unsure)[-window:]
    if not latest or latest[-1] is None:
        return 0.0
    return latest.count(latest[-1]) / window


def entropy_of_answers(answers: Sequence[str | None], window: int, unsure: Unsure = "reset") -> float:
    """Normalised entropy of the latest ``window`` answers: the certaindex of a chain in the paper's first version.

    A probe without an answer, or one that was not sent yet, agrees with none.
    """
    latest = _counted(answers, unsure)[-window:]
    answered = [answer for answer in latest if answer is not None]
    sizes = sorted((answered.count(answer) for answer in set(answered)), reverse=True)
    return normalised_entropy(VoteCounts((*sizes, *[1] * (window - len(answered)))))


def answer_stays(
    answers: Sequence[str | None],
    to_come: int,
    prior: ChainPrior = DEFAULT_CHAIN_PRIOR,
    unsure: Unsure = "reset",
    min_agreeing: int = 2,
) -> float:
    """Probability that none of ``to_come`` more probes would find another answer than the latest one's.

    Each probe changes the answer with one and the same unknown chance, about which the ``prior`` and the latest run of
    equal answers tell; what was before that run counts no more, for a chain that has found its answer is another than
    one that still looks. The result is ``B(a, b + run - 1 + to_come) / B(a, b + run - 1)``, with B the beta function.
    An answer that changes and comes back counts as changed, so the number is rather low. It is as good as the prior and
    the guess of what is to come: chains that agree with themselves for long and end otherwise are what no prior from
    other questions foresees.

    0 until ``min_agreeing`` probes in a row agree: one answer says nothing about staying, however near the end is,
    unless it is known of such chains that it does. 1 if nothing is to come and the latest probe has an answer.
    """
    run = run_length(_counted(answers, unsure))
    if run and to_come == 0:
        return 1.0
    if run < min_agreeing:
        return 0.0
    changes, stays = prior.changes, prior.stays + run - 1
    return math.exp(
        math.lgamma(stays + to_come)
        - math.lgamma(changes + stays + to_come)
        - math.lgamma(stays)
        + math.lgamma(changes + stays)
    )


def run_length(answers: Sequence[str | None]) -> int:
    """How many answers in a row, counted back from the latest, are the same; 0 if the latest is None."""
    if not answers or answers[-1] is None:
        return 0
    return sum(1 for _ in takewhile(lambda answer: answer == answers[-1], reversed(answers)))


def probes_to_come(sent: int, cap: int | None) -> int:
    """How many more probes a chain is expected to have after ``sent`` of at most ``cap`` (None: nobody knows).

    When a chain would end by itself cannot be known, so this is a guess, and what it decides is how long an answer has
    to hold. A chain is expected to be at half its length, which is as often too much as too little for lengths of any
    scale, but to fill a quarter of its budget at least: whoever allows 32,000 tokens does not expect 200 to do.
    """
    expected = max(2 * sent, (cap or USUAL_CAP) // EXPECTED_SHARE)
    return max(0, (expected if cap is None else min(expected, cap)) - sent)


def mean_probability(logprobs: Iterable[float]) -> float | None:
    """Geometric mean of probabilities given as natural logarithms (as in DEER, arXiv 2504.15895); None of none."""
    known = list(logprobs)
    return math.exp(min(0.0, math.fsum(known) / len(known))) if known else None


def _counted(answers: Sequence[str | None], unsure: Unsure) -> list[str | None]:
    return [answer for answer in answers if answer is not None or unsure == "reset"]
