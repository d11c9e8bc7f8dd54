"""What was asked of the benchmarks, held against what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.online_reports import program_of
from benchmarks.result_pages import bound_mark, percent, spread
from dynasor.vocabulary import JSON

BEST_RATE, BEST_SLO = 3.3, 4.7
"""The paper's headline, asked of the best workload."""
EVERY_RATE, EVERY_SLO, MOST_LOST = 2.0, 2.5, 0.01
"""Asked of every workload that samples; and how much less accurate than the fixed cap it may be."""
SAMPLING = ("self-consistency", "rebase", "mcts")
EVERY = (*SAMPLING, "chain-of-thought")
"""The workloads of the benchmark; what is asked of all of them is open while one is missing."""


def against_targets(workloads: Mapping[str, JSON]) -> Iterator[str]:
    """What was asked of the benchmark, what came out, and whether that is enough."""
    yield "| asked | found | |"
    yield "|---|---|---|"
    for what, best, every in (("rate", BEST_RATE, EVERY_RATE), ("SLO", BEST_SLO, EVERY_SLO)):
        ratio = f"{what.lower()}_ratio"
        yield on_one(f"{best} times the engine alone in {what}, on one workload", workloads, ratio, best)
        asked = f"{every} times the engine alone in {what}, on every workload that samples"
        yield on_every(asked, workloads, SAMPLING, (ratio, "engine"), every)
        asked = f"ahead of the paper's system in {what}, on every workload"
        yield on_every(asked, workloads, EVERY, (ratio, "paper"), 1.0)
    asked = f"{BEST_RATE} times the engine alone in rate borne, on one workload"
    yield on_one(asked, workloads, "borne_ratio", BEST_RATE)
    asked = f"{EVERY_RATE} times the engine alone in rate borne, on every workload that samples"
    yield on_every(asked, workloads, SAMPLING, ("borne_ratio", "engine"), EVERY_RATE)
    yield no_less_accurate(workloads)


def on_one(asked: str, workloads: Mapping[str, JSON], ratio: str, least: float) -> str:
    found = known_ratios(workloads, ratio, "engine")
    if not found:
        return row(asked, "-", None)
    surely = [name for name, each in found.items() if is_kept(each, least)]
    name = max(surely or found, key=lambda each: float(found[each]["mean"]))
    return row(asked, f"{spread(found[name])}, {name}", is_kept(found[name], least))


def on_every(
    asked: str, workloads: Mapping[str, JSON], names: Sequence[str], ratio_to: tuple[str, str], least: float
) -> str:
    """Missed as soon as one workload misses it; open while others are missing."""
    found = {name: each for name, each in known_ratios(workloads, *ratio_to).items() if program_of(name) in names}
    if not found:
        return row(asked, "-", None)
    name = min(found, key=lambda each: float(found[each]["mean"]))
    verdicts = [is_kept(each, least) for each in found.values()]
    verdict = False if False in verdicts else None if None in verdicts or not set(names) <= set(found) else True
    return row(asked, f"{spread(found[name])} at worst, {name}", verdict)


def no_less_accurate(workloads: Mapping[str, JSON]) -> str:
    """By the mean; the interval stands beside."""
    asked = f"at most {100 * MOST_LOST:g} point less accurate than the fixed cap, on every workload"
    lost = {
        name: difference
        for name, found in workloads.items()
        if (difference := found["arms"].get("dynasor", {}).get("accuracy_difference")) is not None
    }
    if not lost:
        return row(asked, "-", None)
    name = min(lost, key=lambda each: float(lost[each]["mean"]))
    mean, (low, high) = lost[name]["mean"], lost[name]["interval"]
    words = f"{100 * mean:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] at worst, {name}"
    verdict = mean >= -MOST_LOST
    return row(asked, words, None if verdict and not set(EVERY) <= set(lost) else verdict)


def known_ratios(workloads: Mapping[str, JSON], ratio: str, rival: str) -> dict[str, JSON]:
    """By workload, as far as it was measured."""
    return {name: each for name, found in workloads.items() if (each := found[ratio].get(rival)) is not None}


def is_kept(ratio: JSON, least: float) -> bool | None:
    """None where a bound does not tell."""
    mark, is_enough = bound_mark(ratio.get("bounds", ())), ratio["mean"] >= least
    tells = {"": True, "≥ ": is_enough, "≤ ": not is_enough, "? ": False}
    return is_enough if tells[mark] else None


def row(asked: str, found: str, verdict: bool | None) -> str:
    words = {True: "kept", False: "**missed**", None: "open"}
    return f"| {asked} | {found} | {words[verdict]} |"


SAVED = 0.5
"""Asked of the batch benchmark: the part of the tokens saved at equal accuracy, on these programs."""
SAVED_ON = ("self-consistency", "rebase")


def saved_at_equal_accuracy(workloads: Mapping[str, JSON]) -> Iterator[str]:
    """Open where the mean is enough and the interval does not tell."""
    yield "| asked | found | |"
    yield "|---|---|---|"
    for program in SAVED_ON:
        asked = f"{100 * SAVED:g} % fewer tokens at equal accuracy, on {program}"
        equal = ours_at_equal_accuracy(workloads.get(program))
        if equal is None:
            yield row(asked, "-", None)
            continue
        low, high = equal["saved_interval"]
        against = "no even split is as accurate; against the largest" if equal["cap"] is None else f"cap {equal['cap']}"
        found = f"{against}: {percent(equal['saved'])} [{percent(low)}, {percent(high)}]"
        verdict = True if low >= SAVED else False if equal["saved"] < SAVED else None
        yield row(asked, found, verdict)


def ours_at_equal_accuracy(found: JSON | None) -> JSON | None:
    """Of what we ship at the full cap: by the profile, else by the default."""
    rules = {} if found is None else {each["rule"]: each for each in at_full_cap(found)}
    ours: JSON | None = rules.get("profile") or rules.get("agreement")
    return None if ours is None else ours["at_equal_accuracy"]


def at_full_cap(found: JSON) -> list[JSON]:
    return [each for each in found["rules"] if each["cap"] == found["cap"] and not each["is_replayed"]]
