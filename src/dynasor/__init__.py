"""Dynasor: reasoning programs that stop when their answer is settled.

>>> from dynasor import AnswerReader, Agreement, Options, Question, Runtime, SelfConsistency, open_engine
"""

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.engines import open_engine
from dynasor.programs import Branches, Program, Session, Votes
from dynasor.programs.best_of_n import BestOfN
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.mcts import MCTS
from dynasor.programs.rebase import Rebase
from dynasor.programs.self_consistency import SelfConsistency
from dynasor.programs.self_consistency_chains import SelfConsistencyOverChains
from dynasor.programs.single import Single
from dynasor.programs.weighted_majority import WeightedMajority
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Agreement, Allocator, Fixed, Threshold
from dynasor.vocabulary import Answer, Certaindex, Completion, Question, Sampling, Usage

__all__ = [
    "MCTS",
    "Agreement",
    "Allocator",
    "Answer",
    "AnswerReader",
    "AnswerStyle",
    "BestOfN",
    "Branches",
    "Certaindex",
    "ChainOfThought",
    "Completion",
    "Fixed",
    "Options",
    "Program",
    "Question",
    "Rebase",
    "Runtime",
    "Sampling",
    "SelfConsistency",
    "SelfConsistencyOverChains",
    "Session",
    "Single",
    "Threshold",
    "Usage",
    "Votes",
    "WeightedMajority",
    "open_engine",
]
