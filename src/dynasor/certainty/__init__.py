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
from dynasor.certainty.stability import (
    DEFAULT_CHAIN_PRIOR,
    ChainPrior,
    Unsure,
    certaindex_of_chain,
    mean_probability,
    probes_to_come,
)
from dynasor.certainty.votes import certaindex_of_votes
from dynasor.certainty.worth import worth

__all__ = [
    "AGREEMENT",
    "CONFIDENCE",
    "DEFAULT_CHAIN_PRIOR",
    "ENTROPY",
    "REWARD",
    "STABILITY",
    "UNIFORM",
    "ChainPrior",
    "ChosenBy",
    "Lead",
    "Unsure",
    "VotePrior",
    "agreement",
    "certaindex_of_chain",
    "certaindex_of_votes",
    "hope",
    "mean_probability",
    "normalised_entropy",
    "probes_to_come",
    "samples_to_settle",
    "worth",
]
