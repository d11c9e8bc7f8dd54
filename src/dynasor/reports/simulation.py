"""Parts for what ``dynasor simulate --json`` prints, and for every result of the same form: arms with latencies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dynasor.errors import InputError
from dynasor.reports.page import Report
from dynasor.reports.parts import Chart, Column, Part, Series, Table, Value, percent
from dynasor.vocabulary import JSON

QUANTILES = ("p50", "p90", "p99")
MEANS = {
    "slo_attainment": Column("in time", "percent"),
    "goodput_programs_per_s": Column("goodput, programs/s", "number"),
    "programs_per_s": Column("throughput, programs/s", "number"),
    "accuracy": Column("accuracy", "percent"),
    "samples_per_program": Column("samples a program", "number"),
}
"""Columns by the names of their fields."""
SIMULATED_NOTE = "This is a simulation: a real engine falls short of a profile that was not fitted to it."


def simulation_report(result: JSON) -> Report:
    """Raises InputError for what is no result of a simulation."""
    try:
        return _report_of(result)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"this is no result of `dynasor simulate --json`: {error!r} where a field was expected"
        ) from None


def _report_of(result: JSON) -> Report:
    arms: list[JSON] = result["arms"]
    copies = f"{result['replicas']} x " if result["replicas"] > 1 else ""
    subtitle = f"{result['programs']:,} programs on {copies}{result['engine_profile']}, seed {result['seed']}"
    parts: Iterable[Part | None] = (
        arms_table("Arms", arms, [SIMULATED_NOTE]),
        latency_chart("Latency", arms),
        in_time_chart(arms),
        token_chart(arms),
        stop_reason_chart(arms),
        replica_table(arms),
        *stream_parts(arms),
    )
    return Report("Simulation", subtitle, [part for part in parts if part is not None])


def arms_table(title: str, arms: Sequence[JSON], notes: Sequence[str] = ()) -> Table:
    """A row for each arm; a column that says nothing of any arm is left out."""
    told: list[tuple[Column, list[Value]]] = [
        (Column("arm"), [arm["arm"] for arm in arms]),
        (Column("programs", "count"), [arm["programs"] for arm in arms]),
        (Column("latency, mean", "seconds"), [arm["latency_s"]["mean"] for arm in arms]),
        *((Column(name.upper(), "seconds"), [arm["latency_s"][name] for arm in arms]) for name in QUANTILES),
        *((column, [arm.get(name) for arm in arms]) for name, column in MEANS.items()),
        (Column("tokens a program", "count"), [_tokens(arm) for arm in arms]),
    ]
    kept = [(column, values) for column, values in told if any(value is not None for value in values)]
    rows = [list(row) for row in zip(*(values for _, values in kept), strict=True)]
    return Table(title, [column for column, _ in kept], rows, notes, is_upright=True)


def _tokens(arm: JSON) -> float | None:
    """Tokens produced for a program, on average."""
    produced = sum(arm["tokens"].get(kind, 0) for kind in ("main", "probe", "score", "cancelled"))
    return produced / arm["programs"] if arm["programs"] else None


def latency_chart(title: str, arms: Sequence[JSON]) -> Chart:
    series = [Series(name.upper(), [arm["latency_s"][name] for arm in arms]) for name in QUANTILES]
    told = "; ".join(f"{arm['arm']}: P50 {_s(arm, 'p50')}, P90 {_s(arm, 'p90')}, P99 {_s(arm, 'p99')}" for arm in arms)
    return Chart(
        title,
        "bar",
        series,
        told,
        "arm",
        "seconds to the answer",
        labels=[arm["arm"] for arm in arms],
        y_form="seconds",
    )


def _s(arm: JSON, name: str) -> str:
    value = arm["latency_s"][name]
    return "-" if value is None else f"{value:.1f} s"


def in_time_chart(arms: Sequence[JSON]) -> Chart | None:
    told = {arm["arm"]: arm["slo_attainment"] for arm in arms if arm.get("slo_attainment") is not None}
    if not told:
        return None
    return Chart(
        "In time",
        "bar",
        [Series("in time", [told.get(arm["arm"]) for arm in arms])],
        "; ".join(f"{name}: {percent(share)}" for name, share in told.items()),
        "arm",
        "share of programs",
        labels=[arm["arm"] for arm in arms],
        y_form="percent",
    )


def token_chart(arms: Sequence[JSON]) -> Chart:
    kinds = [kind for kind in ("main", "probe", "score", "cancelled") if any(arm["tokens"].get(kind) for arm in arms)]
    count = {arm["arm"]: max(1, arm["programs"]) for arm in arms}
    return Chart(
        "Tokens by kind",
        "bar",
        [Series(kind, [arm["tokens"].get(kind, 0) / count[arm["arm"]] for arm in arms]) for kind in kinds],
        "; ".join(f"{arm['arm']}: {_tokens(arm) or 0:,.0f} tokens a program" for arm in arms),
        "arm",
        "tokens a program",
        labels=[arm["arm"] for arm in arms],
        y_form="count",
        is_stacked=True,
    )


def stop_reason_chart(arms: Sequence[JSON]) -> Chart:
    reasons = sorted({reason for arm in arms for reason in arm["stop_reasons"]})
    return Chart(
        "Why programs stopped",
        "bar",
        [
            Series(reason, [arm["stop_reasons"].get(reason, 0) / max(1, arm["programs"]) for arm in arms])
            for reason in reasons
        ],
        "; ".join(
            f"{arm['arm']}: " + ", ".join(f"{reason} {count}" for reason, count in arm["stop_reasons"].items())
            for arm in arms
        ),
        "arm",
        "share of programs",
        labels=[arm["arm"] for arm in arms],
        y_form="percent",
        is_stacked=True,
    )


def replica_table(arms: Sequence[JSON]) -> Table | None:
    rows = [
        [
            arm["arm"],
            name,
            used["busy_share"],
            used["mean_running"],
            used["most_running"],
            used["prefix_hit_share"],
            used["preemptions"],
        ]
        for arm in arms
        for name, used in arm.get("replicas", {}).items()
    ]
    if not rows:
        return None
    columns = [
        Column("arm"),
        Column("replica"),
        Column("busy", "percent"),
        Column("requests at once, mean", "number"),
        Column("most", "count"),
        Column("prompt tokens from cache", "percent"),
        Column("preemptions", "count"),
    ]
    return Table("Replicas", columns, rows)


def stream_parts(arms: Sequence[JSON]) -> list[Part]:
    """A table for each stream, where there are several."""
    names = dict.fromkeys(name for arm in arms for name in arm.get("streams", {}))
    return [
        arms_table(
            f"Of these, {name}",
            [{"arm": arm["arm"], **arm["streams"][name]} for arm in arms if name in arm["streams"]],
        )
        for name in names
    ]
