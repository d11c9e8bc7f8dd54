"""Pure functions from evidence to a certaindex: how settled is a program?"""

from dynasor.certainty.agreement import (
    UNIFORM,
    VotePrior,
    agreement,
    best_stays,
    samples_to_settle,
    weighted_agreement,
)
from dynasor.certainty.entropy import normalised_entropy
from dynasor.certainty.signals import AGREEMENT, CONFIDENCE, ENTROPY, REWARD, STABILITY
from dynasor.certainty.votes import certaindex_of_votes

__all__ = [
    "AGREEMENT",
    "CONFIDENCE",
    "ENTROPY",
    "REWARD",
    "STABILITY",
    "UNIFORM",
    "VotePrior",
    "agreement",
    "best_stays",
    "certaindex_of_votes",
    "normalised_entropy",
    "samples_to_settle",
    "weighted_agreement",
]
