"""Pure functions from evidence to a certaindex: how settled is a program?"""

from dynasor.certainty.agreement import agreement, samples_to_settle
from dynasor.certainty.entropy import normalised_entropy
from dynasor.certainty.votes import AGREEMENT, ENTROPY, certaindex_of_votes

__all__ = ["AGREEMENT", "ENTROPY", "agreement", "certaindex_of_votes", "normalised_entropy", "samples_to_settle"]
