"""The section of docs/results.md on the online benchmark, made of its stored result and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.online_targets import against_targets, program_of
from benchmarks.result_pages import (
    ARM_NAMES,
    accuracy_against_rate,
    interval_of,
    machine_of,
    percent,
    spread,
    versions_of,
)
from dynasor.scheduling import PRESETS
from dynasor.vocabulary import JSON


def online(result: JSON) -> Iterator[str]:
    """The section on the online benchmark."""
    full = at_own_deadlines(result)
    yield "## Programs in time, on a real engine"
    yield ""
    yield (
        "How many programs a second each way of serving bears with 90 % of them in time, and how tight deadlines may "
        "be; what is measured and how is in [benchmarks](benchmarks.md). All arms run in turns on one engine, with the "
        "same questions, gaps and seeds in a repetition. Ratios are taken within a repetition: mean, and in brackets "
        "the lowest and the highest."
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
        "The *rate borne* is the knee, but no more than the programs a second that the arm was seen to answer in any "
        "cell, from the first arrival to the last answer. In the tables below, the load is the tokens that programs at "
        "the knee ask for, over what the engine sustains with the fixed cap. Where it is well above 1 the arm would "
        "not bear its knee for ever: the window was too short for its overload to show, and the ratio of rates is too "
        "large. Then the rate borne is what to go by."
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
    """The workloads but those at a lower cap with the deadlines of the full one, which show what accuracy costs."""
    runs = result["runs"]
    return {name: found for name, found in result["workloads"].items() if not is_lower_cap(runs[name])}


def is_lower_cap(run: JSON) -> bool:
    return bool(run["settings"].get("deadline_s"))


def spending(result: JSON) -> dict[str, dict[str, Mapping[str, JSON]]]:
    """By program that was measured at several caps with the same deadlines: what was served, by cap and arm."""
    found: dict[str, dict[str, Mapping[str, JSON]]] = {}
    for name, workload in result["workloads"].items():
        if is_lower_cap(run := result["runs"][name]):
            program = program_of(name)
            full = {"full cap": result["workloads"][program]["arms"]} if program in result["workloads"] else {}
            cap = run["settings"]["workloads"][program]["cap"]
            found.setdefault(program, full)[f"cap {cap}"] = workload["arms"]
    return found


def what_accuracy_costs(program: str, rows: Mapping[str, Mapping[str, JSON]]) -> Iterator[str]:
    """Accuracy against the rate at which 90 % are in time."""
    yield f"### What accuracy costs in rate: {program}"
    yield ""
    yield (
        "The knee, where 90 % are in time by the deadlines of the full cap, and the accuracy over questions, at the "
        "full cap and at lower ones."
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
    if is_lower_cap(run):
        deadline = f"that of the full cap, {base_s:.2f} s"
    yield (
        f"On {machine_of(run)}. Alone on the engine a program takes {alone_s:.2f} s at its cap; the base deadline is "
        f"{deadline}. Programs come for {windows} s in "
        f"each cell. {repetitions}. {len(settings['questions'])} questions, by {settings['trials']} trial runs "
        f"{difficulties}. {run['sustained']['concurrency']} requests at once in the arms that limit them."
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
        "tightest SLO scale at the engine's knee",
        "accuracy, over questions (95 %)",
        "against the engine alone, points",
        "tokens a program",
        "there: tokens/s",
        "there: fairness, ms/token (P90)",
        "CPU of our process",
        "sent late",
    )
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for arm, measured in found["arms"].items():
        yield f"| {' | '.join(arm_cells(arm, measured, run['sustained']['tokens_per_s']))} |"
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
    yield f"`{run['command']}`"


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
    levels = list(dict.fromkeys(level for arm in arms.values() for level in arm["by_difficulty"]))
    yield (
        "Where tokens go, by the deadline's factor (1: all trials were right, 3: none was): tokens a program, and the "
        "share of all tokens of the arm; then how many programs were right."
    )
    yield ""
    yield f"| arm | {' | '.join(f'factor {level}' for level in levels)} |"
    yield "|---" * (1 + len(levels)) + "|"
    for name, arm in arms.items():
        shares = token_shares(arm)
        cells = [
            f"{row['tokens_per_program']:.0f}, {percent(shares[level], 0)}; {percent(row['right'], 0)} right"
            if (row := arm["by_difficulty"].get(level))
            else "-"
            for level in levels
        ]
        yield f"| {ARM_NAMES.get(name, name)} | {' | '.join(cells)} |"
    yield ""
    yield from where_time_goes(arms, levels)
    ours, engine, ratio = arms.get("dynasor"), arms["engine"], found["rate_ratio"].get("engine")
    if ours is not None and ratio is not None:
        fewer = engine["tokens_per_program"] / ours["tokens_per_program"]
        yield ""
        yield (
            f"Dynasor's programs take {fewer:.2f} times fewer tokens than those of the engine alone; of that, and of "
            f"the order in which they go, come {spread(ratio)} times the rate."
        )


def where_time_goes(arms: Mapping[str, JSON], levels: Sequence[str]) -> Iterator[str]:
    """How much of their deadlines programs take, by their difficulty: what a tighter scale would have to shorten."""
    yield (
        "And where time goes, at the knee of the engine alone: the part of its deadline that a program takes, median "
        "and 90th percentile, in brackets how many programs. The tightest scale is the 90th percentile of all together."
    )
    yield ""
    yield f"| arm | {' | '.join(f'factor {level}' for level in levels)} |"
    yield "|---" * (1 + len(levels)) + "|"
    for name, arm in arms.items():
        if (service := arm["at_baseline_knee"]) is None:
            continue
        rows = service["slowness_by_difficulty"]
        cells = [
            f"{row['median']:.2f}, {row['p90']:.2f} ({row['programs']})" if (row := rows.get(level)) else "-"
            for level in levels
        ]
        yield f"| {ARM_NAMES.get(name, name)} | {' | '.join(cells)} |"


def token_shares(arm: JSON) -> dict[str, float]:
    """By difficulty, of all tokens of the arm."""
    tokens = {level: row["programs"] * row["tokens_per_program"] for level, row in arm["by_difficulty"].items()}
    return {level: count / sum(tokens.values()) for level, count in tokens.items()}


def arm_cells(arm: str, measured: JSON, sustained: float) -> list[str]:
    service, difference = measured["at_baseline_knee"], measured["accuracy_difference"]
    fairness = "-"
    if service is not None and service["fairness_mean_ms_per_token"] is not None:
        fairness = f"{service['fairness_mean_ms_per_token']:.1f} ({service['fairness_p90_ms_per_token']:.1f})"
    points = "-"
    if difference is not None:
        low, high = difference["interval"]
        points = f"{100 * difference['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return [
        ARM_NAMES.get(arm, arm),
        spread(measured["knee"]),
        f"{measured['knee']['mean'] * measured['tokens_per_program'] / sustained:.2f}",
        spread(measured["scale_at_baseline_knee"]),
        interval_of(measured["accuracy"]),
        points,
        f"{measured['tokens_per_program']:.0f}",
        "-" if service is None else f"{service['tokens_per_s']:.0f}",
        fairness,
        percent(measured["cpu_share"], 0),
        f"{measured['sent_late']} of {measured['programs']}, {1000 * measured['latest_send_s']:.0f} ms at most",
    ]
