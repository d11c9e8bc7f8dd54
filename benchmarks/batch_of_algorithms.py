"""The batch benchmark's comparison over what ``benchmarks.algorithms`` ran.

``python -m benchmarks.batch_of_algorithms`` asks no engine: the result lines of every arm are in that benchmark's
folder, on the embedded engine. Curves over caps of self-consistency are replayed from the samples of its full cap, as
``dynasor bench batch`` does. Seconds are left out: the arms ran at different times.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from benchmarks.batch import put_into
from dynasor.bench.offline import AGREEMENT, EVEN, PAPER, PROFILE, Key, compared, length_rule, replays_of
from dynasor.bench.workloads import WORKLOADS
from dynasor.programs import is_exchangeable
from dynasor.vocabulary import JSON

FILES: Mapping[str, Mapping[Key, str]] = {
    "self-consistency": {
        (EVEN, 16): "cap",
        (PROFILE, 16): "profile,-99-%-of-answers-kept",
        (AGREEMENT, 16): "agreement",
        (PAPER, 16): "paper",
        ("worth", 16): "worth",
    },
    "rebase": {
        (EVEN, 32): "cap",
        **{(EVEN, cap): f"cap-{cap}" for cap in (4, 8, 16)},
        (AGREEMENT, 32): "agreement",
        (PAPER, 32): "paper",
    },
    "mcts": {
        (EVEN, 15): "cap",
        **{(EVEN, cap): f"cap-{cap}" for cap in (3, 5, 7, 9, 11)},
        (AGREEMENT, 15): "agreement",
        (PAPER, 15): "paper",
    },
}
"""The rule and the cap of each arm's file."""


def workload_of(name: str, folder: Path, order: Sequence[str]) -> JSON:
    """One algorithm's rules side by side."""
    results = {key: lines_of(folder / name / f"{file}.jsonl", order) for key, file in FILES[name].items()}
    top = max(cap for _, cap in results)
    workload = replace(WORKLOADS[name], cap=top)
    replays = []
    if is_exchangeable(workload.program):
        replays = replays_of(name, workload, length_rule(results[PAPER, top], workload.paper))
    return {"cap": top, **compared(results, dict.fromkeys(results, 0.0), replays, top)}


def lines_of(path: Path, order: Sequence[str]) -> list[JSON]:
    found = {line["id"]: line for line in map(orjson.loads, path.read_bytes().splitlines())}
    return [found[id] for id in order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", nargs="+", choices=list(FILES), default=list(FILES))
    parser.add_argument("--folder", type=Path, default=Path("build/algorithms"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/batch.json"))
    given = parser.parse_args()
    order = [orjson.loads(line)["id"] for line in (given.folder / "questions.jsonl").read_bytes().splitlines()]
    programs = " ".join(given.programs)
    run = {
        "command": f"python -m benchmarks.algorithms; python -m benchmarks.batch_of_algorithms --programs {programs}",
        "engine": {"kind": "llamacpp", "model": "the embedded model"},
        "is_timed": False,
        "questions": len(order),
    }
    put_into(given.output, {name: workload_of(name, given.folder, order) for name in given.programs}, run)


if __name__ == "__main__":
    main()
