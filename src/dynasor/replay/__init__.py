"""Recorded samples replayed: what an allocator would have spent and answered, without a model."""

from dynasor.replay.contenders import Contender, make_contenders
from dynasor.replay.runs import Look, RecordedRun, Runs, read_runs
from dynasor.replay.scores import Calibrate, Plan, Score, score
from dynasor.replay.traces import RecordedQuestion, RecordedSample, Trace, read_trace

__all__ = [
    "Calibrate",
    "Contender",
    "Look",
    "Plan",
    "RecordedQuestion",
    "RecordedRun",
    "RecordedSample",
    "Runs",
    "Score",
    "Trace",
    "make_contenders",
    "read_runs",
    "read_trace",
    "score",
]
