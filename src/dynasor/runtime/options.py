"""How a program is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from dynasor.certainty import UNIFORM, VotePrior
from dynasor.errors import InputError
from dynasor.vocabulary import Sampling


@dataclass(frozen=True, slots=True)
class Options:
    """How a program is run.

    Args:
        max_samples: bounds the allocator's word.
        seed: fixes the seeds of all its requests.
        vote_prior: what a profile learned of such questions.
        deadline_s: seconds from its arrival, waiting included, at which it answers with the best it has.
        priority: its class, which goes before any policy; smaller first.
        tenant: whose it is; fairness is between tenants.
        mean_tokens_per_unit: what a unit of its knob takes, before it has finished one, if a profile knows; None: as
            much as those of all programs so far.
    """

    max_samples: int = 16
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    vote_prior: VotePrior = UNIFORM
    deadline_s: float | None = None
    priority: int = 0
    tenant: str = ""
    mean_tokens_per_unit: float | None = None

    def __post_init__(self) -> None:
        if self.max_samples < 1:
            raise InputError(f"max_samples is {self.max_samples}; at least 1 was expected")
        if self.deadline_s is not None and not self.deadline_s > 0:
            raise InputError(f"deadline_s is {self.deadline_s}; a number of seconds above 0 was expected")
        if self.mean_tokens_per_unit is not None and not self.mean_tokens_per_unit > 0:
            raise InputError(f"mean_tokens_per_unit is {self.mean_tokens_per_unit}; a number above 0 was expected")


def deadline_of(options: Options, arrival_time: float) -> float | None:
    return None if options.deadline_s is None else arrival_time + options.deadline_s
