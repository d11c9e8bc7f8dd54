"""How many simulated requests a second of processor time: ``python -m benchmarks.simulator_speed``.

Self-consistency programs under ``gang``, on one simulated replica at a load that it can bear. Memory is the most that
the process took by then, so a row that shows no more than the one before it needed no more for its programs.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from pathlib import Path

import orjson

from dynasor.runtime import Options
from dynasor.scheduling import make_allocator
from dynasor.simulation import load_engine_profile
from dynasor.simulation.plans import Defaults, open_questions
from dynasor.simulation.simulate import Arm, Site, simulate
from dynasor.simulation.workloads import Poisson, Stream, arrivals
from dynasor.vocabulary import JSON

PROFILE = "h200-llama-3.1-8b"
QUESTIONS = "gsm8k-faithful-cot"


def measure(num_programs: int, allocator: str, rate: float, seed: int) -> JSON:
    """One run: requests, and the seconds of processor time and of the wall's clock that it took."""
    stream = Stream(
        "main", Poisson(rate), open_questions(QUESTIONS, Defaults()), options=Options(max_samples=16), slo_s=10.0
    )
    site = Site(load_engine_profile(PROFILE), capacity=256)
    arm = Arm("gang", make_allocator(allocator), allocator)
    began, began_work = time.perf_counter(), time.process_time()
    outcome = simulate(site, arm, arrivals([stream], num_programs, seed))
    worked_s = time.process_time() - began_work
    found = outcome.to_json()
    return {
        "programs": num_programs,
        "allocator": allocator,
        "requests": outcome.num_requests,
        "requests_per_processor_s": outcome.num_requests / worked_s,
        "processor_s": worked_s,
        "wall_s": time.perf_counter() - began,
        "simulated_s": outcome.duration_s,
        "mean_running": found["replicas"]["replica-0"]["mean_running"],
        "latency_s": found["latency_s"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--allocators", nargs="+", default=["agreement", "fixed"])
    parser.add_argument("--rate", type=float, default=6.0, help="programs a second of simulated time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    given = parser.parse_args()
    rows = []
    for num_programs in given.programs:
        for allocator in given.allocators:
            rows.append(measure(num_programs, allocator, given.rate, given.seed))
            print(line_of(rows[-1]), flush=True)
    if given.output is not None:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "processor": platform.machine()}
        content = {"machine": machine, "rate": given.rate, "seed": given.seed, "rows": rows}
        given.output.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def line_of(row: JSON) -> str:
    return (
        f"| {row['programs']:,} | {row['allocator']} | {row['requests']:,} | {row['requests_per_processor_s']:,.0f} "
        f"| {row['processor_s']:.0f} | {row['simulated_s']:,.0f} | {row['mean_running']:.0f} "
        f"| {row['peak_memory_mib']:.0f} |"
    )


if __name__ == "__main__":
    main()
