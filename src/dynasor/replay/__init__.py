"""Recorded samples replayed: what an allocator would have spent and answered, without a model."""

from dynasor.replay.contenders import Contender, make_contenders
from dynasor.replay.scores import Calibrate, Plan, Score, score
from dynasor.replay.traces import RecordedQuestion, RecordedSample, Trace, read_trace

__all__ = [
    "Calibrate",
    "Contender",
    "Plan",
    "RecordedQuestion",
    "RecordedSample",
    "Score",
    "Trace",
    "make_contenders",
    "read_trace",
    "score",
]
