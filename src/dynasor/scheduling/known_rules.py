"""Stop rules that others published, as allocators: what ours is measured against.

Each stops by its own criterion alone, as published. None adds that a lead larger than what remains cannot
be lost, though any could; so what they save is theirs.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from dynasor.errors import InputError
from dynasor.vocabulary import Allocation, Certaindex, Spending, StopReason, VoteCounts


@dataclass(frozen=True, slots=True)
class AdaptiveConsistency:
    """Adaptive-Consistency (Aggarwal et al., arXiv 2305.11860): one sample at a time, until the leading answer
    is the model's most likely one with probability ``confidence``.

    ``prior`` is the belief over the answers' shares: ``beta`` looks at the two largest groups (their
    default), ``dirichlet`` at every answer seen. They integrate numerically or by drawing random numbers, and
    ``dirichlet`` keeps the five largest groups; ours is exact, or integrated to seven digits over all of them.
    As in their evaluation, samples without an answer are left out.
    """

    confidence: float = 0.95
    prior: str = "beta"

    def __post_init__(self) -> None:
        _check_share("confidence", self.confidence)
        if self.prior not in PRIORS:
            raise InputError(f"prior is {self.prior!r}; choose {', '.join(PRIORS)}")

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        votes = votes_of(certaindex)
        if votes.leader and PRIORS[self.prior](votes) >= self.confidence:
            return Allocation.stop(StopReason.CERTAIN)
        return _one_more(spending)


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Early-stopping self-consistency, ESC (Li et al., arXiv 2401.10480): windows of samples, one after the
    other, until all samples of a whole window give one answer.

    Their code then answers with that window's answer; the answer here stays the program's, from all samples.
    A window without any answer is no agreement.
    """

    window: int = 5

    def __post_init__(self) -> None:
        _check_count("window", self.window)

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        into_window = spending.finished % self.window
        if spending.finished and not into_window and votes_of(certaindex).streak >= self.window:
            return Allocation.stop(StopReason.CERTAIN)
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        window_end = min(spending.finished - into_window + self.window, spending.cap)
        return Allocation.grant(max(0, window_end - spending.granted))


@dataclass(frozen=True, slots=True)
class Supermajority:
    """One sample at a time after the ``first``, until the leader holds ``share`` of all samples; one without
    an answer counts for nobody. The majority criterion that Adaptive-Consistency was compared with."""

    share: float = 0.8
    first: int = 5

    def __post_init__(self) -> None:
        _check_share("share", self.share)
        _check_count("first", self.first)

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        first = min(self.first, spending.cap)
        if spending.granted < first:
            return Allocation.grant(first - spending.granted)
        votes = votes_of(certaindex)
        if first <= spending.finished and votes.leader and votes.leader >= self.share * votes.total:
            return Allocation.stop(StopReason.CERTAIN)
        return _one_more(spending)


@dataclass(frozen=True, slots=True)
class Length:
    """The Certaindex paper's *baseline-length* (section 4.1): look once, after ``detect_at`` units, at the tokens
    they took; stop if those are at most ``max_tokens``, else run to the cap.

    The paper does not say on which side of its threshold a program ends. Here the short ones do: it measures
    length as a rival predictor of the steps that a program still needs, and finds more of both together
    (Pearson 0.40, section 3.2). To end the long ones would take from those that need most, and be a token
    budget, not a prediction.
    """

    max_tokens: int
    detect_at: int = 5

    def __post_init__(self) -> None:
        _check_count("max_tokens", self.max_tokens)
        _check_count("detect_at", self.detect_at)

    def decide(self, spending: Spending, certaindex: Certaindex | None) -> Allocation:
        if spending.finished >= spending.cap:
            return Allocation.stop(StopReason.CAP)
        if spending.granted < self.detect_at:
            return Allocation.grant(min(self.detect_at, spending.cap) - spending.granted)
        if spending.finished < self.detect_at:
            return Allocation.wait()
        if spending.granted == self.detect_at and spending.tokens <= self.max_tokens:
            return Allocation.stop(StopReason.CERTAIN)
        return Allocation.grant(spending.cap - spending.granted)


def votes_of(certaindex: Certaindex | None) -> VoteCounts:
    """The votes behind ``certaindex``, none before the first; InputError if the program does not vote."""
    if certaindex is None:
        return VoteCounts()
    if certaindex.votes is None:
        raise InputError("this allocator judges votes, and this program's certaindex has none")
    return certaindex.votes


def beta_confidence(votes: VoteCounts) -> float:
    """Probability that the leader is likelier than its runner-up, which share a uniform prior.

    It is 1 - I_1/2(leader + 1, runner_up + 1), the regularised incomplete beta function; with whole numbers
    that is a binomial sum.
    """
    tosses = votes.leader + votes.runner_up + 1
    return sum(math.comb(tosses, heads) for heads in range(votes.leader + 1)) / (1 << tosses)


def dirichlet_confidence(votes: VoteCounts) -> float:
    """Probability that the leader is the likeliest of all answers seen, under a uniform prior over them.

    With fewer than three answers that is the Beta criterion, as in the authors' code: an answer alone gets an
    imaginary rival.
    """
    if len(votes.groups) < 3:
        return beta_confidence(votes)
    return _largest_share(votes.groups[0], votes.groups[1:])


PRIORS: Mapping[str, Callable[[VoteCounts], float]] = {"beta": beta_confidence, "dirichlet": dirichlet_confidence}

INTERVALS = 256
"""Of Simpson's rule; with three answers or more, further ones change no probability by 1e-7."""


@lru_cache(maxsize=65536)
def _largest_share(leader: int, others: tuple[int, ...]) -> float:
    """Probability that the first of Dirichlet(leader + 1, others + 1) shares is the largest; none of ``others``
    has more votes than ``leader``.

    Such shares are independent Gamma(votes + 1) variables over their sum. So it is the integral over x of the
    leader's density times the chance of every other to be below x, which is that more than its votes' number
    of arrivals of a Poisson process come by x.
    """
    rivals = Counter(others)
    end = leader + 1 + 8 * math.sqrt(leader + 1) + 12  # what lies beyond is below 1e-9
    step = end / INTERVALS
    total = 0.0
    for k in range(1, INTERVALS):
        arrivals = _poisson(k * step, leader)
        at_most = list(itertools.accumulate(arrivals))
        below = math.prod(max(0.0, 1 - at_most[votes]) ** count for votes, count in rivals.items())
        total += (4 if k % 2 else 2) * below * arrivals[leader]
    return min(1.0, total * step / 3)


def _poisson(mean: float, most: int) -> list[float]:
    """Probabilities of 0 .. ``most`` arrivals, from the last down: 0 throughout if that one is nearly 0."""
    probabilities = [math.exp(most * math.log(mean) - mean - math.lgamma(most + 1))]
    for arrivals in range(most, 0, -1):
        probabilities.append(probabilities[-1] * arrivals / mean)
    return probabilities[::-1]


def _one_more(spending: Spending) -> Allocation:
    """The next sample once none runs any more, up to the cap."""
    if spending.finished >= spending.cap:
        return Allocation.stop(StopReason.CAP)
    return Allocation.wait() if spending.open else Allocation.grant(1)


def _check_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise InputError(f"{name} is {value}; a number above 0 and up to 1 was expected")


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{name} is {value}; at least 1 was expected")
