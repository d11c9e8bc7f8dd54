"""The figures of docs/results.md, as SVG (needs the extra ``figures``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.result_pages import ARM_NAMES
from dynasor.vocabulary import JSON

COLOURS = {"engine": "#8c8c8c", "gang": "#4878a8", "paper": "#e0a458", "dynasor": "#b0413e"}
SIZE = (8.0, 3.4)
SUBJECT = "dynasor"
SUBJECTS_OWN = "agreement"
"""Scenarios so named change nothing for other arms."""


def online_figure(name: str, found: JSON, path: Path) -> None:
    """Attainment against rate at scale 1 and against the SLO scale at the engine's knee; accuracy against the rate with
    90 % in time; fairness at the engine's knee."""
    figure, (by_rate, by_scale, accuracy, fairness) = _panels(2, rows=2)
    for arm, measured in found["arms"].items():
        colour, label = COLOURS.get(arm, "black"), ARM_NAMES.get(arm, arm)
        cells = sorted(measured["cells"], key=lambda cell: cell["rate"])
        rates = [cell["rate"] for cell in cells]
        by_rate.plot(rates, [100 * cell["attainment"] for cell in cells], "o", color=colour, label=label, markersize=4)
        by_rate.axvline(measured["knee"]["mean"], color=colour, linewidth=1)
        if (service := measured["at_baseline_knee"]) is not None:
            scales = [float(scale) for scale in service["attainment_by_scale"]]
            shares = [100 * share for share in service["attainment_by_scale"].values()]
            by_scale.plot(scales, shares, "-o", color=colour, label=label, markersize=3)
            _bars(fairness, label, colour, service)
        _knee_point(accuracy, colour, measured)
    by_rate.set_xlabel("programs a second (lines: the knees)")
    by_scale.set_xlabel("SLO scale, at the knee of the engine alone")
    by_scale.set_xscale("log")
    for axis in (by_rate, by_scale):
        axis.set_ylabel("in time, %")
        axis.set_ylim(0, 102)
        axis.axhline(90, color="0.6", linewidth=1, linestyle=":")
    by_scale.legend(loc="lower right", fontsize=8)
    accuracy.set_xlabel("programs a second, 90 % in time")
    accuracy.set_ylabel("accuracy, % (95 %)")
    fairness.set_xlabel("fairness, ms a token (light: P90)")
    fairness.invert_yaxis()
    figure.suptitle(name, fontsize=10)
    _save(figure, path)


def _knee_point(axis: Any, colour: str, measured: JSON) -> None:
    """An arm's accuracy at its knee, with the interval, from the lowest repetition to the highest."""
    knee, found = measured["knee"], measured["accuracy"]
    mean, (low, high) = 100 * found["mean"], (100 * each for each in found["interval"])
    axis.errorbar(
        [knee["mean"]],
        [mean],
        xerr=[[max(0.0, knee["mean"] - knee["lowest"])], [max(0.0, knee["highest"] - knee["mean"])]],
        yerr=[[max(0.0, mean - low)], [max(0.0, high - mean)]],
        fmt="o",
        color=colour,
        markersize=4,
        linewidth=1,
    )


def _bars(axis: Any, label: str, colour: str, service: JSON) -> None:
    if service["fairness_mean_ms_per_token"] is not None:
        axis.barh([label], [service["fairness_p90_ms_per_token"]], color=colour, alpha=0.35)
        axis.barh([label], [service["fairness_mean_ms_per_token"]], color=colour)


def batch_figure(name: str, found: JSON, path: Path) -> None:
    """Tokens against accuracy."""
    figure, (axis,) = _panels(1)
    even = found["even_split"]
    axis.plot(
        [each["tokens"] for each in even], [100 * each["accuracy"] for each in even], color="0.5", label="even split"
    )
    has_replays = any(each["is_replayed"] for each in found["rules"])
    rules: dict[str, list[JSON]] = {}
    for each in found["rules"]:
        if "against_cap" in each and (each["is_replayed"] or not has_replays or each["rule"] == "profile"):
            rules.setdefault(each["rule"], []).append(each)
    for rule, points in rules.items():
        points.sort(key=lambda each: each["cap"])
        tokens, accuracy = [each["tokens"] for each in points], [100 * each["accuracy"] for each in points]
        axis.plot(tokens, accuracy, "-o" if len(points) > 1 else "s", label=rule, markersize=4)
    axis.set_xlabel("tokens a question")
    axis.set_ylabel("accuracy, %")
    axis.set_xlim(left=0)
    axis.legend(loc="lower right", fontsize=8)
    figure.suptitle(name, fontsize=10)
    _save(figure, path)


def scale_figure(result: JSON, path: Path) -> None:
    """How many times the rate of the engines alone Dynasor bears, by scenario, from the lowest repetition to the
    highest."""
    known = {
        name: found["rate_ratio"]["engine"]
        for name, found in result["scenarios"].items()
        if found["rate_ratio"].get("engine") is not None
    }
    figure, (axis,) = _panels(1)
    figure.set_size_inches(SIZE[0], 0.9 + 0.33 * max(1, len(known)))
    places = range(len(known))
    axis.barh(places, [ratio["mean"] for ratio in known.values()], color=COLOURS["dynasor"])
    for place, ratio in zip(places, known.values(), strict=True):
        axis.plot([ratio["lowest"], ratio["highest"]], [place, place], color="black", linewidth=1)
    axis.set_yticks(list(places), list(known), fontsize=8)
    axis.invert_yaxis()
    axis.axvline(1.0, color="0.4", linewidth=1, linestyle=":")
    axis.set_xlabel("times the rate of the engines alone, 90 % in time (simulated)")
    _save(figure, path)


def accuracy_figure(rows: Mapping[str, Mapping[str, JSON]], path: Path, *, note: str = "") -> None:
    """Accuracy against the rate at which 90 % are in time, a point for each row and arm that was served in it."""
    figure, (axis,) = _panels(1)
    for arm, label in ARM_NAMES.items():
        measured = {name: served[arm] for name, served in rows.items() if arm in served}
        if arm != SUBJECT:
            measured = {name: each for name, each in measured.items() if not name.startswith(SUBJECTS_OWN)}
        points = sorted((each["knee"]["mean"], 100 * each["accuracy"]["mean"], name) for name, each in measured.items())
        axis.plot(
            [rate for rate, _, _ in points],
            [share for _, share, _ in points],
            "-o",
            label=label,
            color=COLOURS[arm],
            markersize=4,
        )
    axis.set_xlabel(f"programs a second, 90 % in time{note}")
    axis.set_ylabel("accuracy, %")
    axis.legend(loc="lower left", fontsize=8)
    _save(figure, path)


def _panels(columns: int, rows: int = 1) -> tuple[Any, list[Any]]:
    """Row by row."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (SIZE[0] if columns > 1 else 0.7 * SIZE[0], rows * SIZE[1])
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.grid(color="0.92")
    return figure, list(axes.flat)


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    with plt.rc_context({"svg.hashsalt": path.name}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
