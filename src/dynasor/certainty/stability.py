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

    With both weights below 1 it says that a chain's answer is either still on the move or settled, and rarely in
    between. ``learn_chain_prior`` finds one for a model and a probe interval, without labels.
    """

    changes: float
    stays: float


DEFAULT_PRIOR = ChainPrior(0.05, 0.1)


def certaindex_of_chain(
    answers: Sequence[str | None],
    *,
    window: int,
    remaining: int,
    prior: ChainPrior = DEFAULT_PRIOR,
    unsure: Unsure = "reset",
    confidence: float | None = None,
) -> Certaindex:
    """How settled a chain is; ``agreement`` is the headline.

    Args:
        answers: what each probe found.
        window: how many of the latest probes ``stability`` and ``entropy`` look at.
        remaining: how many more probes the chain is expected to have before it would end.
        confidence: of the latest probe's answer, if its log-probabilities are known.
    """
    settled = answer_stays(answers, remaining, prior, unsure)
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
    """Normalised entropy of the latest ``window`` probes' answers, the certaindex of a chain in the paper's first version."""
    latest = _counted(answers, unsure)[-window:]
    answered = [answer for answer in latest if answer is not None]
    sizes = sorted((answered.count(answer) for answer in set(answered)), reverse=True)
    return normalised_entropy(VoteCounts(tuple(sizes), window - len(answered)))


def answer_stays(
    answers: Sequence[str | None],
    remaining: int,
    prior: ChainPrior = DEFAULT_PRIOR,
    unsure: Unsure = "reset",
) -> float:
    """Probability that none of ``remaining`` more probes would find another answer than the latest one's.

    Each probe changes the answer with one and the same unknown chance, about which the ``prior`` and the latest run
    of equal answers tell; what was before that run counts no more, for a chain that has found its answer is another
    than one that still looks. A run of one is no evidence yet. The result is ``B(a, b + run - 1 + remaining) /
    B(a, b + run - 1)``, with B the beta function. An answer that changes and comes back counts as changed, so the
    number is rather low. It is as good as the prior and the guess of what remains: chains that agree with themselves
    for long and end otherwise are what no prior from other questions foresees.

    0 if the latest probe has no answer; 1 if nothing remains.
    """
    run = run_length(_counted(answers, unsure))
    if run == 0:
        return 0.0
    changes, stays = prior.changes, prior.stays + run - 1
    return math.exp(
        math.lgamma(stays + remaining)
        - math.lgamma(changes + stays + remaining)
        - math.lgamma(stays)
        + math.lgamma(changes + stays)
    )


def run_length(answers: Sequence[str | None]) -> int:
    """How many answers in a row, counted back from the latest, are the same; 0 if the latest is None."""
    if not answers or answers[-1] is None:
        return 0
    return sum(1 for _ in takewhile(lambda answer: answer == answers[-1], reversed(answers)))


def probes_to_come(sent: int, cap: int) -> int:
    """How many more probes a chain is expected to have after ``sent`` of at most ``cap``.

    Nobody knows when a chain would end by itself. The guess is that it is half way: of lengths that may have any
    scale it is as often too high as too low. It grows with the chain, so an answer that came late has to hold for
    longer than one that came at once.
    """
    return max(0, min(sent, cap - sent))


def mean_probability(logprobs: Iterable[float]) -> float | None:
    """Geometric mean of probabilities given as natural logarithms (as in DEER, arXiv 2504.15895); None of none."""
    known = list(logprobs)
    return math.exp(min(0.0, math.fsum(known) / len(known))) if known else None


def _counted(answers: Sequence[str | None], unsure: Unsure) -> list[str | None]:
    return [answer for answer in answers if answer is not None or unsure == "reset"]
