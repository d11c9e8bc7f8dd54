"""Calibration: from recorded samples to a profile, which says how sure is sure enough."""

from dynasor.calibration.calibrate import Learned, with_labels, without_labels
from dynasor.calibration.evidence import Evidence, ShuffledSamples, WatchedRuns
from dynasor.calibration.reliability import Decile, Reliability, reliability
from dynasor.calibration.skyline import LearnedSkyline, Looks, fit_skyline

__all__ = [
    "Decile",
    "Evidence",
    "Learned",
    "LearnedSkyline",
    "Looks",
    "Reliability",
    "ShuffledSamples",
    "WatchedRuns",
    "fit_skyline",
    "reliability",
    "with_labels",
    "without_labels",
]
