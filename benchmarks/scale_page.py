"""The section of docs/results.md on the study at scale, made of its stored result and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.result_pages import ARM_NAMES, accuracy_against_rate, percent, spread, where
from benchmarks.scale_scenarios import CUMULATIVE, ONE_OFF, SPENDING
from dynasor.vocabulary import JSON

RIVALS = ("engine", "gang", "paper")
NAMES: Mapping[str, str] = {**ARM_NAMES, "engine": "the engines alone", "affinity off": "limit, gang, sjf, stopping"}


def scale(result: JSON) -> Iterator[str]:
    """The section."""
    sites: Mapping[str, JSON] = result["scenarios"]
    yield "## What it would gain at scale, by simulation"
    yield ""
    yield (
        "The production runtime on a virtual clock, with simulated engines; the same search for knees, deadlines and "
        "ratios as above ([how](benchmarks.md#at-scale-by-simulation)). Nothing in this section was measured on a GPU."
    )
    yield ""
    yield fidelity_in_words(result.get("fidelity"))
    yield ""
    yield (
        f"{result['programs']:,} programs in {result['cells']} cells, seed {result['settings']['seed']}, "
        f"{result['processor_s']:.0f} s of one core. {where(result)} The machine matters only to what our own layer "
        "takes."
    )
    if result["left_out"]:
        yield ""
        yield f"Left out for want of time: {'; '.join(result['left_out'])}."
    partial = [name for name, found in sites.items() if len(found["served"]) < len(found["arms"])]
    if partial:
        yield ""
        yield f"Begun, and ended by the time budget: {'; '.join(partial)}."
    yield ""
    yield from what_was_simulated(sites)
    yield ""
    yield from ratios(sites)
    long_ones = [name for name, found in sites.items() if found["knee_of"] and found["share"] == 1.0]
    if long_ones:
        yield ""
        yield (
            f"In {'; '.join(long_ones)}, programs come at the knee that the engines alone have in a short window. They "
            "do not bear it for so long and fall behind, which is what the ratio of SLO scales shows there; it is no "
            "gain at a rate that both bear."
        )
    yield ""
    yield (
        "Windows are short here too, and knees those of such windows: what was said above of rates that are not borne "
        "for ever holds here."
    )
    if any(kind["program"] == "chain-of-thought" and "paper_settings" not in kind for kind in all_kinds(sites)):
        yield ""
        yield (
            "Chains under the paper's rule were measured at the pace of three probes, not at that of its authors' "
            "servers."
        )
    yield ""
    yield "![Rate ratios to the engines alone](figures/scale-ratios.svg)"
    if any(found["group"] == SPENDING for found in sites.values()):
        yield ""
        yield from spending_less(sites)
    for name, found in sites.items():
        if any(arm in found["served"] for arm in ONE_OFF):
            yield ""
            yield from switched_off(name, found)
            yield ""
            yield from added(name, found)
    if result["cost"]:
        yield ""
        yield from cost(result["cost"])
    yield ""
    yield f"`{result['command']}`"


def fidelity_of(results: Path) -> JSON | None:
    """How close the simulator came to a real engine, as far as that was measured."""
    path = results / "fidelity.json"
    if not path.exists():
        return None
    found: JSON = orjson.loads(path.read_bytes())
    return found


def fidelity_in_words(found: JSON | None) -> str:
    """How far to trust it."""
    if found is None:
        return (
            "How close the simulator comes to a real engine is not measured yet. Engines are rooflines: upper bounds "
            "of real ones, so rates are too high; by how much ratios between arms are off is not known."
        )
    return (
        f"With a profile fitted to vLLM on a CPU, the simulator was off by {percent(found['largest_deviation'])} at "
        f"most (see above). The engines here are rooflines, fitted to nothing: upper bounds of real ones, so rates are "
        "too high; by how much ratios between arms are off is not known."
    )


def what_was_simulated(sites: Mapping[str, JSON]) -> Iterator[str]:
    """Programs and where their answers come from, each once."""
    yield "| program | cap | base deadline, times what it takes alone | answers | recorded | completions |"
    yield "|---|---|---|---|---|---|"
    rows = dict.fromkeys(
        f"| {kind['program']} | {kind['cap']} | {kind['deadline_factor']:g} | {kind['questions']} "
        f"| {'yes' if kind['is_recorded'] else 'no'} "
        f"| {kind['completions']} |"
        for kind in all_kinds(sites)
    )
    yield from rows


def all_kinds(sites: Mapping[str, JSON]) -> Iterator[JSON]:
    """Of programs, in all scenarios."""
    return (kind for found in sites.values() for kind in found["kinds"])


def ratios(sites: Mapping[str, JSON]) -> Iterator[str]:
    """Each scenario against the other arms."""
    rivals = [
        rival for rival in RIVALS if any(rival in found["rate_ratio"] | found["slo_ratio"] for found in sites.values())
    ]
    heads = [f"{what} against {NAMES[rival]}" for rival in rivals for what in ("rate", "SLO")]
    yield (
        f"| Dynasor, times as high a rate/tight an SLO | replicas | {' | '.join(heads)} | accuracy, points against the "
        "cap | samples a program |"
    )
    yield "|---" * (4 + len(heads)) + "|"
    for name, found in sites.items():
        cells = [spread(found[ratio].get(rival)) for rival in rivals for ratio in ("rate_ratio", "slo_ratio")]
        yield f"| {name} | {found['replicas']} | {' | '.join(cells)} | {accuracy(found)} | {samples(found)} |"


def accuracy(found: JSON) -> str:
    """Of ours against the baseline's, as far as both were measured."""
    ours = found["served"].get("dynasor")
    difference = None if ours is None else ours["accuracy_difference"]
    if difference is None:
        return "-"
    low, high = difference["interval"]
    return f"{100 * difference['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def samples(found: JSON) -> str:
    """Of the baseline and of ours."""
    served = found["served"]
    if "dynasor" not in served or "engine" not in served:
        return "-"
    return f"{served['engine']['samples_per_program']:.1f}, ours {served['dynasor']['samples_per_program']:.1f}"


def spending_less(sites: Mapping[str, JSON]) -> Iterator[str]:
    """Accuracy against the rate at which 90 % are in time."""
    shown = of_spending(sites)
    yield (
        "What accuracy costs in rate: the knee, where 90 % are in time by the deadlines of the full cap, and the "
        "accuracy over questions, for self-consistency that spends less on everybody (a lower cap) or where it matters "
        "least (*agreement 0.9* stops once the answer would change in one of ten cases)."
    )
    yield ""
    yield from accuracy_against_rate({name: found["served"] for name, found in shown.items()}, NAMES)
    yield ""
    yield "![Accuracy against rate](figures/scale-accuracy.svg)"


def of_spending(sites: Mapping[str, JSON]) -> dict[str, JSON]:
    """The scenarios that spend less, after the one that they spend less than."""
    less = {name: found for name, found in sites.items() if found["group"] == SPENDING}
    full = {name: sites[name] for found in less.values() if (name := found["deadlines_of"]) in sites}
    return full | less


def switched_off(name: str, found: JSON) -> Iterator[str]:
    """What is lost without one thing."""
    yield f"Where gains come from ({name}): Dynasor without one thing, and how many times as good it is with it."
    yield ""
    yield "| without | knee, programs/s | rate with it | SLO with it |"
    yield "|---|---|---|---|"
    for arm in ("dynasor", *ONE_OFF):
        if arm not in found["served"]:
            continue
        without = "(all of it)" if arm == "dynasor" else arm.removesuffix(" off")
        cells = [spread(found[ratio].get(arm)) for ratio in ("rate_ratio", "slo_ratio")]
        yield f"| {without} | {spread(found['served'][arm]['knee'])} | {' | '.join(cells)} |"


def added(name: str, found: JSON) -> Iterator[str]:
    """One thing after the other."""
    yield f"And one thing added after the other, from the engines alone on ({name})."
    yield ""
    yield "| | knee, programs/s | times that of the engines alone |"
    yield "|---|---|---|"
    known = [arm for arm in CUMULATIVE if arm in found["served"]]
    base = found["served"][known[0]]["knee"]["mean"]
    for arm in known:
        knee = found["served"][arm]["knee"]
        label = {"engine": NAMES["engine"], "dynasor": "limit, gang, sjf, stopping, affinity"}.get(
            arm, NAMES.get(arm, arm)
        )
        yield f"| {label} | {spread(knee)} | {knee['mean'] / base:.2f} |"


def cost(rows: Sequence[JSON]) -> Iterator[str]:
    """How our own layer grows."""
    yield (
        "What our own layer takes, all programs there at once (self-consistency of at most 8 samples, engines that "
        "cost nothing; what the same requests take without us is taken off the microseconds). Wall-clock includes it, "
        "and whatever else the machine did."
    )
    yield ""
    yield (
        "| replicas | programs at once | requests | microseconds of processor a request | wall-clock microseconds a "
        "request | KiB a program | peak MiB |"
    )
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        size = row["size"]
        yield (
            f"| {size['num_replicas']} | {size['num_programs']:,} | {row['requests']:,} "
            f"| {row['microseconds_a_request']:.0f} | {row['wall_microseconds_a_request']:.0f} "
            f"| {row['kibibytes_a_program']:.1f} | {row['peak_mebibytes']:.0f} |"
        )
