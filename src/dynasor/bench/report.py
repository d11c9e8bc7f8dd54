"""From cells to what they show: knees, ratios to each rival with their spread, accuracy, fairness, throughput.

A ratio is taken within a repetition, between arms that were given the same questions, gaps and seeds; then come its
mean over the repetitions, the lowest and the highest.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from dynasor.bench.cells import Cell, Judge
from dynasor.bench.deadlines import SHARE, attainment, quantile
from dynasor.bench.knee import Bound, Knee, knee, scale_at
from dynasor.bench.search import BESIDE, points_of
from dynasor.paired import paired_difference
from dynasor.vocabulary import JSON

SCALES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
"""SLO scales at which attainment is reported."""
NEAR = 1.2
"""A cell whose rate is within so many times the baseline's knee is taken to show what happens there."""


def report(
    cells: Sequence[Cell], judge: Judge, *, baseline: str, subject: str, sustained_tokens_per_s: float = 0.0
) -> JSON:
    """By workload: every arm, and ``subject`` against each other one. ``baseline`` is the arm at whose knee the
    tightest scales are compared; ``sustained_tokens_per_s`` is what the engine was seen to write beside the cells."""
    workloads = dict.fromkeys(cell.workload for cell in cells)
    return {
        workload: _workload(
            [cell for cell in cells if cell.workload == workload and cell.questions],
            judge,
            baseline,
            subject,
            sustained_tokens_per_s,
        )
        for workload in workloads
    }


def _workload(cells: Sequence[Cell], judge: Judge, baseline: str, subject: str, sustained_tokens_per_s: float) -> JSON:
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    repetitions = sorted({cell.repetition for cell in cells})
    knees = {arm: knees_of(cells, arm, repetitions, judge) for arm in arms}
    at = {number: found.rate for number, found in knees.get(baseline, {}).items()}
    scales = {arm: _scales_at(cells, arm, at, judge) for arm in arms}
    most = max(sustained_tokens_per_s, *(cell.tokens_per_s for cell in cells))
    borne = {arm: _borne([cell for cell in cells if cell.arm == arm], knees[arm], most) for arm in arms}
    rivals = [arm for arm in arms if arm != subject and subject in arms]
    return {
        "base_deadline_s": judge.base_s[cells[0].workload],
        "window_s": sorted({cell.window_s for cell in cells}),
        "repetitions": len(repetitions),
        "most_tokens_per_s": most,
        "arms": {arm: _arm(cells, arm, knees[arm], scales[arm], at, judge, baseline) for arm in arms},
        "rate_ratio": {rival: _rate_ratio(knees[subject], knees[rival]) for rival in rivals},
        "borne_ratio": {rival: _rate_ratio(borne[subject], borne[rival]) for rival in rivals},
        "slo_ratio": {rival: _ratio(scales[rival], scales[subject]) for rival in rivals},
        "rate_ratio_by_scale": {rival: _by_scale(cells, subject, rival, repetitions, judge) for rival in rivals},
    }


def knees_of(
    cells: Sequence[Cell], arm: str, repetitions: Iterable[int], judge: Judge, scale: float = 1.0
) -> dict[int, Knee]:
    """By repetition, as far as the arm was measured in it."""
    found = {number: points_of(cells, arm, number, judge) for number in repetitions}
    return {number: knee(points, scale) for number, points in found.items() if points}


def _borne(own: Sequence[Cell], knees: Mapping[int, Knee], most_tokens_per_s: float) -> dict[int, Knee]:
    """By repetition, the knee, but no more programs a second than the engine could write the tokens of. In a window of
    a few deadlines an arm may take in more than comes out, and still be in time."""
    most = most_tokens_per_s / statistics.fmean(count for cell in own for count in cell.tokens)
    return {number: replace(found, rate=min(found.rate, most)) for number, found in knees.items()}


def _scales_at(cells: Sequence[Cell], arm: str, rates: Mapping[int, float], judge: Judge) -> dict[int, float]:
    """The tightest scale at the given rate of each repetition, as far as it was measured near there."""
    found = {}
    for number, rate in rates.items():
        points = points_of(cells, arm, number, judge)
        scale = scale_at(points, rate, BESIDE) if points else None
        if scale is not None:
            found[number] = scale
    return found


def _rate_ratio(ours: Mapping[int, Knee], theirs: Mapping[int, Knee]) -> JSON | None:
    """None while no repetition has both. A knee that was only bounded bounds the ratio, which then says how."""
    both = [number for number in ours if number in theirs]
    found = _ratio({n: ours[n].rate for n in both}, {n: theirs[n].rate for n in both})
    if found is not None:
        found["bounds"] = sorted({bound for n in both if (bound := _bound(ours[n].bound, theirs[n].bound))})
    return found


def _bound(ours: Bound, theirs: Bound) -> str:
    """How a ratio of two knees is known; empty: it was measured."""
    words = {"": 0, Bound.AT_LEAST.value: 0, Bound.AT_MOST.value: 0}
    words[ours.value if ours is not Bound.MEASURED else ""] += 1
    turned = {Bound.AT_LEAST: Bound.AT_MOST.value, Bound.AT_MOST: Bound.AT_LEAST.value, Bound.MEASURED: ""}
    words[turned[theirs]] += 1
    if words[Bound.AT_LEAST.value] and words[Bound.AT_MOST.value]:
        return "unknown"
    return next((word for word in (Bound.AT_LEAST.value, Bound.AT_MOST.value) if words[word]), "")


def _ratio(above: Mapping[int, float], below: Mapping[int, float]) -> JSON | None:
    """By repetition, then the geometric mean, the lowest and the highest."""
    ratios = [above[number] / below[number] for number in above if number in below]
    return spread(ratios) if ratios else None


def spread(ratios: Sequence[float]) -> JSON:
    return {
        "mean": statistics.geometric_mean(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "repetitions": list(ratios),
    }


def _by_scale(cells: Sequence[Cell], subject: str, rival: str, repetitions: Sequence[int], judge: Judge) -> JSON:
    """The rate ratio had the deadlines been tighter or looser, at the scales for which both knees were measured."""
    found: JSON = {}
    for scale in SCALES:
        ours = knees_of(cells, subject, repetitions, judge, scale)
        theirs = knees_of(cells, rival, repetitions, judge, scale)
        measured = [
            number
            for number in ours
            if number in theirs and ours[number].bound is theirs[number].bound is Bound.MEASURED
        ]
        if measured:
            found[f"{scale:g}"] = spread([ours[number].rate / theirs[number].rate for number in measured])
    return found


def _arm(
    cells: Sequence[Cell],
    arm: str,
    knees: Mapping[int, Knee],
    scales: Mapping[int, float],
    baseline_knees: Mapping[int, float],
    judge: Judge,
    baseline: str,
) -> JSON:
    own = [cell for cell in cells if cell.arm == arm]
    others = [cell for cell in cells if cell.arm == baseline]
    near = [cell for number, rate in baseline_knees.items() if (cell := nearest(own, number, rate)) is not None]
    return {
        "knee": spread([each.rate for each in knees.values()])
        | {"bounds": [each.bound.value for each in knees.values()]},
        "scale_at_baseline_knee": spread(list(scales.values())) if scales else None,
        "accuracy": _accuracy(own),
        "accuracy_difference": None if arm == baseline else _against(own, others),
        "tokens_of_baseline": None if arm == baseline else _times_the_tokens(own, others),
        "tokens_per_program": statistics.fmean(count for cell in own for count in cell.tokens),
        "samples_per_program": statistics.fmean(count for cell in own for count in cell.samples),
        "kinds_per_program": _kinds(own),
        "by_difficulty": _by_difficulty(own, judge),
        "at_baseline_knee": _service(near, judge) if near else None,
        "cpu_share": sum(cell.cpu_s for cell in own) / sum(cell.wall_s for cell in own),
        "programs": sum(len(cell.questions) for cell in own),
        "failed": sum(latency is None for cell in own for latency in cell.latency_s),
        "sent_late": sum(cell.num_late for cell in own),
        "latest_send_s": max(late for cell in own for late in cell.late_s),
        "cells": [_curve_point(cell, judge) for cell in own],
    }


def nearest(cells: Sequence[Cell], repetition: int, rate: float) -> Cell | None:
    """The cell of a repetition whose rate is nearest to ``rate``, and near it."""
    there = [cell for cell in cells if cell.repetition == repetition]
    if not there:
        return None
    found = min(there, key=lambda cell: abs(math.log(cell.rate / rate)))
    return found if abs(math.log(found.rate / rate)) <= math.log(NEAR) else None


def _curve_point(cell: Cell, judge: Judge) -> JSON:
    slownesses = judge.slownesses(cell)
    return {
        "repetition": cell.repetition,
        "rate": cell.rate,
        "programs": len(slownesses),
        "attainment": attainment(slownesses, 1.0),
        "tightest_scale": judge.point(cell).scale,
        "tokens_per_s": cell.tokens_per_s,
    }


def _service(cells: Sequence[Cell], judge: Judge) -> JSON:
    """How programs were served in these cells together."""
    slownesses = [each for cell in cells for each in judge.slownesses(cell)]
    fairness = [each for cell in cells for each in cell.fairness if each is not None]
    latencies = [each for cell in cells for each in cell.latency_s if each is not None]
    return {
        "rates": [cell.rate for cell in cells],
        "attainment_by_scale": {f"{scale:g}": attainment(slownesses, scale) for scale in SCALES},
        "slowness_by_difficulty": _slowness_by_difficulty(cells, judge),
        "latency_mean_s": statistics.fmean(latencies) if latencies else None,
        "latency_p90_s": quantile(latencies, 0.9) if latencies else None,
        "fairness_mean_ms_per_token": 1000 * statistics.fmean(fairness) if fairness else None,
        "fairness_p90_ms_per_token": 1000 * quantile(fairness, 0.9) if fairness else None,
        "tokens_per_s": statistics.fmean(cell.tokens_per_s for cell in cells),
    }


def _slowness_by_difficulty(cells: Sequence[Cell], judge: Judge) -> JSON:
    """The part of its deadline that a program takes, by the factor that a question's difficulty is for it; None where
    it never answered."""
    found: dict[float, list[float]] = defaultdict(list)
    for cell in cells:
        for question, slowness in zip(cell.questions, judge.slownesses(cell), strict=True):
            found[judge.difficulties[question]].append(slowness)
    return {
        f"{level:g}": {
            "programs": len(each),
            "median": finite(quantile(each, 0.5)),
            "p90": finite(quantile(each, SHARE)),
        }
        for level, each in sorted(found.items())
    }


def finite(value: float) -> float | None:
    """None for infinity, which JSON has not: programs that never answered."""
    return value if math.isfinite(value) else None


def _kinds(cells: Sequence[Cell]) -> JSON:
    num_programs = sum(len(cell.questions) for cell in cells)
    kinds = dict.fromkeys(kind for cell in cells for kind in cell.kinds)
    return {kind: sum(cell.kinds.get(kind, 0) for cell in cells) / num_programs for kind in kinds}


def _by_difficulty(cells: Sequence[Cell], judge: Judge) -> JSON:
    """Where tokens went, and who was right, by the factor that a question's difficulty is for deadlines."""
    rows: dict[float, list[tuple[int, bool]]] = defaultdict(list)
    for cell in cells:
        for question, tokens, is_right in zip(cell.questions, cell.tokens, cell.right, strict=True):
            rows[judge.difficulties[question]].append((tokens, is_right))
    return {
        f"{level:g}": {
            "programs": len(found),
            "tokens_per_program": statistics.fmean(tokens for tokens, _ in found),
            "right": statistics.fmean(is_right for _, is_right in found),
        }
        for level, found in sorted(rows.items())
    }


Column = Callable[[Cell], Sequence[float]]
RIGHT: Column = attrgetter("right")
TOKENS: Column = attrgetter("tokens")


def by_question(cells: Iterable[Cell], column: Column) -> dict[str, float]:
    """The mean of a ``column`` for each question. Cells of one arm repeat questions, so a program is no draw of its
    own, a question is."""
    values: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        for question, value in zip(cell.questions, column(cell), strict=True):
            values[question].append(value)
    return {question: statistics.fmean(found) for question, found in values.items()}


def _accuracy(cells: Sequence[Cell]) -> JSON:
    found = paired_difference(list(by_question(cells, RIGHT).values()))
    return {"questions": found.count, "mean": found.mean, "interval": list(found.interval)}


def _against(ours: Sequence[Cell], theirs: Sequence[Cell]) -> JSON | None:
    """The difference on questions that both were asked, and the accuracy of both on these."""
    mine, others = by_question(ours, RIGHT), by_question(theirs, RIGHT)
    both = [question for question in mine if question in others]
    if not both:
        return None
    found = paired_difference([mine[question] - others[question] for question in both])
    return found.to_json() | {
        "accuracy": statistics.fmean(mine[question] for question in both),
        "baseline_accuracy": statistics.fmean(others[question] for question in both),
    }


def _times_the_tokens(ours: Sequence[Cell], theirs: Sequence[Cell]) -> float | None:
    """How many times as many tokens the baseline's programs take, on questions that both were asked."""
    mine, others = by_question(ours, TOKENS), by_question(theirs, TOKENS)
    both = [question for question in mine if question in others]
    spent = sum(mine[question] for question in both)
    return sum(others[question] for question in both) / spent if spent else None
