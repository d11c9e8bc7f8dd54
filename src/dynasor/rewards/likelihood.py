"""A solution's own likelihood: what the model that wrote it thought of it, token by token. Costs no request."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from dynasor.errors import EngineCannot, InputError
from dynasor.rewards.checking import checked
from dynasor.rewards.protocol import Solution

if TYPE_CHECKING:
    from dynasor.programs.protocol import Session

Form = Literal["mean", "product", "min"]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The probability with which the model wrote this solution.

    It compares solutions of one question; between questions it mostly tells long from short and easy from hard.

    Args:
        form: the geometric ``mean`` of the probabilities of all tokens, which does not depend on the length; their
            ``product``, the probability of the whole text, which falls with its length and is 0 in floating point
            from about -745 nats on; or their ``min``, the least sure token. Mean and product tell right from wrong
            equally well on the embedded model (benchmarks/rewards.py); only the mean can be compared between
            paths of different length, and does not vanish for long ones.
    """

    form: Form = "mean"

    needs_logprobs = True
    needs_prompt = False

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise InputError(f"form is {self.form!r}; one of {', '.join(get_args(Form))} was expected")

    async def score(self, session: Session, solution: Solution) -> float:
        """Raises EngineCannot where the engine reports no log-probabilities."""
        logprobs = [token.logprob for token in solution.logprobs]
        if logprobs:
            return checked(min(math.exp(self._combined(logprobs)), 1.0), "the likelihood")
        if solution.text:
            raise EngineCannot("the engine reports no log-probabilities of what it writes, which the likelihood is")
        return 0.0

    def _combined(self, logprobs: list[float]) -> float:
        if self.form == "min":
            return min(logprobs)
        total = math.fsum(logprobs)
        return total if self.form == "product" else total / len(logprobs)
