"""Pure functions from evidence to a certaindex: how settled is a program?"""

from dynasor.certainty.agreement import (
    UNIFORM,
    VotePrior,
    agreement,
    samples_to_settle,
)
from dynasor.certainty.entropy import normalised_entropy
from dynasor.certainty.hope import hope
from dynasor.certainty.lead import ChosenBy, Lead
from dynasor.certainty.signals import AGREEMENT, CONFIDENCE, ENTROPY, REWARD, STABILITY
from dynasor.certainty.votes import certaindex_of_votes
from dynasor.certainty.worth import worth

__all__ = [
    "AGREEMENT",
    "CONFIDENCE",
    "ENTROPY",
    "REWARD",
    "STABILITY",
    "UNIFORM",
    "ChosenBy",
    "Lead",
    "VotePrior",
    "agreement",
    "certaindex_of_votes",
    "hope",
    "normalised_entropy",
    "samples_to_settle",
    "worth",
]
