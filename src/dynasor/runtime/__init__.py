"""Ties programs to the scheduler and the engines; the only place that awaits them all."""

from dynasor.runtime.drift import DriftWatch
from dynasor.runtime.replicas import DEFAULT_RECOVERY, Recovery, Replica
from dynasor.runtime.run import ProgramState, ProgramStatus
from dynasor.runtime.runtime import Options, Runtime

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
