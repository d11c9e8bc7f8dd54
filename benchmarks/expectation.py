"""Does what is expected of a program rank programs by what they then take?

``python -m benchmarks.expectation --traces FOLDER`` replays recorded samples of real models under the agreement rule.
After every sample at which a program goes on, it compares the units expected to remain with those it then took: by
Spearman's rank correlation, over all such moments and over the programs after the same number of samples, and by their
means. Beside it stand what allocators without an estimate of their own get (what is left times 1 - certaindex), and the
exact mean over all ways in which the votes may go on. Writes a JSON file and prints the table of docs/policies.md.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from benchmarks.stop_rules import CAPS
from dynasor.certainty import AGREEMENT
from dynasor.certainty.agreement import UNIFORM, leader_stays
from dynasor.replay import Trace, read_trace
from dynasor.replay.replay import replay, standings
from dynasor.scheduling import Agreement, expected_units
from dynasor.scheduling.expectation import open_share
from dynasor.vocabulary import JSON, Certaindex, Spending, VoteCounts

RULE = Agreement()
LOOKS_AT = (2, 4, 6)


@dataclass(frozen=True, slots=True)
class Moment:
    """A program that goes on, and the units that it then took."""

    spending: Spending
    certaindex: Certaindex
    remaining: int


def exact_units(spending: Spending, certaindex: Certaindex) -> float:
    """Mean number of samples until the rule stops, if samples follow its posterior."""
    votes = certaindex.votes or VoteCounts()
    rest = votes.total - votes.leader - votes.runner_up
    return mean_to_stop(votes.leader, votes.runner_up, rest, spending.cap - votes.total)


@cache
def mean_to_stop(leader: int, runner_up: int, rest: int, left: int) -> float:
    if not left or (leader and leader_stays(leader, runner_up, rest, left) >= 1 - RULE.max_change):
        return 0.0
    weights = (leader + UNIFORM[0], runner_up + UNIFORM[1], rest + UNIFORM[2])
    behind, ahead = sorted((leader, runner_up + 1))
    after = (
        mean_to_stop(leader + 1, runner_up, rest, left - 1),
        mean_to_stop(ahead, behind, rest, left - 1),
        mean_to_stop(leader, runner_up, rest + 1, left - 1),
    )
    return 1.0 + sum(weight * mean for weight, mean in zip(weights, after, strict=True)) / sum(weights)


ESTIMATES: Mapping[str, Callable[[Spending, Certaindex], float]] = {
    "ours": lambda spending, certaindex: expected_units(RULE, spending, certaindex),
    "open_share": open_share,
    "exact": exact_units,
}


def moments(trace: Trace, cap: int, shuffles: int) -> list[Moment]:
    found = []
    for seed in range(shuffles):
        rng = random.Random(seed)
        for question in trace.questions:
            samples = rng.sample(question.samples, len(question.samples))[:cap]
            path = standings(samples, [1] * len(samples))
            drawn = replay(RULE, path).drawn
            for finished in range(1, drawn):
                certaindex = path[finished].certaindex
                assert certaindex is not None and AGREEMENT in certaindex.signals, "samples were voted on"
                found.append(Moment(Spending(finished, 0, len(samples)), certaindex, drawn - finished))
    return found


def score(found: Sequence[Moment]) -> JSON:
    taken = [float(each.remaining) for each in found]
    scores: JSON = {"moments": len(found), "mean_taken": statistics.fmean(taken)}
    for name, estimate in ESTIMATES.items():
        expected = [estimate(each.spending, each.certaindex) for each in found]
        scores[name] = {"spearman": spearman(expected, taken), "mean": statistics.fmean(expected)}
    return scores


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation; None where one of them is all the same."""
    ranks = ranked(first), ranked(second)
    if min(len(set(each)) for each in ranks) < 2:
        return None
    return statistics.correlation(*ranks)


def ranked(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1; equal ones share the mean of their ranks."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), 1):
        places.setdefault(value, []).append(place)
    return [statistics.fmean((places[value][0], places[value][-1])) for value in values]


def table(rows: Sequence[JSON]) -> str:
    """Rank correlation with the units taken over all moments, and in brackets the mean of the estimate."""
    lines = [
        "| trace @ cap | units taken, mean | " + " | ".join(ESTIMATES) + " |",
        "|---|---|" + "---|" * len(ESTIMATES),
    ]
    for row in rows:
        cells = [f"{row['all'][name]['spearman']:.2f} ({row['all'][name]['mean']:.1f})" for name in ESTIMATES]
        lines.append(f"| {row['trace']} @{row['cap']} | {row['all']['mean_taken']:.1f} | {' | '.join(cells)} |")
    means = [statistics.fmean(row["all"][name]["spearman"] for row in rows) for name in ESTIMATES]
    return "\n".join([*lines, "| mean | | " + " | ".join(f"{mean:.2f}" for mean in means) + " |"])


def measure(path: Path, cap: int, shuffles: int) -> JSON:
    found = moments(read_trace(path), cap, shuffles)
    row: JSON = {"trace": path.name.removesuffix(".jsonl.gz"), "cap": cap, "all": score(found)}
    for finished in LOOKS_AT:
        same = [each for each in found if each.spending.finished == finished]
        row[f"after_{finished}"] = score(same)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="folder with the recorded samples")
    parser.add_argument("--shuffles", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/expectation.json"))
    given = parser.parse_args()
    rows = [measure(given.traces / f"{name}.jsonl.gz", cap, given.shuffles) for name, cap in CAPS.items()]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
    print(table(rows))


if __name__ == "__main__":
    main()
