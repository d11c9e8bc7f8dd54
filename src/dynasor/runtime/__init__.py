"""Ties programs to the scheduler and the engines; the only place that awaits them all."""

from dynasor.runtime.drift import DriftWatch
from dynasor.runtime.options import Options
from dynasor.runtime.recovery import DEFAULT_RECOVERY, Recovery
from dynasor.runtime.run import ProgramState, ProgramStatus
from dynasor.runtime.runtime import Runtime
from dynasor.runtime.visit import Replica

__all__ = [
    "DEFAULT_RECOVERY",
    "DriftWatch",
    "Options",
    "ProgramState",
    "ProgramStatus",
    "Recovery",
    "Replica",
    "Runtime",
]
