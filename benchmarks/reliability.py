"""Is agreement a probability? Predicted against observed, on questions that no prior was learned from.

``python -m benchmarks.reliability --traces FOLDER`` splits each trace in halves, learns the prior on one half without
labels, and compares on the other how often the answer was kept with what agreement said, for the learned prior and the
uniform one. Writes a JSON file and the figure of the docs (needs the extra ``figures``).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.stop_rules import CAPS
from dynasor.calibration import Reliability, reliability
from dynasor.calibration.prior import fit_prior
from dynasor.calibration.walks import Walk, shuffled_walks
from dynasor.certainty import UNIFORM, VotePrior
from dynasor.replay import Trace, read_trace

Pair = tuple[Reliability, Reliability]


def measure(trace: Trace, cap: int, shuffles: int = 10, seed: int = 0) -> Pair:
    """(with the uniform prior, with a learned one), each on the half of the questions it was not learned from."""
    questions = random.Random(seed).sample(trace.questions, len(trace.questions))
    half = len(questions) // 2
    learned_from, seen = (
        shuffled_walks(part, cap, "majority", shuffles, seed) for part in (questions[:half], questions[half:])
    )
    prior = fit_prior(learned_from)
    return under(UNIFORM, seen), under(prior, seen)


def under(prior: VotePrior, seen: Sequence[Walk]) -> Reliability:
    return reliability(foretold for walk in seen for foretold in walk.course(prior).predictions())


def plot(measured: dict[str, Pair], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(10, 6.6), sharex=True, sharey=True)
    for axis, (name, pair) in zip(axes.flat, measured.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        for found, label, marker in zip(pair, ("uniform prior", "learned prior"), ("o", "s"), strict=True):
            points = [(decile.predicted, decile.observed) for decile in found.deciles]
            label = f"{label}, error {found.error:.3f}"
            axis.plot(*zip(*points, strict=True), marker=marker, markersize=4, label=label)
        axis.set_title(name, fontsize=9)
        axis.legend(fontsize=7, loc="upper left")
    figure.supxlabel("agreement: predicted probability that the answer stands")
    figure.supylabel("share of answers that stood")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, required=True, help="folder with the recorded samples")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/reliability.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/reliability.svg"))
    given = parser.parse_args()
    measured = {name: measure(read_trace(given.traces / f"{name}.jsonl.gz"), cap) for name, cap in CAPS.items()}
    stored = {name: {"uniform": a.to_json(), "learned": b.to_json()} for name, (a, b) in measured.items()}
    for path in (given.output, given.figure):
        path.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(stored, option=orjson.OPT_INDENT_2) + b"\n")
    plot(measured, given.figure)
    print("| trace | error, uniform prior | error, learned prior |\n|---|---|---|")
    for name, (uniform, learned) in measured.items():
        print(f"| {name} | {uniform.error:.3f} | {learned.error:.3f} |")


if __name__ == "__main__":
    main()
