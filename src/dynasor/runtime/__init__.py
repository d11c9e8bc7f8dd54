"""Ties programs to the scheduler and the engine; the only place that awaits them all."""

from dynasor.runtime.drift import DriftWatch
from dynasor.runtime.runtime import Options, Runtime

__all__ = ["DriftWatch", "Options", "Runtime"]
