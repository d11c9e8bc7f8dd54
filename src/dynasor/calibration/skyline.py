"""The skyline of a dataset: from recorded samples, how many further ones were worth drawing at each certaindex.

For every walk and step: the certaindex then, and how many more samples it took until the answer was that of the cap
for good. The upper envelope of these points, never rising with the certaindex, would have kept every answer. It is
trimmed: of the walks with one certaindex, a share may lie above. The largest saving is taken at which the promise
holds on questions that the curves were not fitted to (cross-validation), for curves have many free heights.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dynasor.calibration.calibrate import check_promise
from dynasor.calibration.evidence import ShuffledSamples
from dynasor.calibration.reliability import Reliability
from dynasor.calibration.walks import Walk
from dynasor.certainty import AGREEMENT, VotePrior, normalised_entropy
from dynasor.errors import InputError
from dynasor.parameters import read_parameters, split_settings
from dynasor.scheduling import Curve, Skyline

FOLDS = 5
"""Curves are judged on each fifth of the questions after fitting them to the others."""
TRIMS = (0.0, *(round(0.005 * 1.1**step, 5) for step in range(48)))
"""Shares of the walks of one certaindex that may lie above the curve, from none to 0.44."""
DIGITS = 10**6
"""Certaindexes are rounded down to so much, so that the allocator's comparison holds for the state it is from."""

Heights = Mapping[int, Mapping[float, Sequence[int]]]
"""By step and certaindex: the further samples that walks needed there, most first."""


@dataclass(frozen=True, slots=True)
class Looks:
    """When the skyline is consulted, and over which signal.

    The default is a curve for every step (the paper's dynamic curve fitting); ``detect_at=5,check_every=none`` is its
    initial one, a single curve for the step where it detects.
    """

    signal: Literal["agreement", "entropy"] = "agreement"
    detect_at: int = 1
    check_every: int | None = 1

    def __post_init__(self) -> None:
        for name, units in (("detect_at", self.detect_at), ("check_every", self.check_every)):
            if units is not None and units < 1:
                raise InputError(f"{name} is {units}; at least 1 was expected")

    @classmethod
    def of_text(cls, text: str) -> Looks:
        """``skyline``, or with options inline ``skyline:detect_at=5``. InputError for an option it does not have."""
        inline = text.partition(":")[2]
        settings = split_settings(inline.split(",") if inline else (), f"an option in {text!r}")
        return cls(**read_parameters(cls, settings, "skyline"))  # type: ignore[arg-type]  # read as annotated

    def steps(self, cap: int) -> Iterable[int]:
        if self.check_every is None:
            return range(self.detect_at, min(cap, self.detect_at + 1))
        return range(self.detect_at, cap, self.check_every)


@dataclass(frozen=True, slots=True)
class LearnedSkyline:
    """The fitted allocator, and what it did on questions that its curves were not fitted to."""

    allocator: Skyline
    trim: float
    saved: float
    kept: float
    questions: int
    reliability: Reliability


def fit_skyline(
    evidence: ShuffledSamples, target_agreement: float = 0.99, looks: Looks | None = None
) -> LearnedSkyline:
    """The skyline that saves most, and keeps the full budget's answer on at least ``target_agreement`` of the
    questions. No labels are looked at.

    Raises InputError when the questions are too few for the promise.
    """
    check_promise(evidence, target_agreement, fewest=FOLDS)
    looks = looks or Looks()
    paths = [_path(walk, evidence.prior, looks.signal) for walk in evidence.walks]
    folds = [_Fold(paths, number, looks) for number in range(FOLDS)]
    trials = (_judged(folds, trim, looks) for trim in TRIMS)
    cautious = itertools.takewhile(lambda trial: trial.kept >= target_agreement, trials)
    best = max(cautious, key=lambda trial: trial.saved, default=None)
    curves = {} if best is None else curves_of(_heights(paths, looks), best.trim)
    best = best or _Trial(0.0, saved=0.0, kept=1.0)
    return LearnedSkyline(
        allocator=Skyline(curves, looks.signal, evidence.prior),
        trim=best.trim,
        saved=best.saved,
        kept=best.kept,
        questions=evidence.num_questions,
        reliability=evidence.reliability(),
    )


def curves_of(heights: Heights, trim: float) -> dict[int, Curve]:
    """The curves with at most a share ``trim`` of the walks above them at any certaindex."""
    return {step: Curve(tuple(_knots(levels, trim))) for step, levels in heights.items()}


@dataclass(frozen=True, slots=True)
class _Path:
    """One walk as the skyline sees it: the certaindex after each sample, and after how many the answer stays."""

    question: int
    levels: tuple[float, ...]
    kept: tuple[bool, ...]
    settled_after: int

    def stop(self, skyline: Skyline) -> int:
        """The samples drawn when ``skyline`` stops."""
        finished, cap = 0, len(self.levels)
        while finished < cap:
            units = skyline.units(finished, self.levels[finished - 1] if finished else 0.0, cap)
            if not units:
                break
            finished += units
        return finished


@dataclass(frozen=True, slots=True)
class _Trial:
    trim: float
    saved: float
    kept: float


class _Fold:
    """Some of the questions, with what the others show about curves."""

    def __init__(self, paths: Sequence[_Path], number: int, looks: Looks) -> None:
        self.paths = [path for path in paths if path.question % FOLDS == number]
        self.heights = _heights([path for path in paths if path.question % FOLDS != number], looks)


def _judged(folds: Sequence[_Fold], trim: float, looks: Looks) -> _Trial:
    """Every fold's questions under curves that were fitted to the others."""
    spent = cap = kept = total = 0
    for fold in folds:
        skyline = Skyline(curves_of(fold.heights, trim), looks.signal)
        for path in fold.paths:
            drawn = path.stop(skyline)
            spent += drawn
            cap += len(path.levels)
            kept += path.kept[drawn - 1]
            total += 1
    return _Trial(trim, 1 - spent / cap, kept / total)


def _path(walk: Walk, prior: VotePrior, signal: str) -> _Path:
    if signal == AGREEMENT:
        levels = [lead.agreement(walk.cap, prior) for lead in walk.leads]
    else:
        levels = [normalised_entropy(counts) for counts in walk.counts]
    settled_after = 1 + max((drawn for drawn, is_kept in enumerate(walk.kept, 1) if not is_kept), default=0)
    return _Path(walk.question, tuple(map(_rounded_down, levels)), walk.kept, settled_after)


def _rounded_down(level: float) -> float:
    return max(0.0, math.floor(level * DIGITS) / DIGITS)


def _heights(paths: Iterable[_Path], looks: Looks) -> Heights:
    heights: dict[int, dict[float, list[int]]] = {}
    for path in paths:
        for step in looks.steps(len(path.levels)):
            levels = heights.setdefault(step, defaultdict(list))
            levels[path.levels[step - 1]].append(max(0, path.settled_after - step))
    for levels in heights.values():
        for further in levels.values():
            further.sort(reverse=True)
    return heights


def _knots(levels: Mapping[float, Sequence[int]], trim: float) -> Iterator[tuple[float, int]]:
    """From the surest certaindex down the curve rises to what all but ``trim`` of the walks needed; of equal heights
    the least sure one is the knot."""
    knots: dict[int, float] = {}
    highest = 0
    for level in sorted(levels, reverse=True):
        further = levels[level]
        highest = max(highest, further[math.floor(trim * len(further))])
        knots[highest] = level
    return ((level, units) for units, level in reversed(knots.items()))
