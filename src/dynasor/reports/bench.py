"""Parts for what ``dynasor bench batch`` and ``dynasor bench online`` find, workload by workload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from dynasor.errors import InputError
from dynasor.reports.page import Report
from dynasor.reports.parts import Chart, Column, Part, Series, Table, Value, percent
from dynasor.vocabulary import JSON


def bench_report(result: JSON) -> Report:
    """Raises InputError for what is no report of a benchmark."""
    try:
        workloads: JSON = result["workloads"]
        parts = [part for name, found in workloads.items() for part in parts_of(name, found)]
        return Report("Benchmark", ", ".join(workloads), parts)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"this is no report of `dynasor bench`: {error!r} where a field was expected") from None


def parts_of(name: str, found: JSON) -> list[Part]:
    if "rules" in found:
        return [frontier(name, found), rules_table(name, found)]
    return [arms_table(name, found), attainment_chart(name, found), *scale_charts(name, found)]


def frontier(name: str, found: JSON) -> Chart:
    """Accuracy over tokens: a line for each rule over its caps, and the even split that they are to be above of."""
    by_rule: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in found["rules"]:
        by_rule[each["rule"]].append((each["tokens"], each["accuracy"]))
    by_rule["even split"] += [(each["tokens"], each["accuracy"]) for each in found["even_split"]]
    best = max(found["rules"], key=lambda each: each["accuracy"])
    return Chart(
        f"{name}: accuracy against tokens",
        "line",
        [Series(rule, sorted(set(points)), rule == "even split") for rule, points in by_rule.items()],
        f"most accurate: {best['rule']} at a cap of {best['cap']}, {percent(best['accuracy'])} for "
        f"{best['tokens']:,.0f} tokens a question",
        "tokens a question",
        "accuracy",
        x_form="count",
        y_form="percent",
        notes=["A rule above the dashed line spends its tokens better than the same number of samples for all."],
    )


def rules_table(name: str, found: JSON) -> Table:
    columns = [
        Column("rule"),
        Column("cap", "count"),
        Column("accuracy", "percent"),
        Column("tokens a question", "count"),
        Column("saved against the cap", "percent"),
        Column("saved at equal accuracy", "percent"),
        Column("95 % interval"),
    ]
    rows = [
        [
            each["rule"],
            each["cap"],
            each["accuracy"],
            each["tokens"],
            saved_in(each.get("against_cap")),
            saved_in(each.get("at_equal_accuracy")),
            interval_in(each.get("at_equal_accuracy")),
        ]
        for each in found["rules"]
    ]
    return Table(f"{name}: rules", columns, rows, [f"At most {found['cap']} units of the knob."])


def saved_in(found: JSON | None) -> float | None:
    return None if found is None else found["saved"]


def interval_in(found: JSON | None) -> str | None:
    return None if found is None else "{} to {}".format(*map(percent, found["saved_interval"]))


def arms_table(name: str, found: JSON) -> Table:
    """What each arm bears; ratios are of ours to it."""
    columns = [
        Column("arm"),
        Column("knee, programs/s", "number"),
        Column("lowest to highest"),
        Column("rate of ours", "number"),
        Column("rate borne", "number"),
        Column("tighter deadlines of ours", "number"),
        Column("accuracy", "percent"),
        Column("tokens a program", "count"),
    ]
    rows: list[list[Value]] = [
        [
            arm,
            measured["knee"]["mean"],
            f"{measured['knee']['lowest']:.2f} to {measured['knee']['highest']:.2f}",
            mean_in(found["rate_ratio"].get(arm)),
            mean_in(found.get("borne_ratio", {}).get(arm)),
            mean_in(found["slo_ratio"].get(arm)),
            measured["accuracy"]["mean"],
            measured["tokens_per_program"],
        ]
        for arm, measured in found["arms"].items()
    ]
    note = f"The base deadline is {found['base_deadline_s']:.2f} s, of {found['repetitions']} repetitions."
    return Table(f"{name}: arms", columns, rows, [note, *bound_notes(found["rate_ratio"])], is_upright=True)


def bound_notes(rate_ratios: Mapping[str, JSON | None]) -> list[str]:
    """Ratios of knees that were not enclosed are bounds, and not to be read as measured."""
    return [
        f"The rate of ours against {arm} was not enclosed ({', '.join(ratio['bounds'])})."
        for arm, ratio in rate_ratios.items()
        if ratio is not None and ratio.get("bounds")
    ]


def mean_in(found: JSON | None) -> float | None:
    return None if found is None else found["mean"]


def attainment_chart(name: str, found: JSON) -> Chart:
    """The share in time over the rate: where it falls below 90 % is the knee."""
    knees = {arm: measured["knee"]["mean"] for arm, measured in found["arms"].items()}
    return Chart(
        f"{name}: in time, by rate",
        "line",
        attainment_series(found, lambda measured: [(cell["rate"], cell["attainment"]) for cell in measured["cells"]]),
        "; ".join(f"{arm}: 90 % in time up to {rate:.2f} programs a second" for arm, rate in knees.items()),
        "programs a second",
        "share in time",
        y_form="percent",
    )


def scale_charts(name: str, found: JSON) -> list[Chart]:
    """The share in time had the deadlines been tighter or looser, at the rate of the baseline's knee."""
    if all(measured["at_baseline_knee"] is None for measured in found["arms"].values()):
        return []
    at_one = {
        arm: measured["at_baseline_knee"]["attainment_by_scale"].get("1")
        for arm, measured in found["arms"].items()
        if measured["at_baseline_knee"] is not None
    }
    return [
        Chart(
            f"{name}: in time, by deadline",
            "line",
            attainment_series(found, points_by_scale),
            "; ".join(f"{arm}: {percent(share)} at scale 1" for arm, share in at_one.items() if share is not None),
            "scale of the deadlines",
            "share in time",
            y_form="percent",
        )
    ]


def points_by_scale(measured: JSON) -> list[tuple[float, float]]:
    service = measured["at_baseline_knee"]
    return [] if service is None else [(float(scale), share) for scale, share in service["attainment_by_scale"].items()]


def attainment_series(found: JSON, points: Callable[[JSON], Sequence[tuple[float, float]]]) -> list[Series]:
    return [Series(arm, sorted(points(measured))) for arm, measured in found["arms"].items()]
