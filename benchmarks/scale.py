"""What the system would gain at sizes that nobody here can run: ``python -m benchmarks.scale``.

The production runtime, programs, allocators and scheduler serve simulated engines on a virtual clock; the search for
knees, the driver, deadlines and ratios are those of ``dynasor bench online``. Engines are analytic (rooflines from
published numbers), so they are faster than real ones; ratios between arms are what to look at.

Every cell is a line of ``--raw`` when it is done; the same command goes on from there. What is worth most comes first,
and ``--budget-s`` begins nothing that would end later. Recorded answers are drawn from where ``--traces`` has them,
else from the population that ships, fitted to them; the result says which. Writes ``benchmarks/results/scale.json``.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import orjson

from benchmarks.online import processor
from benchmarks.scale_cells import Alone, Pool, alone, measured
from benchmarks.scale_cost import CostSize, cost_of
from benchmarks.scale_scenarios import CONTEXT_TOKENS, Scenario, scenarios
from dynasor.bench.arrivals import FEWEST
from dynasor.bench.cells import Cell, Judge
from dynasor.bench.knee import knee
from dynasor.bench.raw import RawResults
from dynasor.bench.report import report
from dynasor.bench.search import Search, Wanted, points_of
from dynasor.bench.workloads import ARMS, ENGINE, OURS
from dynasor.vocabulary import JSON

LOAD = 1.1
"""Of what the engines sustain by their profile, where the search for the baseline's knee begins: deadlines are several
times what a program takes alone, so for a while they are kept by engines that fall behind."""
WINDOW_DEADLINES = 3.0
"""A window is so many base deadlines at least, and long enough for ``Plan.programs`` at the baseline's knee."""
FOR_EVER_S = 1e9
COSTS: Sequence[CostSize] = (
    CostSize(1, 2_000),
    CostSize(8, 2_000),
    CostSize(64, 2_000),
    CostSize(64, 20_000),
)
LARGE_COSTS: Sequence[CostSize] = (CostSize(64, 100_000),)
"""How our own cost grows: with replicas, then with programs that are there at once."""
QUICK_COSTS: Sequence[CostSize] = (CostSize(1, 200), CostSize(16, 200))
QUICK = ("self-consistency, 1 replica", "low load", "mixed, 8B on A100, 1 replica")
QUICK_BUDGET_S = 120.0
IS_OF_NO_USE = ("cpu_share", "sent_late", "latest_send_s", "by_difficulty")
"""What the online benchmark reports of a real clock, and what means little where kinds are mixed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how.

    Args:
        costs: sizes at which our own cost is measured.
        repetitions: of every knee, as far as a scenario has so many.
        programs: that come in a cell at least, at the baseline's knee.
        alone: of each kind that are run by themselves, for deadlines.
        budget_s: nothing is begun that would end later; None: until all is measured.
    """

    scenarios: Sequence[Scenario]
    costs: Sequence[CostSize] = ()
    repetitions: int = 3
    programs: int = 300
    alone: int = 12
    seed: int = 0
    budget_s: float | None = None

    def settings(self) -> JSON:
        """What results depend on. More repetitions may be asked for later."""
        sites = {scenario.name: scenario.to_json() for scenario in self.scenarios}
        return {"programs": self.programs, "alone": self.alone, "seed": self.seed, "scenarios": sites}


class Study:
    """One run of a plan. What ``raw`` has already is not measured again. ``say`` hears what is going on."""

    def __init__(self, plan: Plan, raw: RawResults, say: Callable[[str], None] = lambda line: None) -> None:
        self._plan = plan
        self._raw = raw
        self._say = say
        self._began = time.monotonic()
        self._judges: dict[str, Judge] = {}

    def run(self) -> JSON:
        """Measure what is missing, as far as the budget goes; the result of all that there is."""
        small = [scenario for scenario in self._plan.scenarios if scenario.repetitions > 1]
        large = [scenario for scenario in self._plan.scenarios if scenario.repetitions == 1]
        is_complete = all(self._measure(scenario, 1) for scenario in small[:FIRST]) and self._measure_costs()
        for repetitions in range(1, self._plan.repetitions + 1):
            for scenario in small:
                is_complete = is_complete and self._measure(scenario, repetitions)
        for scenario in large:
            is_complete = is_complete and self._measure(scenario, 1)
        return self._report(is_complete)

    @property
    def cells(self) -> list[Cell]:
        return [Cell.of_json(line) for line in self._raw.of_kind("cell")]

    def cells_of(self, scenario: Scenario) -> list[Cell]:
        return [cell for cell in self.cells if cell.workload == scenario.name]

    def _measure(self, scenario: Scenario, repetitions: int) -> bool:
        """What is missing of so many repetitions; whether nothing was left for want of time."""
        judge = self.judge(scenario)
        while (wanted := self._wanted(scenario, min(repetitions, scenario.repetitions), judge)) is not None:
            if not self._has_time(self._expected_s(scenario, wanted)):
                return False
            cell = measured(
                scenario,
                wanted,
                window_s=self._window_s(scenario),
                pool_seed=self._plan.seed,
                seed=self._plan.seed,
                most=scenario.programs,
            )
            self._raw.add("cell", cell.to_json())
            self._say(
                f"{scenario.name}, repetition {wanted.repetition + 1}, {wanted.arm}: {wanted.rate:.3f} programs/s, "
                f"tightest scale {judge.point(cell).scale:.2f} ({len(cell.questions)} programs, {cell.cpu_s:.1f} s)"
            )
        return True

    def _wanted(self, scenario: Scenario, repetitions: int, judge: Judge) -> Wanted | None:
        cells = self.cells_of(scenario)
        if scenario.knee_of is None:
            first_try = {arm.name: arm.first_try for arm in scenario.arms}
            return Search({scenario.name: self._guess(scenario)}, first_try, repetitions).wanted(cells, judge)
        rate = scenario.share * self._known_knee(scenario.knee_of)
        done = {(cell.repetition, cell.arm) for cell in cells}
        all_of_them = (
            Wanted(scenario.name, arm.name, number, rate) for number in range(repetitions) for arm in scenario.arms
        )
        return next((each for each in all_of_them if (each.repetition, each.arm) not in done), None)

    def _guess(self, scenario: Scenario) -> float:
        """A rate near the baseline's knee: by that of fewer replicas of the same, else by the profile."""
        for other in self._plan.scenarios:
            is_smaller = (other.profile, other.kinds, other.knee_of) == (scenario.profile, scenario.kinds, None)
            if is_smaller and other.num_replicas < scenario.num_replicas and self.cells_of(other):
                return self._known_knee(other.name) * scenario.num_replicas / other.num_replicas
        at_once = scenario.at_once
        tokens_per_s = at_once / scenario.profile.cost.iteration_s(at_once, at_once * CONTEXT_TOKENS, 0)
        takes = self._alone(scenario)
        mean_tokens = weighted([(kind.share, takes[kind.name].tokens) for kind in scenario.kinds])
        return LOAD * tokens_per_s * scenario.num_replicas / mean_tokens

    def _known_knee(self, name: str) -> float:
        """The baseline's in a scenario that was measured, in its first repetition."""
        scenario = self._named(name)
        baseline = scenario.arms[0].name
        return knee(points_of(self.cells_of(scenario), baseline, 0, self.judge(scenario))).rate

    def _named(self, name: str) -> Scenario:
        return next(each for each in self._plan.scenarios if each.name == name)

    def _window_s(self, scenario: Scenario) -> float:
        if scenario.programs is not None:
            return FOR_EVER_S
        base_s = self.judge(scenario).base_s[scenario.name]
        return max(WINDOW_DEADLINES * base_s, self._plan.programs / self._guess(scenario))

    def judge(self, scenario: Scenario) -> Judge:
        """Deadlines: each kind's base is what its programs take alone, times the factor of its workload; the base of a
        mix is the mean of them."""
        if scenario.name not in self._judges:
            source = scenario if scenario.deadlines_of is None else self._named(scenario.deadlines_of)
            takes = self._alone(source)
            bases = {kind.name: kind.workload.deadline_factor * takes[kind.name].latency_s for kind in source.kinds}
            mean_s = weighted([(kind.share, bases[kind.name]) for kind in scenario.kinds])
            pool = Pool.of(scenario.kinds, self._plan.seed)
            self._judges[scenario.name] = Judge(
                {scenario.name: mean_s},
                {id: question.difficulty * bases[kind.name] / mean_s for id, (kind, question) in pool.entries.items()},
            )
        return self._judges[scenario.name]

    def _alone(self, scenario: Scenario) -> dict[str, Alone]:
        """By kind. One replica is enough, so sites of the same engines share them."""
        found = {}
        for kind in scenario.kinds:
            read = f"{kind.questions.name}, {kind.prompt_tokens}"
            key = f"{scenario.profile.name}, {kind.name} of {kind.workload.cap}, {read}"
            stored = next((line for line in self._raw.of_kind("alone") if line["of"] == key), None)
            if stored is None:
                takes = alone(replace(scenario, num_replicas=1), kind, self._plan.alone, self._plan.seed)
                stored = {"of": key, **asdict(takes)}
                self._raw.add("alone", stored)
            found[kind.name] = Alone(stored["latency_s"], stored["tokens"])
        return found

    def _measure_costs(self) -> bool:
        for size in self._plan.costs:
            if any(line["size"] == asdict(size) for line in self._raw.of_kind("cost")):
                continue
            if not self._has_time(size.num_programs * EXPECTED_COST_S):
                return False
            found = cost_of(size)
            self._raw.add("cost", {"size": asdict(size), **found})
            self._say(
                f"{size.num_programs:,} programs at once, {size.num_replicas} replicas: "
                f"{found['microseconds_a_request']:.0f} us a request, {found['kibibytes_a_program']:.1f} KiB a program"
            )
        return True

    def _has_time(self, expected_s: float) -> bool:
        budget_s = self._plan.budget_s
        if budget_s is None or time.monotonic() - self._began + expected_s <= budget_s:
            return True
        self._say("the time is up; start it again to go on")
        return False

    def _expected_s(self, scenario: Scenario, wanted: Wanted) -> float:
        """As long as the longest cell of the scenario took, else as many programs as will come would take by the
        cells so far."""
        cells = self.cells
        of_it = [cell.cpu_s for cell in cells if cell.workload == scenario.name]
        if of_it:
            return max(of_it)
        programs = scenario.programs or max(FEWEST, wanted.rate * self._window_s(scenario))
        spent_s, served = sum(cell.cpu_s for cell in cells), sum(len(cell.questions) for cell in cells)
        return programs * spent_s / served if served else 0.0

    def _report(self, is_complete: bool) -> JSON:
        cells = self.cells
        measured_ones = [scenario for scenario in self._plan.scenarios if self.cells_of(scenario)]
        return {
            "is_complete": is_complete,
            "settings": without(self._plan.settings(), "scenarios") | {"repetitions": self._plan.repetitions},
            "programs": sum(len(cell.questions) for cell in cells),
            "cells": len(cells),
            "processor_s": sum(cell.cpu_s for cell in cells),
            "left_out": [each.name for each in self._plan.scenarios if each not in measured_ones],
            "scenarios": {each.name: self._report_on(each) for each in measured_ones},
            "cost": [{"size": line["size"], **without(line, "kind", "size")} for line in self._raw.of_kind("cost")],
        }

    def _report_on(self, scenario: Scenario) -> JSON:
        judge = self.judge(scenario)
        found = report(self.cells_of(scenario), judge, baseline=ENGINE, subject=OURS)[scenario.name]
        found["arms"] = {name: without(arm, *IS_OF_NO_USE) for name, arm in found["arms"].items()}
        for arm in found["arms"].values():
            arm["at_baseline_knee"] = without(arm["at_baseline_knee"] or {}, "slowness_by_difficulty") or None
        if scenario.knee_of is not None:
            found["rate_ratio"] = {}
            found["borne_ratio"] = {}
            found["rate_ratio_by_scale"] = {}
        result: JSON = scenario.to_json() | {"served": found.pop("arms")} | found
        return result


FIRST = 11
"""So many scenarios come before our own cost is measured."""
EXPECTED_COST_S = 0.006
"""Of a program at whose size our own cost is measured."""


def weighted(values: Sequence[tuple[int, float]]) -> float:
    """The mean of (weight, value)."""
    return sum(weight * value for weight, value in values) / sum(weight for weight, _ in values)


def without(values: JSON, *names: str) -> JSON:
    return {name: value for name, value in values.items() if name not in names}


def where() -> JSON:
    """The machine and the versions."""
    return {
        "machine": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"python": platform.python_version(), "dynasor": version("dynasor-llm")},
    }


def main() -> None:
    given = arguments()
    given.raw.parent.mkdir(parents=True, exist_ok=True)
    all_of_them = list(scenarios(given.traces))
    plan = Plan(all_of_them, (*COSTS, *LARGE_COSTS), given.repetitions, seed=given.seed, budget_s=given.budget_s)
    if given.quick:
        plan = quick(plan)
    study = Study(plan, RawResults(given.raw, plan.settings()), lambda line: print(line, file=sys.stderr, flush=True))
    found = {"command": f"python -m benchmarks.scale {' '.join(sys.argv[1:])}".strip(), **where(), **study.run()}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    for name, each in found["scenarios"].items():
        print(f"{name}: {summary(each)}")
    for each in found["cost"]:
        print(
            f"{each['size']['num_replicas']} replicas, {each['size']['num_programs']:,} programs at once: "
            f"{each['microseconds_a_request']:.0f} us a request"
        )


def quick(plan: Plan) -> Plan:
    """A small form: the engine alone and all of ours, in a few scenarios."""
    chosen = {each.name: each for each in plan.scenarios}
    few = [replace(chosen[name], arms=(chosen[name].arms[0], ARMS[OURS])) for name in QUICK]
    budget_s = QUICK_BUDGET_S if plan.budget_s is None else plan.budget_s
    return replace(plan, scenarios=few, costs=QUICK_COSTS, repetitions=1, programs=60, alone=4, budget_s=budget_s)


def summary(found: JSON) -> str:
    """Rate and SLO ratios in a line."""
    parts = [
        f"{what} x{ratio['mean']:.2f} of {rival}"
        for what in ("rate", "slo")
        for rival, ratio in found[f"{what}_ratio"].items()
        if ratio is not None
    ]
    return ", ".join(parts)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small form, of a minute or two")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--budget-s", type=float, help=f"seconds for all of it; then it ends in good order; quick: {QUICK_BUDGET_S:g}"
    )
    parser.add_argument("--traces", type=Path, default=Path("../shared/traces"), help="a folder of recorded samples")
    parser.add_argument("--raw", type=Path, default=Path("build/scale/cells.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/scale.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
