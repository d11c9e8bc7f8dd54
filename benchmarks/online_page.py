"""The section of docs/results.md on the online benchmark, made of its stored result and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.online_reports import program_of
from benchmarks.result_pages import (
    ARM_NAMES,
    accuracy_against_rate,
    interval_of,
    machine_of,
    percent,
    spread,
    versions_of,
)
from benchmarks.targets import against_targets
from dynasor.bench.workloads import WORKLOADS
from dynasor.scheduling import PRESETS
from dynasor.vocabulary import JSON


def online(result: JSON) -> Iterator[str]:
    """The section on the online benchmark."""
    full = at_own_deadlines(result)
    yield "## Programs in time, on a real engine"
    yield ""
    yield (
        "How many programs a second each way of serving bears with 90 % of them in time, and how tight deadlines may "
        "be; what is measured and how is in [benchmarks](benchmarks.md). All arms run in turns on one engine. In a "
        "repetition they get the same programs in the same order, an arm at a lower rate fewer of them. Ratios are "
        "taken within a repetition: mean, and in brackets the lowest and the highest."
    )
    yield ""
    yield (
        f"The engine ({result['engine']['kind']}, model {result['engine']['model']}, `{result['engine_options']}`), "
        f"the load and our layer share the cores that each part names. Our process took "
        f"{result['peak_memory_mib']:.0f} MiB at its peak. {versions_of(result)}."
    )
    if not result["is_complete"]:
        yield ""
        yield "The run was ended by its time budget; what is missing is missing in the tables."
    yield ""
    yield from headline(full)
    yield ""
    yield from against_targets(full)
    yield ""
    yield (
        "The *rate borne* is the knee, but no more programs a second than the engine could write the tokens of, at "
        "the most tokens a second that it was seen to write in the run. The load, in the tables below, is the tokens "
        "that programs at the knee ask for, over that. Where it is above 1 the arm would not bear its knee for ever: "
        "the window was too short for its overload to show, and the rate borne is what to go by. Where a cell had "
        "few programs, its 90th percentile is known badly, and an arm with a low rate was asked fewer questions."
    )
    yield ""
    yield "Why rates rise less than tokens fall, and what would bring more, is [here](benchmarks.md#online)."
    for program, rows in spending(result).items():
        yield ""
        yield from what_accuracy_costs(program, rows)
    for name, found in result["workloads"].items():
        yield ""
        yield from online_workload(name, found, result["runs"][name])


def at_own_deadlines(result: JSON) -> dict[str, JSON]:
    """The workloads but those that only show what accuracy costs."""
    return {name: found for name, found in result["workloads"].items() if not is_for_comparing_caps(name, result)}


def is_for_comparing_caps(name: str, result: JSON) -> bool:
    """It has the deadlines of the program at its own cap, or is the program at its own cap measured beside such."""
    program, settings = program_of(name), result["runs"][name]["settings"]
    if name == program:
        return False
    is_at_own_cap = program in WORKLOADS and settings["workloads"][program]["cap"] == WORKLOADS[program].cap
    return is_at_own_cap or bool(settings.get("deadline_s"))


def spending(result: JSON) -> dict[str, dict[str, Mapping[str, JSON]]]:
    """By program that was measured at several caps with the same deadlines: what was served, by cap and arm, the
    largest cap first."""
    found: dict[str, dict[int, Mapping[str, JSON]]] = {}
    for name, workload in result["workloads"].items():
        if is_for_comparing_caps(name, result):
            program = program_of(name)
            cap = result["runs"][name]["settings"]["workloads"][program]["cap"]
            found.setdefault(program, {})[cap] = workload["arms"]
    return {program: {f"cap {cap}": rows[cap] for cap in sorted(rows, reverse=True)} for program, rows in found.items()}


def what_accuracy_costs(program: str, rows: Mapping[str, Mapping[str, JSON]]) -> Iterator[str]:
    """Accuracy against the rate at which 90 % are in time."""
    yield f"### What accuracy costs in rate: {program}"
    yield ""
    yield (
        "The knee, where 90 % are in time by the deadlines of the full cap, and the accuracy over questions, at the "
        "full cap and at lower ones, measured one after the other on one machine. Arms at low rates were asked fewer "
        "questions, which the intervals know."
    )
    yield ""
    yield from accuracy_against_rate(rows, ARM_NAMES)
    yield ""
    yield f"![Accuracy against rate](figures/online-accuracy-{program}.svg)"


RATIOS = ("rate_ratio", "borne_ratio", "slo_ratio")


def headline(workloads: Mapping[str, JSON]) -> Iterator[str]:
    rivals = list(dict.fromkeys(rival for found in workloads.values() for rival in found["rate_ratio"]))
    heads = [
        f"{what} against {ARM_NAMES.get(rival, rival)}" for rival in rivals for what in ("rate", "rate borne", "SLO")
    ]
    yield f"| Dynasor, times as {'/'.join(('high a rate', 'tight an SLO'))} | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    for name, found in workloads.items():
        cells = [spread(found[ratio].get(rival)) for rival in rivals for ratio in RATIOS]
        yield f"| {name} | {' | '.join(cells)} |"


def online_workload(name: str, found: JSON, run: JSON) -> Iterator[str]:
    settings, (alone_s,) = run["settings"], run["alone_s"].values()
    yield f"### {name}"
    yield ""
    repetitions = f"{found['repetitions']} repetition" + ("s" if found["repetitions"] != 1 else "")
    difficulties = ", ".join(f"{count} of factor {level}" for level, count in run["difficulties"].items())
    base_s, windows = found["base_deadline_s"], " or ".join(f"{each:.0f}" for each in found["window_s"])
    deadline = f"{base_s / alone_s:.3g} times that, {base_s:.2f} s"
    if settings.get("deadline_s"):
        deadline = f"given, {base_s:.2f} s"
    yield (
        f"On {machine_of(run)}. Alone on the engine a program takes {alone_s:.2f} s at its cap; the base deadline is "
        f"{deadline}. Programs come for {windows} s in "
        f"each cell. {repetitions}. {len(settings['questions'])} questions, by {settings['trials']} trial runs "
        f"{difficulties}. {run['sustained']['concurrency']} requests at once in the arms that limit them"
        f"{' (given)' if settings.get('concurrency') else ''}."
    )
    remarks = [remark for remark in (run["conditions"], on_the_papers_look(found, settings)) if remark]
    if remarks:
        yield ""
        yield " ".join(remarks)
    yield ""
    heads = (
        "arm",
        "knee, programs/s",
        "load there",
        "programs a cell",
        "tightest SLO scale at the engine's knee",
        "accuracy, over questions (95 %)",
        "against the engine alone, points; questions that both were asked",
        "tokens a program",
        "there: tokens/s",
        "there: fairness, ms/token (P90)",
        "CPU of our process",
        "sent late",
    )
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for arm, measured in found["arms"].items():
        yield f"| {' | '.join(arm_cells(arm, measured, found['most_tokens_per_s']))} |"
    yield ""
    yield from where_tokens_go(found)
    yield ""
    yield f"![Attainment against rate](figures/online-{name}.svg)"
    by_scale = found["rate_ratio_by_scale"].get("engine") or {}
    if len(by_scale) > 1:
        yield ""
        ratios = "; ".join(f"{scale}: {spread(ratio)}" for scale, ratio in by_scale.items())
        yield f"With tighter or looser deadlines, the rate ratio against the engine alone by SLO scale: {ratios}."
    yield ""
    yield f"`{run.get('started_by') or run['command']}`"


def on_the_papers_look(found: JSON, settings: JSON) -> str:
    """That the paper's rule stops nothing, where the cap leaves it nothing to stop."""
    ((program, workload),) = settings["workloads"].items()
    if "paper" not in found["arms"] or workload["paper"] not in PRESETS:
        return ""
    looks_at = PRESETS[workload["paper"]].allocator.detect_at
    if looks_at < workload["cap"]:
        return ""
    return (
        f"The paper's rule for {program} looks for the first time when {looks_at} units of its knob have ended, so at "
        "this cap it stops nothing."
    )


def where_tokens_go(found: JSON) -> Iterator[str]:
    """What each arm spends on easy and hard questions, and what of it comes back as rate."""
    arms = found["arms"]
    yield (
        "Where tokens go, by the deadline's factor (1: all trials were right, 3: none was): tokens a program, and the "
        "share of all tokens of the arm; then how many programs were right."
    )
    yield ""
    yield from by_difficulty({name: tokens_spent(arm) for name, arm in arms.items()})
    yield ""
    yield from where_time_goes(arms)
    ours, ratio, borne = arms.get("dynasor"), found["rate_ratio"].get("engine"), found["borne_ratio"].get("engine")
    if ours is not None and ours["tokens_of_baseline"] is not None and ratio is not None:
        yield ""
        yield (
            f"On questions that both were asked, programs of the engine alone take {ours['tokens_of_baseline']:.2f} "
            f"times the tokens of Dynasor's. Its rate is {spread(ratio)} times as high, the rate borne {spread(borne)} "
            "times."
        )


def where_time_goes(arms: Mapping[str, JSON]) -> Iterator[str]:
    """How much of their deadlines programs take, by their difficulty: what a tighter scale would have to shorten."""
    yield (
        "And where time goes, at the knee of the engine alone: the part of its deadline that a program takes, median "
        "and 90th percentile, in brackets how many programs. Where the 90th percentiles are high, a tighter scale "
        "would have to shorten."
    )
    yield ""
    services = {name: arm["at_baseline_knee"] for name, arm in arms.items() if arm["at_baseline_knee"] is not None}
    yield from by_difficulty({name: time_taken(service) for name, service in services.items()})


def by_difficulty(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """A table with a row for each arm, and what it says of each factor."""
    levels = list(dict.fromkeys(level for cells in rows.values() for level in cells))
    yield f"| arm | {' | '.join(f'factor {level}' for level in levels)} |"
    yield "|---" * (1 + len(levels)) + "|"
    for name, cells in rows.items():
        yield f"| {ARM_NAMES.get(name, name)} | {' | '.join(cells.get(level, '-') for level in levels)} |"


def tokens_spent(arm: JSON) -> dict[str, str]:
    shares = token_shares(arm)
    return {
        level: f"{row['tokens_per_program']:.0f}, {percent(shares[level], 0)}; {percent(row['right'], 0)} right"
        for level, row in arm["by_difficulty"].items()
    }


def time_taken(service: JSON) -> dict[str, str]:
    return {
        level: f"{part(row['median'])}, {part(row['p90'])} ({row['programs']})"
        for level, row in service["slowness_by_difficulty"].items()
    }


def part(slowness: float | None) -> str:
    return "never" if slowness is None else f"{slowness:.2f}"


def token_shares(arm: JSON) -> dict[str, float]:
    """By difficulty, of all tokens of the arm."""
    tokens = {level: row["programs"] * row["tokens_per_program"] for level, row in arm["by_difficulty"].items()}
    return {level: count / sum(tokens.values()) for level, count in tokens.items()}


def arm_cells(arm: str, measured: JSON, most_tokens_per_s: float) -> list[str]:
    programs = [cell["programs"] for cell in measured["cells"]]
    service, difference = measured["at_baseline_knee"], measured["accuracy_difference"]
    fairness = "-"
    if service is not None and service["fairness_mean_ms_per_token"] is not None:
        fairness = f"{service['fairness_mean_ms_per_token']:.1f} ({service['fairness_p90_ms_per_token']:.1f})"
    points = "-"
    if difference is not None:
        low, high = difference["interval"]
        points = (
            f"{100 * difference['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]; {difference['questions']}: "
            f"{percent(difference['accuracy'])} of {percent(difference['baseline_accuracy'])}"
        )
    return [
        ARM_NAMES.get(arm, arm),
        spread(measured["knee"]),
        f"{measured['knee']['mean'] * measured['tokens_per_program'] / most_tokens_per_s:.2f}",
        f"{min(programs)} to {max(programs)}",
        spread(measured["scale_at_baseline_knee"]),
        interval_of(measured["accuracy"]),
        points,
        f"{measured['tokens_per_program']:.0f}",
        "-" if service is None else f"{service['tokens_per_s']:.0f}",
        fairness,
        percent(measured["cpu_share"], 0),
        f"{measured['sent_late']} of {measured['programs']}, {1000 * measured['latest_send_s']:.0f} ms at most",
    ]
