"""What the study at scale looks at (see ``benchmarks.scale``): programs, sites, arms, in the order of their worth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dynasor.bench.workloads import ARMS, ENGINE, GANG, OURS, PAPER, WORKLOADS, Arm, Workload
from dynasor.certainty import AGREEMENT
from dynasor.replay.traces import read_trace
from dynasor.scheduling import POLICIES, make_allocator
from dynasor.simulation import EngineProfile, load_engine_profile
from dynasor.simulation.answers import Population, Questions, RecordedQuestions, SimulatedQuestion
from dynasor.simulation.manner import Manner
from dynasor.simulation.plans import PROMPT_TOKENS, Defaults, open_questions
from dynasor.simulation.workloads import Poisson, Stream
from dynasor.vocabulary import JSON, Sampling

TRACE, POPULATION = "faithfulcot_gsm8k_codex_15prompts", "gsm8k-faithful-cot"
"""Recorded answers of a large model to grade-school problems, and the population that ships, fitted to them."""
SMALL_A100, SMALL_H200 = "a100-80gb-llama-3.1-8b", "h200-llama-3.1-8b"
LARGE_A100, LARGE_H200 = "a100-80gb-x4-llama-3.1-70b", "h200-x2-llama-3.1-70b"
NEARLY = 0.95
"""Of the best throughput; the fewest requests at once that reach it are taken, as in the online benchmark."""
CONTEXT_TOKENS = 300.0
"""That a request looks back on, on average, for that."""
LONG_PROMPT_TOKENS = 4000
"""As of prompts with documents or many examples in them."""
STEP_TOKENS = 48.0
SAMPLING = Sampling(max_tokens=2000)
LOW_LOAD = 0.1
"""Of the baseline's knee."""
LOWER_CAPS = (5, 10)
LOOSER_CHANGES = (0.05, 0.1)
"""What a program spends can be lowered for everybody, by the cap, or where it matters least, by the chance of another
answer at which ours stops."""
EASY = Population("all easy", "made up: nearly every sample is right", right_a=1000.0, right_b=1.0, wrong_ratio=0.3)
HOPELESS = Population(
    "all hopeless", "made up: hardly a sample is right, and wrong ones differ", 1.0, 1000.0, wrong_ratio=0.9
)

PAPER_LOOKS_AT = 5
"""Samples after which the paper's rule for self-consistency looks, once."""
SPENDING = "spending"
"""The group of scenarios that spend less than the others."""

_SPREAD = replace(POLICIES["fcfs"], minds_caches=False)
_SPREAD_GANG = replace(POLICIES["gang"], minds_caches=False)
_SPREAD_SJF = replace(POLICIES["sjf"], minds_caches=False)
FOUR: Sequence[Arm] = (replace(ARMS[ENGINE], policy=_SPREAD), ARMS[GANG], ARMS[PAPER], ARMS[OURS])
"""The arms of the online benchmark. What stands before several engines without us is a balancer that sends every
request where fewest run."""
ONE_OFF: Mapping[str, Arm] = {
    each.name: each
    for each in (
        Arm("stopping off", "sjf", "fixed"),
        Arm("gang off", replace(POLICIES["sjf"], keeps_together=False), "ours", first_try=1.8),
        Arm("sjf off", "gang", "ours", first_try=1.8),
        Arm("gang and sjf off", "fcfs", "ours", first_try=1.8),
        Arm("affinity off", _SPREAD_SJF, "ours", first_try=1.8),
        Arm("limit off", "sjf", "ours", is_limited=False, first_try=1.8),
    )
}
"""Everything but one thing. Without gang a program that looks at what came back loses its places meanwhile; the order
is still one of programs, for that is what shortest first ranks. Without gang and sjf requests go as they came."""
ADDED: Mapping[str, Arm] = {
    each.name: each
    for each in (
        Arm("limit", _SPREAD, "fixed"),
        Arm("limit, gang", _SPREAD_GANG, "fixed"),
        Arm("limit, gang, sjf", _SPREAD_SJF, "fixed"),
    )
}
"""One thing more each, from the engine alone on; stopping comes next, which is "affinity off", then affinity."""
CUMULATIVE = (ENGINE, *ADDED, "affinity off", OURS)


@dataclass(frozen=True, slots=True)
class Kind:
    """Programs of one kind in a workload, ``share`` of all by weight."""

    workload: Workload
    questions: Questions
    share: int = 1
    manner: Manner = field(default_factory=lambda: Manner(step_tokens=STEP_TOKENS))

    @property
    def name(self) -> str:
        return self.workload.program

    @property
    def prompt_tokens(self) -> int:
        return self.questions.draw(random.Random(0)).prompt_tokens

    @property
    def stream(self) -> Stream:
        """As ``dynasor simulate`` has it; it knows what is recorded of its completions, and what modelled."""
        return Stream(
            self.name,
            Poisson(1.0),
            self.questions,
            program=self.name,
            reward=self.workload.reward,
            manner=self.manner,
        )

    def draw(self, count: int, seed: str) -> list[SimulatedQuestion]:
        """Different questions, as far as there are so many."""
        rng = random.Random(f"{seed}-{self.name}")
        if isinstance(self.questions, RecordedQuestions):
            return list(rng.sample(self.questions.questions, min(count, len(self.questions.questions))))
        return [self.questions.draw(rng) for _ in range(count)]

    def to_json(self) -> JSON:
        return {
            **self.workload.to_json(),
            "share": self.share,
            "questions": self.questions.name,
            "is_recorded": isinstance(self.questions, RecordedQuestions),
            "completions": self.stream.modelled(),
            "manner": str(self.manner),
        }


@dataclass(frozen=True, slots=True)
class Scenario:
    """A workload at a site, served by several arms.

    Args:
        group: of which table it is.
        arms: the first is the baseline.
        repetitions: at most.
        knee_of: no knees are looked for; all arms are measured once, at ``share`` of the knee that the baseline has
            in the scenario of this name.
        programs: in each such cell; None: as many as in others.
        deadlines_of: the scenario whose deadlines hold in this one too; None: its own.
    """

    name: str
    group: str
    profile: EngineProfile
    num_replicas: int
    kinds: Sequence[Kind]
    arms: Sequence[Arm] = FOUR
    repetitions: int = 3
    knee_of: str | None = None
    share: float = 1.0
    programs: int | None = None
    deadlines_of: str | None = None

    @property
    def at_once(self) -> int:
        return best_at_once(self.profile)

    def to_json(self) -> JSON:
        """What results depend on."""
        return {
            "group": self.group,
            "profile": self.profile.name,
            "replicas": self.num_replicas,
            "at_once": self.at_once,
            "kinds": [kind.to_json() for kind in self.kinds],
            "arms": {arm.name: described(arm) for arm in self.arms},
            "knee_of": self.knee_of,
            "share": self.share,
            "programs": self.programs,
            "deadlines_of": self.deadlines_of,
        }


def described(arm: Arm) -> JSON:
    """An arm without its functions."""
    policy = POLICIES[arm.policy] if isinstance(arm.policy, str) else arm.policy
    order = next(name for name, each in POLICIES.items() if each.rank is policy.rank)
    return {
        "order": order,
        "keeps_together": policy.keeps_together,
        "minds_caches": policy.minds_caches,
        "stops": arm.decider,
        "is_limited": arm.is_limited,
    }


def best_at_once(profile: EngineProfile, context: float = CONTEXT_TOKENS) -> int:
    """The fewest requests at once, a power of two, that bring nearly the highest throughput by the profile's own cost
    model and fit its memory."""
    tried = [1 << power for power in range(3, 11)]
    fitting = [each for each in tried if each <= profile.max_running and each * context <= profile.kv_tokens]
    rates = {each: each / profile.cost.iteration_s(each, each * context, 0) for each in fitting}
    return min(each for each in fitting if rates[each] >= NEARLY * max(rates.values()))


def recorded_or_modelled(traces: Path) -> Questions:
    """The recorded answers where they are, else the population that was fitted to them."""
    path = traces / f"{TRACE}.jsonl.gz"
    if path.is_file():
        return RecordedQuestions.of(read_trace(path), prompt_tokens=PROMPT_TOKENS)
    return open_questions(POPULATION, Defaults())


def with_prompts_of(questions: Questions, prompt_tokens: int) -> Questions:
    """The same with longer prompts."""
    if isinstance(questions, Population):
        return replace(questions, prompt_tokens=prompt_tokens)
    assert isinstance(questions, RecordedQuestions), "questions are recorded or of a population"
    longer = tuple(replace(each, prompt_tokens=prompt_tokens) for each in questions.questions)
    return replace(questions, questions=longer)


def kind(program: str, questions: Questions, share: int = 1) -> Kind:
    """A workload of the online benchmark; what scores is a judge, for a simulated engine has no likelihoods."""
    workload = WORKLOADS[program]
    return Kind(replace(workload, reward=None if workload.reward is None else "judge"), questions, share)


def spending_less(questions: Questions, profile: EngineProfile, full: str) -> Iterator[Scenario]:
    """Self-consistency for less than in the scenario ``full``, with the deadlines of that one: what accuracy costs in
    rate."""
    usual = kind("self-consistency", questions)
    for cap in LOWER_CAPS:
        capped = (replace(usual, workload=replace(usual.workload, cap=cap)),)
        arms = FOUR if cap > PAPER_LOOKS_AT else (*FOUR[:2], FOUR[3])
        yield Scenario(f"cap {cap}", SPENDING, profile, 1, capped, arms, deadlines_of=full)
    for change in LOOSER_CHANGES:
        looser = (replace(usual, workload=replace(usual.workload, ours=make_allocator(AGREEMENT, max_change=change))),)
        yield Scenario(f"agreement {1 - change:g}", SPENDING, profile, 1, looser, (FOUR[0], FOUR[3]), deadlines_of=full)


def scenarios(traces: Path) -> Iterator[Scenario]:
    """All of the study, so that what comes first is worth most where the time is short."""
    questions = recorded_or_modelled(traces)
    alone = (kind("self-consistency", questions),)
    mixed = (
        kind("self-consistency", questions, 8),
        kind("mcts", questions, 4),
        kind("chain-of-thought", questions, 4),
        kind("rebase", questions, 1),
    )
    small = load_engine_profile(SMALL_A100)
    ends = (FOUR[0], ARMS[OURS])
    one, two = "self-consistency, 1 replica", "self-consistency, 2 replicas"
    yield Scenario("mixed, 8B on A100, 1 replica", "engines", small, 1, mixed)
    yield Scenario(one, "replicas", small, 1, alone)
    yield Scenario("low load", "vanishing", small, 1, alone, knee_of=one, share=LOW_LOAD, programs=300)
    yield Scenario("mixed, 70B on 2 H200, 1 replica", "engines", load_engine_profile(LARGE_H200), 1, mixed)
    yield from spending_less(questions, small, one)
    three = (FOUR[0], ARMS[PAPER], ARMS[OURS])
    yield Scenario("all easy", "vanishing", small, 1, (kind("self-consistency", EASY),), three)
    yield Scenario("all hopeless", "vanishing", small, 1, (kind("self-consistency", HOPELESS),), three)
    yield Scenario(two, "replicas", small, 2, alone, (*ends, *ONE_OFF.values(), *ADDED.values()))
    for label, name in (("70B on 4 A100", LARGE_A100), ("8B on H200", SMALL_H200)):
        yield Scenario(f"mixed, {label}, 1 replica", "engines", load_engine_profile(name), 1, mixed)
    yield Scenario("self-consistency, 8 replicas", "replicas", small, 8, alone, repetitions=1)
    long = (kind("self-consistency", with_prompts_of(questions, LONG_PROMPT_TOKENS)),)
    yield Scenario("long prompts, 2 replicas", "prompts", small, 2, long, (*ends, ONE_OFF["affinity off"]))
    yield Scenario("self-consistency, 64 replicas", "replicas", small, 64, alone, ends, repetitions=1)
    yield Scenario(
        "self-consistency, 64 replicas, 100,000 programs",
        "replicas",
        small,
        64,
        alone,
        ends,
        repetitions=1,
        knee_of="self-consistency, 64 replicas",
        programs=100_000,
    )
