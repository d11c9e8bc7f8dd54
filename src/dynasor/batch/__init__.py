"""A file of questions in, results out, resumable."""

from dynasor.batch.job import Arm, BatchJob, baseline_path, manifest_path
from dynasor.batch.questions import LineFormat, QuestionFile, check_questions
from dynasor.batch.run import run_batch
from dynasor.batch.summary import ArmSummary

__all__ = [
    "Arm",
    "ArmSummary",
    "BatchJob",
    "LineFormat",
    "QuestionFile",
    "baseline_path",
    "check_questions",
    "manifest_path",
    "run_batch",
]
