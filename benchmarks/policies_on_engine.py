"""Scheduling policies on a real engine, under load: ``python -m benchmarks.policies_on_engine``.

Self-consistency programs come at random moments (Poisson), whether or not earlier ones are done, at a fraction of the
rate that the engine was measured to sustain just before, with always enough to do. Each round draws questions, moments
and seeds once; every policy then gets the same ones, one after the other, in an order that rotates from round to
round. So what differs between the policies of a round is the policy, and the ratios are taken there.

A program's latency counts from the moment at which it was meant to come, also where the generator was late to send it
(how late is reported). Finish-time fairness is the paper's (``scheduling/measures.py``). Writes a JSON file and the
figure of docs/policies.md (needs the extra ``figures``), and prints the table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from dynasor import AnswerReader, Options, Question, Runtime, Sampling, SelfConsistency, open_engine
from dynasor.bench.arrivals import Arrival, arrivals
from dynasor.bench.baselines import TokenCount
from dynasor.bench.deadlines import quantile
from dynasor.bench.driving import LATE_S, Served, serve
from dynasor.cli.latency_figure import draw_latencies
from dynasor.engines.protocol import Engine
from dynasor.models.question_sets import Split, question_lines
from dynasor.scheduling import POLICIES, Allocator, make_allocator
from dynasor.scheduling.measures import finish_time_fairness
from dynasor.vocabulary import JSON, Answer

BASELINE = "fcfs"
ENDLESS_S = 1e9
"""No window ends a round; its number of programs does."""
MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What every policy works under: the engine, how it is asked, and at most ``capacity`` requests at once."""

    engine: Engine
    reader: AnswerReader
    allocator: Allocator
    cap: int
    capacity: int
    sampling: Sampling

    def runtime(self, policy: str, listener: TokenCount) -> Runtime:
        """A new one, which has learned nothing yet."""
        return Runtime(self.engine, self.reader, concurrency=self.capacity, policy=policy, listener=listener)

    def options(self, seed: int) -> Options:
        return Options(max_samples=self.cap, sampling=self.sampling, seed=seed)


@dataclass(frozen=True, slots=True)
class Measured:
    """One program, in seconds: how late it was sent, how long it waited for its first request to start, and its latency
    since it was due."""

    late_s: float
    queue_s: float
    latency_s: float
    fairness: float | None
    """Seconds a token of its baseline, the paper's phi."""
    is_right: bool
    num_tokens: int
    num_samples: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """What the engine sustains."""

    tokens_per_s: float
    tokens_per_program: float

    @property
    def programs_per_s(self) -> float:
        return self.tokens_per_s / self.tokens_per_program


def all_questions() -> list[Question]:
    lines = map(json.loads, question_lines(Split.TEST))
    return [Question.of_text(line["question"], line["id"], line["reference"]) for line in lines]


async def measure_throughput(setting: Setting, num_programs: int, seed: int) -> Throughput:
    """With always as many programs at work as there are places, so that all places are always taken. What is still at
    work when the questions run out counts no more."""
    counted, loop = TokenCount(), asyncio.get_running_loop()
    runtime = setting.runtime("gang", counted)
    coming = iter(arrivals(all_questions(), 1.0, ENDLESS_S, str(seed), most=num_programs))
    answers: list[Answer] = []
    began = loop.time()
    run_out: list[tuple[float, int]] = []

    async def work() -> None:
        for each in coming:
            options = setting.options(each.seed)
            answers.append(await runtime.run(each.question, SelfConsistency(), setting.allocator, options))
        run_out.append((loop.time(), counted.num_tokens))

    async with asyncio.TaskGroup() as group:
        for _ in range(setting.capacity):
            group.create_task(work())
    ended, num_tokens = run_out[0]
    return Throughput(num_tokens / (ended - began), statistics.fmean(each.usage.produced for each in answers))


async def measured_under(setting: Setting, policy: str, coming: Sequence[Arrival]) -> list[Measured]:
    """All programs of a round under one policy, in the order of their arrival."""
    runtime = setting.runtime(policy, TokenCount())

    async def run(arrival: Arrival) -> Answer:
        options = setting.options(arrival.seed)
        return await runtime.run(arrival.question, SelfConsistency(), setting.allocator, options)

    return [await measured(setting, each) for each in await serve(coming, run)]


async def measured(setting: Setting, served: Served) -> Measured:
    answer = served.answer
    if answer is None:
        raise RuntimeError(f"the program on {served.arrival.question.id} failed")
    return Measured(
        late_s=served.late_s,
        queue_s=answer.queue_s,
        latency_s=served.latency_s,
        fairness=finish_time_fairness(answer, setting.cap),
        is_right=await is_right(setting.reader, answer, served.arrival.question),
        num_tokens=answer.usage.produced,
        num_samples=answer.num_samples,
    )


async def is_right(reader: AnswerReader, answer: Answer, question: Question) -> bool:
    assert question.reference is not None, "the questions that ship with us have references"
    return answer.text is not None and await reader.same(answer.text, question.reference)


def summary(served: Sequence[Measured]) -> JSON:
    """Seconds, except where it says otherwise."""
    latencies = [each.latency_s for each in served]
    fairness = [each.fairness for each in served if each.fairness is not None]
    return {
        "mean": statistics.fmean(latencies),
        "p50": quantile(latencies, 0.5),
        "p90": quantile(latencies, 0.9),
        "mean_queue": statistics.fmean(each.queue_s for each in served),
        "fairness_mean_ms_per_token": MILLISECONDS * statistics.fmean(fairness),
        "fairness_p90_ms_per_token": MILLISECONDS * quantile(fairness, 0.9),
        "accuracy": statistics.fmean(each.is_right for each in served),
        "tokens_per_program": statistics.fmean(each.num_tokens for each in served),
        "samples_per_program": statistics.fmean(each.num_samples for each in served),
        "sent_late": sum(each.late_s > LATE_S for each in served),
        "latest_send": max(each.late_s for each in served),
    }


def spread(values: Sequence[float]) -> JSON:
    return {"mean": statistics.fmean(values), "lowest": min(values), "highest": max(values)}


RATIOS = ("mean", "p50", "p90", "fairness_mean_ms_per_token", "fairness_p90_ms_per_token")


def ratios(rounds: Sequence[JSON], policies: Sequence[str]) -> JSON:
    """Of every policy to the baseline, by round: mean, lowest and highest."""
    if BASELINE not in policies:
        return {}
    return {
        policy: {
            name: spread([each[policy]["summary"][name] / each[BASELINE]["summary"][name] for each in rounds])
            for name in RATIOS
        }
        for policy in policies
        if policy != BASELINE
    }


async def measure(given: argparse.Namespace) -> JSON:
    async with opened(given) as setting:
        print("measuring what the engine sustains ...", flush=True)
        throughput = await measure_throughput(setting, given.programs, given.seed)
        rate = given.load * throughput.programs_per_s
        print(f"{throughput.programs_per_s:.2f} programs a second; now {rate:.2f} come", flush=True)
        rounds: list[JSON] = []
        for number in range(given.rounds):
            rounds.append(await one_round(setting, given, rate, number))
        info = setting.engine.info
    everything = {
        policy: summary([Measured(**each) for one in rounds for each in one[policy]["programs"]])
        for policy in given.policies
    }
    return {
        "engine": {"kind": info.kind, "model": info.model, "cores": os.cpu_count()},
        "setting": {name: getattr(given, name) for name in STORED},
        "throughput": {**asdict(throughput), "programs_per_s": throughput.programs_per_s},
        "rate": rate,
        "policies": everything,
        "ratios_to_baseline": ratios(rounds, given.policies),
        "rounds": rounds,
    }


STORED = ("load", "programs", "rounds", "capacity", "max_samples", "max_tokens", "temperature", "allocator", "seed")


async def one_round(setting: Setting, given: argparse.Namespace, rate: float, number: int) -> JSON:
    """What each policy made of the same programs."""
    seed = given.seed + 1 + number
    coming = arrivals(all_questions(), rate, ENDLESS_S, str(seed), most=given.programs)
    turn = number % len(given.policies)
    found: JSON = {}
    for policy in (*given.policies[turn:], *given.policies[:turn]):
        served = await measured_under(setting, policy, coming)
        found[policy] = {"summary": summary(served), "programs": [asdict(each) for each in served]}
        measured = found[policy]["summary"]
        print(f"round {number + 1}, {policy}: mean {measured['mean']:.2f} s, P90 {measured['p90']:.2f} s", flush=True)
    return found


@asynccontextmanager
async def opened(given: argparse.Namespace) -> AsyncIterator[Setting]:
    async with open_engine(given.engine, slots=given.capacity) as engine, AnswerReader() as reader:
        sampling = Sampling(temperature=given.temperature, max_tokens=given.max_tokens)
        allocator = make_allocator(given.allocator)
        yield Setting(engine, reader, allocator, given.max_samples, given.capacity, sampling)


def table(result: JSON) -> str:
    """A row for each policy, and under it the ratios to the baseline: mean over the rounds, lowest and highest."""
    lines = [
        "| policy | mean, s | P50, s | P90, s | fairness, ms/token (P90) | accuracy | tokens a program |",
        "|---|---|---|---|---|---|---|",
    ]
    for policy, found in result["policies"].items():
        fairness = f"{found['fairness_mean_ms_per_token']:.1f} ({found['fairness_p90_ms_per_token']:.1f})"
        cells = [f"{found[name]:.2f}" for name in ("mean", "p50", "p90")]
        cells += [fairness, f"{found['accuracy']:.3f}", f"{found['tokens_per_program']:.0f}"]
        lines.append(f"| {policy} | {' | '.join(cells)} |")
        if (ratio := result["ratios_to_baseline"].get(policy)) is not None:
            cells = [ratio_cell(ratio[name]) for name in ("mean", "p50", "p90", "fairness_mean_ms_per_token")]
            lines.append(f"| {policy} / {BASELINE} | {' | '.join(cells)} | | |")
    return "\n".join([*lines, "", footnote(result)])


def ratio_cell(ratio: JSON) -> str:
    return f"{ratio['mean']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"


def footnote(result: JSON) -> str:
    setting, policies = result["setting"], result["policies"].values()
    num_sent = setting["programs"] * setting["rounds"] * len(policies)
    return (
        f"{result['engine']['model']} on {result['engine']['kind']}, {setting['capacity']} requests at once, "
        f"{result['rate']:.2f} programs a second come ({setting['load']:g} of the {setting['programs']}-program "
        f"throughput), {setting['rounds']} rounds of {setting['programs']} programs. Sent more than "
        f"{MILLISECONDS * LATE_S:g} ms late: {sum(each['sent_late'] for each in policies)} of {num_sent}, at most "
        f"{MILLISECONDS * max(each['latest_send'] for each in policies):.0f} ms."
    )


def plot(result: JSON, path: Path) -> None:
    """All rounds together."""
    curves = {
        f"{policy}, mean {found['mean']:.1f} s": [
            each["latency_s"] for one in result["rounds"] for each in one[policy]["programs"]
        ]
        for policy, found in result["policies"].items()
    }
    draw_latencies(curves, path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="embedded", help="embedded, a .gguf file, or a URL")
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["fcfs", "gang", "sjf"])
    parser.add_argument("--load", type=float, default=0.9, help="share of the measured throughput that comes")
    parser.add_argument("--programs", type=int, default=200, help="of a round, and of the measurement before")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--capacity", type=int, default=8, help="requests at once; the rest waits with us")
    parser.add_argument("--max-samples", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=400)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--allocator", default="agreement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/policies_on_engine.json"))
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/policies.svg"))
    given = parser.parse_args()
    for name in ("load", "programs", "rounds", "capacity"):
        if not getattr(given, name) > 0:
            parser.error(f"--{name} is {getattr(given, name)}; a number above 0 was expected")
    return given


def main() -> None:
    given = arguments()
    result = asyncio.run(measure(given))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    print("\n" + table(result))
    plot(result, given.figure)


if __name__ == "__main__":
    main()
