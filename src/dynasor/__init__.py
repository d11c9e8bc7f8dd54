"""Dynasor: reasoning programs that stop when their answer is settled.

>>> from dynasor import AnswerReader, Agreement, Options, Question, Runtime, SelfConsistency, open_engine
"""

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.engines import open_engine
from dynasor.programs import Branches, Program, Session, Votes
from dynasor.programs.self_consistency import SelfConsistency
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Agreement, Allocator, Fixed, Threshold
from dynasor.vocabulary import Answer, Certaindex, Completion, Question, Sampling, Usage

__all__ = [
    "Agreement",
    "Allocator",
    "Answer",
    "AnswerReader",
    "AnswerStyle",
    "Branches",
    "Certaindex",
    "Completion",
    "Fixed",
    "Options",
    "Program",
    "Question",
    "Runtime",
    "Sampling",
    "SelfConsistency",
    "Session",
    "Threshold",
    "Usage",
    "Votes",
    "open_engine",
]
